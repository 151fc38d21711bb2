"""The posterior flow (M10): z_t = z_{t−1} + ∇u^k(z_{t−1}, t), optionally with the prior's noise (M14)."""

from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from flowlib.data import grouped_factors
from flowlib.errors import FlowlibError
from flowlib.flows.logdet import log_abs_det, series_log_det
from flowlib.flows.potential import TanhBank
from flowlib.flows.prior import normal_like
from flowlib.transport import hamilton_jacobi_residual


@dataclass(frozen=True)
class Trajectory:
    """What one pass of the flow leaves behind, S steps for each of B samples.

    path : z_0 … z_S;  velocity, noise, residual, hessian : ∇u, ε, r and ∇²u at (z_{t−1}, t), t = 1 … S
    (`noise` and `hessian` are None where they were not asked for).
    """

    path: Float[Tensor, "B frames d"]
    velocity: Float[Tensor, "B steps d"]
    residual: Float[Tensor, "B steps"]
    noise: Float[Tensor, "B steps d"] | None = None
    hessian: Float[Tensor, "B steps d d"] | None = None

    def log_density_change(self):
        """log q_t(z_t) − log q_0(z_0) = −Σ_{s≤t} log|det(I + H_s)|, (B, S+1), exact (M11)."""
        return _accumulate(log_abs_det(self.hessian))


def run_flow(bank, z, factor, steps, first=1, hessian=False, noise_scale=None, generator=None) -> Trajectory:
    """Let latents flow along the fields of their factors for `steps` unit steps, time labels first, first+1, ….

    bank : a `PotentialBank`, or a `VelocityBank`, whose field need not be a gradient;  z : (B, d)
    factor : one index for all, (B,) labels, or weights y (B, K) of a mixture, which flows along Σ_k y_k u^k (M15): all K are then
        evaluated at every point, so that gradients reach y, also where y_k = 0; (B, S, K) are the weights of a program, other ones
        in every step
    first : one label for all, or a tensor (B,) of each sample's
    noise_scale : None, or the standard deviation √(2 D_k) of the kernel's noise, () or (B,)
    Raises FlowlibError for negative steps (`flowlib.flows.backward` undoes steps) and for factors that are not there.
    """
    if steps < 0:
        raise FlowlibError(f"steps = {steps}: a flow runs forward; give 0 or more steps")
    arrangements = _program(z, factor, steps, bank.factors)
    noise, kicks = None, [None] * steps
    if noise_scale is not None and steps:
        noise = torch.stack([normal_like(z, generator) for _ in range(steps)])
        scale = torch.as_tensor(noise_scale, dtype=z.dtype, device=z.device).expand(len(z))[:, None]
        kicks = (scale * noise).unbind()  # whose gradient is put together once, not in every step
    path, records = [z], []
    for (spread, _, back), field, kick in zip(arrangements, _fields(bank, first, arrangements), kicks):
        record = field(spread(path[-1]), hessian=hessian)
        records.append((back(record.gradient), back(record.time), back(record.hessian) if hessian else None))
        here = path[-1] + records[-1][0]
        path.append(here if kick is None else here + kick)
    return _collect(path, records, noise, hessian)


def estimated_density_change(bank, trajectory, factor, generator=None, terms=8, first=1):
    """`Trajectory.log_density_change` for large d: the power series with one random probe (needs ‖H‖ < 1), (B, S+1).

    factor : an index or labels; of a mixture, FlowlibError is raised, since log-determinants do not mix linearly.
    """
    if is_mixture(factor):
        raise FlowlibError("the series needs one factor for each sample: give labels, or use the exact Trajectory.log_density_change")
    starts = trajectory.path[:, :-1]
    spread, index, back = _arrangement(starts, factor, bank.factors)
    steps = starts.shape[1]
    labels = torch.arange(steps, dtype=starts.dtype, device=starts.device) + (first[:, None] if _each(first) else first)
    # (G, N·S): all steps of all samples in one call
    points, times = spread(starts).flatten(1, 2), spread(labels.expand(len(starts), -1)).flatten(1, 2)
    probes = torch.randint(0, 2, (1, *points.shape), generator=generator, device=points.device).to(points) * 2 - 1
    series = series_log_det(lambda v: bank.hessian_product(points, times, v, index), probes, terms)
    return _accumulate(back(series.unflatten(1, (-1, steps))))


def trace_density_change(trajectory):
    """`Trajectory.log_density_change` to first order, log det(I + H) ≈ tr H (M11), (B, S+1)."""
    return _accumulate(trajectory.hessian.diagonal(dim1=-2, dim2=-1).sum(-1))


def rows_density_change(trajectory):
    """The published code's stand-in for `Trajectory.log_density_change`: −Σ_{s≤t} Σ_i log|1 + Σ_j H_ij|, (B, S+1); exact for diagonal H alone."""
    return coordinate_density_change(trajectory).sum(-1)


def coordinate_density_change(trajectory):
    """The terms of `rows_density_change`, each latent coordinate's own, (B, S+1, d)."""
    return _accumulate((1 + trajectory.hessian.sum(-1)).abs().log())


def _accumulate(log_dets):
    return -torch.cat([log_dets.new_zeros(len(log_dets), 1, *log_dets.shape[2:]), log_dets.cumsum(1)], 1)


def _collect(path, records, noise, hessian):
    z = path[0]
    if not records:
        none = z.new_zeros(len(z), 0, z.shape[1])
        return Trajectory(z[:, None], none, none[..., 0], none, none[..., None].expand(-1, -1, -1, z.shape[1]))
    velocity, time, curvature = zip(*records)
    velocity = torch.stack(velocity, 1)
    return Trajectory(
        path=torch.stack(path, 1),
        velocity=velocity,
        residual=hamilton_jacobi_residual(torch.stack(time, 1), velocity),
        noise=None if noise is None else noise.transpose(0, 1),
        hessian=torch.stack(curvature, 1) if hessian else None,
    )


def _each(first):
    """Whether `first` holds a label for each sample."""
    return isinstance(first, Tensor) and first.ndim > 0


def codes_at(path: Float[Tensor, "B frames d"], times: Int[Tensor, "B F"]) -> Float[Tensor, "B F d"]:
    """The latents of a path z_0 … z_S at each sample's times, whole numbers 0 … S."""
    return path.gather(1, times[..., None].expand(-1, -1, path.shape[-1]))


def is_mixture(factor) -> bool:
    """Whether `factor` holds the weights (B, K) of a mixture, rather than one index or (B,) labels."""
    return isinstance(factor, Tensor) and factor.ndim == 2


def is_program(factor) -> bool:
    """Whether `factor` holds weights (B, S, K), those of a mixture for every step."""
    return isinstance(factor, Tensor) and factor.ndim == 3


def _fields(bank, first, arrangements):
    """The bank's fields of every step, from the label `first` on. All steps have the same index: a program's, as every mixture's, is None."""
    index, count = arrangements[0][1] if arrangements else None, len(arrangements)
    if _each(first):
        return [partial(bank, t=spread(first + step), factor=index) for step, (spread, *_) in enumerate(arrangements)]
    if getattr(type(bank), "forward", None) is TanhBank.forward:
        return bank.along(first + torch.arange(count, device=bank.frequencies.device), index)
    return [partial(bank, t=first + step, factor=index) for step in range(count)]  # another bank, or a subclass with a field of its own


def _program(z, factor, steps, factors):
    """The `_arrangement` of every step: a program's own, or the same one throughout."""
    if not is_program(factor):
        return [_arrangement(z, factor, factors)] * steps
    if factor.shape[1] != steps:
        raise FlowlibError(f"a program of {factor.shape[1]} steps for a flow of {steps}: give weights (B, steps, K)")
    return [_arrangement(z, weights, factors) for weights in factor.unbind(1)]


def group_by_factor(z, factor, factors):
    """Arrange (B, …) latents as (G, N, …) so that group g moves by potential index[g]; returns (grouped, index, back to (B, …)).

    One factor for all: G = 1. A training batch (equally many of each factor, in order): G = K and no gather.
    A mixture (B, K): G = K, every sample in every group, and the way back adds up the groups with the sample's weights.
    Anything else: G = B, each sample with its own copy of the weights.
    """
    spread, index, back = _arrangement(z, factor, factors)
    return spread(z), index, back


def _arrangement(z, factor, factors):
    """(from (B, …) to groups (G, N, …), index, back)."""

    def back(x):
        return x.reshape(len(z), *x.shape[2:])

    if isinstance(factor, int):
        check_factors(factor, factor, factors)
        return lambda x: x[None], [factor], back
    if is_mixture(factor):
        if factor.shape != (len(z), factors):
            raise FlowlibError(f"mixture of shape {tuple(factor.shape)}: give a weight for each of {len(z)} samples and {factors} factors")
        return lambda x: x.expand(factors, *x.shape), None, lambda x: torch.einsum("kb...,bk->b...", x, factor)
    low, high, grouped = _layout(factor, factors)
    check_factors(low, high, factors)
    if low == high:
        return lambda x: x[None], None if factors == 1 else [low], back
    if grouped:
        return lambda x: x.reshape(factors, len(z) // factors, *x.shape[1:]), None, back
    return lambda x: x[:, None], factor, back


_LAYOUTS = WeakTensorKeyDictionary()


def _layout(labels, factors):
    """(lowest, highest, whether grouped by factor) of labels (B,), which are looked at once: a look at values of a GPU waits for all its work.

    What is written into them through numpy or `.data` is not noticed, so `transport` hands a copy of a user's labels to its model.
    """
    looked_at = None if labels.is_inference() else (factors, labels._version)
    if looked_at and _LAYOUTS.get(labels, (None,))[0] == looked_at:
        return _LAYOUTS[labels][1]
    grouped = not len(labels) % factors and torch.equal(labels, grouped_factors(len(labels), factors, labels.device))
    found = (int(labels.min()), int(labels.max()), grouped) if labels.numel() else (0, 0, grouped)
    if looked_at:
        _LAYOUTS[labels] = looked_at, found
    return found


def check_factors(low: int, high: int, factors: int):
    """Raise FlowlibError unless all numbers from the lowest to the highest are those of factors."""
    if low < 0 or high >= factors:
        raise FlowlibError(f"factor {low if low < 0 else high} does not exist: the model has factors 0 … {factors - 1}")
