"""The posterior flow (M10): z_t = z_{t−1} + ∇u^k(z_{t−1}, t), optionally with the prior's noise (M14)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.data import grouped_factors
from flowlib.errors import FlowlibError
from flowlib.flows.logdet import log_abs_det, series_log_det
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
    """Let latents flow along the potentials of their factors for `steps` unit steps, time labels first, first+1, ….

    z : (B, d);  factor : one index for all, or (B,) labels
    noise_scale : None, or the standard deviation √(2 D_k) of the kernel's noise, () or (B,)
    """
    if steps < 0:
        raise FlowlibError(f"steps = {steps}: a flow runs forward; give 0 or more steps")
    here, index, back = group_by_factor(z, factor, bank.factors)
    scale = None if noise_scale is None else torch.as_tensor(noise_scale).expand(len(z))[:, None]
    path, records, noises = [z], [], []
    for t in range(first, first + steps):
        record = bank(here, t, index, hessian=hessian)
        here = here + record.gradient
        if scale is not None:
            noises.append(torch.randn(z.shape, generator=generator, dtype=z.dtype, device=z.device))
            here = here + (scale * noises[-1]).reshape(here.shape)
        path.append(back(here))
        records.append(record)
    return _collect(path, records, noises, back, hessian)


def estimated_density_change(bank, trajectory, factor, generator=None, terms=8, first=1):
    """`Trajectory.log_density_change` for large d: the power series with one random probe (needs ‖H‖ < 1), (B, S+1)."""
    starts = trajectory.path[:, :-1]
    here, index, back = group_by_factor(starts, factor, bank.factors)
    points = here.flatten(1, 2)  # (G, N·S, d): all steps of all samples in one call
    steps = starts.shape[1]
    times = torch.arange(first, first + steps, dtype=starts.dtype, device=starts.device).repeat(here.shape[1])
    probes = torch.randint(0, 2, (1, *points.shape), generator=generator, device=points.device).to(points) * 2 - 1
    series = series_log_det(lambda v: bank.hessian_product(points, times, v, index), probes, terms)
    return _accumulate(back(series.unflatten(1, (-1, steps))))


def trace_density_change(trajectory):
    """`Trajectory.log_density_change` to first order, log det(I + H) ≈ tr H (M11), (B, S+1)."""
    return _accumulate(trajectory.hessian.diagonal(dim1=-2, dim2=-1).sum(-1))


def _accumulate(log_dets):
    return -torch.cat([log_dets.new_zeros(len(log_dets), 1), log_dets.cumsum(1)], 1)


def _collect(path, records, noises, back, hessian):
    z = path[0]
    if not records:
        none = z.new_zeros(len(z), 0, z.shape[1])
        return Trajectory(z[:, None], none, none[..., 0], none, none[..., None].expand(-1, -1, -1, z.shape[1]))
    gradient = torch.stack([back(r.gradient) for r in records], 1)
    time = torch.stack([back(r.time) for r in records], 1)
    return Trajectory(
        path=torch.stack(path, 1),
        velocity=gradient,
        residual=hamilton_jacobi_residual(time, gradient),
        noise=torch.stack(noises, 1) if noises else None,
        hessian=torch.stack([back(r.hessian) for r in records], 1) if hessian else None,
    )


def group_by_factor(z, factor, factors):
    """Arrange (B, d) latents as (G, N, d) so that group g moves by potential index[g].

    One factor for all: G = 1. A training batch (equally many of each factor, in order): G = K and no gather.
    Anything else: G = B, each sample with its own copy of the weights. Returns (grouped, index, back to (B, …)).
    """
    def back(x):
        return x.reshape(len(z), *x.shape[2:])

    if isinstance(factor, int):
        _check(factor, factor, factors)
        return z[None], [factor], back
    low, high = int(factor.min()), int(factor.max())
    _check(low, high, factors)
    if low == high:
        return z[None], [low], back
    size, rest = divmod(len(z), factors)
    if not rest and torch.equal(factor, grouped_factors(len(z), factors, factor.device)):
        return z.reshape(factors, size, *z.shape[1:]), None, back
    return z[:, None], factor, back


def _check(low, high, factors):
    if low < 0 or high >= factors:
        raise FlowlibError(f"factor {low if low < 0 else high} does not exist: the model has factors 0 … {factors - 1}")
