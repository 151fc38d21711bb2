"""The convex problem in (density, momentum), against the displacement interpolation of Gaussians."""

import pytest
import torch

from flowlib.transport import benamou_brenier_1d
from flowlib.transport.dynamic import _project_on_parabola

pytestmark = pytest.mark.usefixtures("double")

CELLS, LENGTH = 60, 10.0


def bell(mean, deviation):
    """A Gaussian density on the grid of cells over [−5, 5], of mass 1."""
    x = (torch.arange(CELLS) + 0.5) * LENGTH / CELLS - LENGTH / 2
    density = torch.exp(-0.5 * ((x - mean) / deviation) ** 2)
    return x, density / (density.sum() * LENGTH / CELLS)


@pytest.fixture(scope="module")
def solved():
    """From N(−1.5, 0.6²) to N(1, 1): W₂² = 2.5² + 0.4² = 6.41."""
    torch.set_default_dtype(torch.float64)
    (x, source), (_, target) = bell(-1.5, 0.6), bell(1.0, 1.0)
    result = benamou_brenier_1d(source, target, LENGTH / CELLS)
    torch.set_default_dtype(torch.float32)
    return x, source, target, result


def test_action_is_w2(solved):
    assert solved[-1].action.item() == pytest.approx(6.41, rel=0.005)


def test_continuity_equation_holds_on_every_cell(solved):
    _, source, target, r = solved
    steps, h = len(r.momentum), LENGTH / CELLS
    residual = r.density.diff(dim=0) * steps + r.momentum.diff(dim=1) / h
    assert residual.abs().max() < 1e-9
    assert r.momentum.abs().max() > 0.5
    torch.testing.assert_close(r.density.sum(1) * h, torch.ones(steps + 1))
    torch.testing.assert_close(r.density[0], source)
    torch.testing.assert_close(r.density[-1], target)
    assert not r.momentum[:, [0, -1]].any()


def test_density_is_the_displacement_interpolation(solved):
    r = solved[-1]
    middle = bell(-0.25, 0.8)[1]
    assert (r.density[len(r.momentum) // 2] - middle).abs().max() < 0.02


def test_dual_is_the_potential_of_hamilton_jacobi(solved):
    """∂_x u is the exact velocity, and the residual is 0 where there is mass, ≤ 0 elsewhere (M5)."""
    x, *_, r = solved
    residual = r.time_derivative + 0.5 * r.gradient**2
    mass = (r.density[1:] + r.density[:-1]) / 2 > 0.05
    assert residual.max() < 1e-9
    assert residual[mass].abs().max() < 1e-3 < 1 < r.time_derivative[mass].abs().max()

    s = (torch.arange(len(r.momentum)) + 0.5)[:, None] / len(r.momentum)
    start = (x - s * 2.5 + 1.5) / (1 + s * (1 / 0.6 - 1))  # z − m₀ of the particle that is at x at time s
    exact = 2.5 + (1 / 0.6 - 1) * start
    assert (r.gradient - exact)[mass].abs().max() < 0.05


def test_projection_onto_the_parabola(generator):
    """Outside, the nearest point is on the boundary, along the normal (1, b); inside, the point stays."""
    a, b = 3 * torch.randn(2, 500, generator=generator)
    near_a, near_b, multiplier = _project_on_parabola(a, b)
    outside = a + b**2 / 2 > 0
    assert 50 < outside.sum() < 450
    torch.testing.assert_close(near_a[outside], -(near_b[outside] ** 2) / 2)
    torch.testing.assert_close(a - near_a, multiplier)
    torch.testing.assert_close(b - near_b, multiplier * near_b)
    assert (multiplier[outside] > 0).all() and not multiplier[~outside].any()


def test_identical_ends_do_not_move():
    source = bell(0.3, 0.8)[1]
    assert benamou_brenier_1d(source, source, LENGTH / CELLS, iterations=50).action < 1e-12
