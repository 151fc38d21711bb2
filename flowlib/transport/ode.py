"""Particles and their log-density along a velocity field (M1, M2), with the solvers of torchdiffeq."""

from dataclasses import dataclass
from math import ceil

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.errors import FlowlibError
from flowlib.transport.checks import check_finite, check_points, check_positive, check_shape, check_times
from flowlib.transport.continuity import divergence
from flowlib.transport.types import Number, Velocity

METHODS = ("euler", "rk4", "dopri5")


@dataclass(frozen=True)
class Path:
    """Positions z (B, S, d) of B particles at times (S,), and their log-density (B, S) if asked for."""

    times: Float[Tensor, " S"]
    z: Float[Tensor, "B S d"]
    log_density: Float[Tensor, "B S"] | None = None


def integrate(
    velocity: Velocity,
    z: Float[Tensor, "B d"],
    times: Float[Tensor, " S"],
    *,
    method: str = "dopri5",
    log_density: Float[Tensor, " B"] | None = None,
    rtol: Number = 1e-7,
    atol: Number = 1e-9,
    step_size: Number | None = None,
) -> Path:
    """Follow particles and, where log_density (B,) of the start is given, their density (M1, M2):

        dz/dt = v(z, t),        d/dt log q(z(t), t) = −∇·v(z(t), t).

    velocity(z, t) -> (B, d) gets t as a 0-d tensor. times (S,) increase strictly, S ≥ 2; z is at times[0].
    `euler` and `rk4` take equal steps of at most `step_size` between neighbouring times (one step if None);
    `dopri5` adapts its steps to atol and to rtol, which is raised to what z's dtype resolves. Differentiable
    in z and in the velocity's parameters; use `torch.no_grad()` where that is not wanted.
    Raises FlowlibError for a wrong shape, times not increasing, an unknown method, a non-finite velocity.
    """
    _check_request(z, times, method, step_size, log_density)
    from torchdiffeq import odeint

    times = times.to(z)
    options = {} if method == "dopri5" else {"grid_constructor": lambda _f, _y, t: _refine(t, step_size)}
    rtol = max(rtol, 10 * torch.finfo(z.dtype).eps)  # below it the solver chases rounding errors
    solver = dict(method=method, rtol=rtol, atol=atol, options=options)
    try:
        if log_density is None:
            found = (odeint(lambda t, x: _rate(velocity, x, t), z, times, **solver),)
        else:

            def rates(t, state):
                return _rate(velocity, state[0], t), _density_rate(velocity, state[0], t)

            found = odeint(rates, (z, log_density), times, **solver)
    except AssertionError as error:
        if not str(error).startswith(("underflow in dt", "non-finite values in state")):
            raise  # the velocity's own
        message = f"dopri5 stopped ({error}): the velocity is too stiff; loosen rtol or take rk4."
        raise FlowlibError(message) from error
    return Path(times, *(part.movedim(0, 1) for part in found))  # torchdiffeq has the times first


def _check_request(z, times, method, step_size, log_density):
    check_points(z)
    check_finite(z, "z")
    check_times(times)
    if method not in METHODS:
        raise FlowlibError(f"unknown method {method!r}; choose one of {', '.join(METHODS)}.")
    if step_size is not None:
        check_positive(step_size, "step_size")
        if method == "dopri5":
            raise FlowlibError(f"step_size {step_size} has no effect with dopri5; set rtol and atol, or take euler or rk4.")
    if log_density is not None:
        check_shape(log_density, z.shape[:1], "log_density")


def _rate(velocity: Velocity, z: Tensor, t: Tensor) -> Tensor:
    """v(z, t), checked: a wrong shape would broadcast, a nan would stall the adaptive solver."""
    value = velocity(z, t)
    check_shape(value, z.shape, "the velocity's result")
    check_finite(value, "the velocity", t)
    return value


def _density_rate(velocity: Velocity, z: Tensor, t: Tensor) -> Tensor:
    """−∇·v(z, t), checked."""
    value = -divergence(velocity, z, t)
    check_finite(value, "the divergence", t)
    return value


def _refine(times: Tensor, step_size: Number | None) -> Tensor:
    """times with every interval cut into equal steps of at most step_size: each time is met exactly."""
    if step_size is None:
        return times
    cuts = []
    for start, length in zip(times[:-1], times.diff(), strict=True):
        steps = max(1, ceil(float(length) / step_size - 1e-6))
        cuts.append(start + torch.arange(steps).to(times) * (length / steps))
    return torch.cat([*cuts, times[-1:]])
