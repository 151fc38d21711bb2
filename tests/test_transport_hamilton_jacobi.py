"""Hopf–Lax, characteristics and their crossing, against solutions in closed form."""

import math

import pytest
import torch
from transport_cases import gaussian_pair

from flowlib.transport import (
    GaussianPotential,
    characteristics,
    crossing_time,
    gradient_of,
    hessian,
    hopf_lax,
    jacobian,
)

pytestmark = pytest.mark.usefixtures("double")


def line(low, high, n):
    return torch.linspace(low, high, n)[:, None]


def square(low, high, n):
    axis = torch.linspace(low, high, n)
    return torch.cartesian_prod(axis, axis)


@pytest.mark.parametrize("curvature", [2.0, -0.5])
def test_quadratic(curvature):
    """u₀ = ½ a z² gives u = ½ a z² / (1 + a t)."""
    z, t = line(-1, 1, 9), 0.8
    found = hopf_lax(lambda p: 0.5 * curvature * p[:, 0] ** 2, z, t, line(-4, 4, 8001))
    exact = 0.5 * curvature * z[:, 0] ** 2 / (1 + curvature * t)
    torch.testing.assert_close(found, exact, atol=1e-6, rtol=0)


@pytest.mark.parametrize("curvature, t", [(50.0, 10.0), (0.1, 0.01)])
def test_error_of_a_coarse_grid(curvature, t):
    """The best candidate lies within h/2 of the minimiser: off by h²/8 (1/t + a) at most, and by that at the worst place."""
    z, h = line(-1, 1, 201), 0.1
    found = hopf_lax(lambda p: 0.5 * curvature * p[:, 0] ** 2, z, t, line(-4, 4, 81))
    error = found - 0.5 * curvature * z[:, 0] ** 2 / (1 + curvature * t)
    bound = h**2 / 8 * (1 / t + curvature)
    if curvature * t > 1:  # every minimiser is near 0, a candidate
        assert 0 <= error.min() and error.max() < bound
    else:
        assert error.max().item() == pytest.approx(bound, rel=0.02)


def test_plane_wave():
    """u₀ = p·z gives u = p·z − ½ t ‖p‖², in two dimensions."""
    p, z = torch.tensor([0.6, -0.3]), square(-1, 1, 3)
    found = hopf_lax(lambda y: y @ p, z, 0.5, square(-2, 2, 401))
    torch.testing.assert_close(found, z @ p - 0.25 * p.square().sum(), atol=1e-4, rtol=0)


def test_after_a_shock():
    """u₀ = −|z| gives u = −|z| − t/2: a concave kink stays one."""
    z = line(-1, 1, 5)
    found = hopf_lax(lambda p: -p[:, 0].abs(), z, 0.5, line(-3, 3, 6001))
    torch.testing.assert_close(found, -z[:, 0].abs() - 0.25, atol=1e-6, rtol=0)


def test_gaussian_potential_is_its_own_hopf_lax_solution():
    u = GaussianPotential(*gaussian_pair(2))
    z = square(-0.5, 0.5, 3)
    found = hopf_lax(lambda p: u(p, 1), z, 0.4, square(-4, 4, 801))
    torch.testing.assert_close(found, u(z, 1.4), atol=1e-3, rtol=0)


def cosine(z):
    return torch.cos(z[:, 0])


def test_characteristics_carry_the_value_until_they_cross():
    """u(z + t∇u₀, t) = u₀(z) + ½ t ‖∇u₀‖²."""
    start, t = line(-3, 3, 13), 0.9
    speed = -torch.sin(start)
    moved = characteristics(cosine, start, t)
    torch.testing.assert_close(moved, start + t * speed)
    value = hopf_lax(cosine, moved, t, line(-8, 8, 16001))
    torch.testing.assert_close(value, cosine(start) + 0.5 * t * speed[:, 0] ** 2, atol=1e-6, rtol=0)


def test_crossing_is_where_the_flow_loses_rank():
    """cos has curvature −1 at 0, so characteristics cross there first, at t = 1; for a convex u₀ never."""
    potential = lambda z, t: cosine(z)  # noqa: E731
    z = line(-1, 1, 5)
    times = crossing_time(hessian(potential, z, 0))
    torch.testing.assert_close(times, 1 / torch.cos(z[:, 0]))
    assert times.min().item() == pytest.approx(1)
    at_crossing = jacobian(lambda p: p + times[2] * gradient_of(potential)(p, 0), z)
    assert at_crossing[2].abs().max() < 1e-12 and at_crossing[0].abs().max() > 0.1
    assert crossing_time(torch.eye(3)) == math.inf
    saddle = torch.tensor([[1.0, 3.0], [3.0, 1.0]])  # eigenvalues 4 and −2
    assert crossing_time(saddle).item() == pytest.approx(0.5)
