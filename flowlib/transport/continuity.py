"""Moving densities: derivatives of fields, the continuity equation (M1), change of variables (M2).

Derivatives are exact, by `torch.func`, and differentiable again. They use that each sample's value depends on
that sample alone.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import forward_ad
from torch.func import grad, jacrev, jvp, vmap
from torch.func import hessian as hessian_of
from torch.overrides import TorchFunctionMode

from flowlib.errors import FlowlibError
from flowlib.transport.checks import check_points, check_shape
from flowlib.transport.types import Potential, Time, Velocity, as_time


def gradient_of(potential: Potential) -> Velocity:
    """The potential flow v = ∇u of a potential u(z, t) (M5), as a callable (z, t) -> (B, d)."""

    def velocity(z: Float[Tensor, "B d"], t: Time) -> Float[Tensor, "B d"]:
        check_points(z)
        return grad(lambda points: _values(potential, points, t).sum())(z)

    return velocity


def time_derivative(potential: Potential, z: Float[Tensor, "B d"], t: Time) -> Float[Tensor, " B"]:
    """∂_t u(z, t) at fixed z, one value per sample.

    The potential gets t as a 0-d tensor and has to use it as one: float(t), t.item(), math.exp(t), t.detach() or torch.full_like(z, t)
    would lose the derivative in silence, and raise FlowlibError.
    """
    check_points(z)
    t = as_time(t, z)
    with _TimeStaysATensor():
        return jvp(lambda time: _values(potential, z, time), (t,), (torch.ones_like(t),))[1]


def hessian(potential: Potential, z: Float[Tensor, "B d"], t: Time) -> Float[Tensor, "B d d"]:
    """∇²u(z, t), one symmetric matrix per sample (the H_t of M11)."""
    check_points(z)
    return vmap(hessian_of(lambda point: _values(potential, point[None], t)[0]))(z)


def jacobian(step_map: Callable, z: Float[Tensor, "B d"]) -> Float[Tensor, "B d d"]:
    """∂g_i/∂z_j of a map g: (B, d) -> (B, d), one matrix per sample."""
    check_points(z)
    return vmap(jacrev(lambda point: _moved(step_map, point[None])[0]))(z)


def divergence(velocity: Velocity, z: Float[Tensor, "B d"], t: Time) -> Float[Tensor, " B"]:
    """∇·v(z, t) = Σ_i ∂v_i/∂z_i, exactly (the whole Jacobian is formed: d backward passes)."""
    return jacobian(lambda points: velocity(points, t), z).diagonal(dim1=-2, dim2=-1).sum(-1)


def continuity_residual(log_density: Potential, velocity: Velocity, z: Float[Tensor, "B d"], t: Time) -> Float[Tensor, " B"]:
    """How far (p, v) is from the continuity equation (M1), divided by p:

        ∂_t log p + v·∇log p + ∇·v = (∂_t p + ∇·(p v)) / p,        0 exactly when v moves p.

    log_density(z, t) -> (B,) need not be normalised over z, but its constant must not depend on t. Both fields get t
    as a 0-d tensor; see the warning of `time_derivative`.
    """
    t = as_time(t, z)
    advection = (velocity(z, t) * gradient_of(log_density)(z, t)).sum(-1)
    return time_derivative(log_density, z, t) + advection + divergence(velocity, z, t)


def push_forward_log_density(
    step_map: Callable, z: Float[Tensor, "B d"], log_density: Float[Tensor, " B"]
) -> tuple[Float[Tensor, "B d"], Float[Tensor, " B"]]:
    """Change of variables (M2) for one map g: z' = g(z) and log q'(z') = log q(z) − log|det ∂g/∂z|.

    Right only where g is injective, which no finite set of points can show: at a fold several z share one z',
    their densities add up, and this function sees one of them (try z ↦ 3 sin 3z).
    """
    check_points(z)
    check_shape(log_density, z.shape[:1], "log_density")
    log_volume = torch.linalg.slogdet(jacobian(step_map, z)).logabsdet
    return step_map(z), log_density - log_volume


class _TimeStaysATensor(TorchFunctionMode):
    """Raises where a tensor that depends on the time becomes a plain number."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        given = (*args, *kwargs.values()) if function in _TO_NUMBER else [kwargs.get("alpha")]
        if function is torch.as_tensor and isinstance(args[0], list | tuple):  # a tensor would stay what it is
            given = args
        if any(_depends_on_time(one) for one in given):
            raise FlowlibError(
                "the potential turns its time into a plain number, or a tensor made from one, which has no derivative; "
                "write torch.exp(t) for math.exp(t), t for float(t), and t.expand(n) for torch.full((n,), t)."
            )
        return function(*args, **kwargs)


_TO_NUMBER = {
    Tensor.__float__, Tensor.__int__, Tensor.item, Tensor.tolist, Tensor.detach, Tensor.detach_, Tensor.data.__get__, Tensor.new_tensor, Tensor.new_full,
    torch.tensor, torch.full, torch.full_like, torch.arange,
}  # fmt: skip


def _depends_on_time(value) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_depends_on_time, value))
    return isinstance(value, Tensor) and forward_ad.unpack_dual(value).tangent is not None


def _values(potential: Potential, z: Tensor, t: Time) -> Tensor:
    """u(z, t), checked to be one value per sample: a (B, 1) result would broadcast silently later."""
    values = potential(z, t)
    check_shape(values, z.shape[:1], "the potential's result")
    return values


def _moved(step_map: Callable, z: Tensor) -> Tensor:
    """g(z), checked to have z's shape."""
    moved = step_map(z)
    check_shape(moved, z.shape, "the map's result")
    return moved
