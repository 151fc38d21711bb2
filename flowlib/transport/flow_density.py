"""The density that a velocity field makes of a given one, at any point: M2 read backwards along a particle."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.errors import FlowlibError
from flowlib.transport.checks import check_points, check_shape
from flowlib.transport.ode import integrate
from flowlib.transport.types import Time, Velocity, as_time


def flow_log_density(
    velocity: Velocity,
    initial_log_density: Callable,
    z: Float[Tensor, "B d"],
    t: Time,
    *,
    start: Time = 0.0,
    **solver,
) -> Float[Tensor, " B"]:
    """log p_t(z) of p_start moved by `velocity` from time `start` to t ≥ start, at points z of time t:

        log p_t(z) = log p_start(z₀) − ∫ ∇·v(z(s), s) ds,        z(·) the trajectory through (z, t), z₀ its start.

    initial_log_density(z) -> (B,) is of z alone, e.g. `Gaussian.log_prob`. The trajectory is followed back in
    time, so that the density is had on any grid without a histogram. `solver`: the options of `integrate`.
    Raises FlowlibError for t < start. Source: Chen et al. 2018, theorem 1.
    """
    check_points(z)
    t, start = as_time(t, z), as_time(start, z)
    if t < start:
        raise FlowlibError(f"t = {float(t)} lies before start = {float(start)}; exchange the two densities.")
    if t == start:
        return _initial(initial_log_density, z)
    times = torch.stack([torch.zeros_like(t), t - start])

    def backwards(x, s):  # an adaptive solver looks a little beyond its last time, where v need not be defined
        return -velocity(x, (t - s).clamp_min(start))

    back = integrate(backwards, z, times, log_density=torch.zeros_like(z[:, 0]), **solver)
    return _initial(initial_log_density, back.z[:, -1]) - back.log_density[:, -1]


def _initial(log_density: Callable, z: Tensor) -> Tensor:
    values = log_density(z)
    check_shape(values, z.shape[:1], "the initial log-density's result")
    return values
