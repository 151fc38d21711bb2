"""Densities on a line against POT's quantile cost, quadrature and closed forms of Gaussians and boxes."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from flowlib.errors import FlowlibError
from flowlib.transport import benamou_brenier_1d, displacement_density_1d, momentum_1d, momentum_action_1d, w2_density_1d

pytestmark = pytest.mark.usefixtures("double")

CELLS, H = 120, 0.1
CENTRES = (torch.arange(CELLS) + 0.5) * H - CELLS * H / 2


def bell(mean, deviation):
    """The mass of a Gaussian in each cell of [−6, 6], as a density of mass 1."""
    edges = (np.arange(CELLS + 1) - CELLS / 2) * H
    mass = torch.tensor(np.diff(stats.norm.cdf(edges, mean, deviation)), dtype=torch.float64)
    return mass / (mass.sum() * H)


def box(first, last):
    """The uniform density on the cells first … last − 1 of ten."""
    density = torch.zeros(10, dtype=torch.float64)
    density[first:last] = 1 / ((last - first) * H)
    return density


def test_w2_of_gaussians():
    assert w2_density_1d(bell(-2, 0.5), bell(1.5, 1.1), H).item() == pytest.approx(3.5**2 + 0.6**2, rel=2e-3)


def test_w2_of_boxes_with_gaps_is_exact():
    """From [0, 0.2] to half on [0.4, 0.5] and half on [0.9, 1]: shifts 0.4 and 0.8, widths are kept."""
    target = torch.zeros(10, dtype=torch.float64)
    target[[4, 9]] = 5.0
    assert w2_density_1d(box(0, 2), target, H).item() == pytest.approx((0.4**2 + 0.8**2) / 2, abs=1e-12)


def test_w2_of_two_widths_is_exact():
    """A box of width 0.2 stretched by 3 about its left end: ∫₀¹ (0.4 q)² dq."""
    assert w2_density_1d(box(0, 2), box(0, 6), H).item() == pytest.approx(0.16 / 3, abs=1e-12)


def test_w2_is_the_cost_of_pot_for_irregular_densities():
    import ot

    generator = torch.Generator().manual_seed(0)
    source, target = torch.rand(2, 60, generator=generator, dtype=torch.float64).pow(4)
    source[[3, 4, 59]] = 0
    source, target = source / (source.sum() * H), target / (target.sum() * H)
    fine = (torch.arange(60 * 200) + 0.5) * H / 200  # each cell as 200 points: piecewise constant up to 1e-4
    weights = [p.repeat_interleave(200) / p.repeat_interleave(200).sum() for p in (source, target)]
    expected = ot.wasserstein_1d(fine.numpy(), fine.numpy(), *(w.numpy() for w in weights), p=2)
    assert w2_density_1d(source, target, H).item() == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize("s", [0.0, 0.25, 0.5, 1.0])
def test_displacement_between_gaussians(s):
    middle = displacement_density_1d(bell(-2, 0.5), bell(1.5, 1.1), H, s)
    assert (middle - bell(-2 + 3.5 * s, 0.5 + 0.6 * s)).abs().max() < 0.01
    assert middle.sum().item() * H == pytest.approx(1, abs=1e-12)


def test_displacement_of_boxes_is_exact():
    """Half-way, the box of width 0.2 that stretches to 0.6 has width 0.4."""
    torch.testing.assert_close(displacement_density_1d(box(0, 2), box(0, 6), H, 0.5), box(0, 4))


def test_displacement_keeps_mass_next_to_the_last_edge():
    middle = displacement_density_1d(box(0, 2), box(8, 10), H, 1.0)
    torch.testing.assert_close(middle, box(8, 10))


def test_momentum_of_a_travelling_bell_is_density_times_velocity():
    """N(−1 + 2t, 0.7²) moves at v = 2: m = 2 p on the faces, and the action is 4."""
    film = torch.stack([bell(-1 + 2 * t, 0.7) for t in np.linspace(0, 1, 41)])
    momentum = momentum_1d(film, H)
    edges = (np.arange(CELLS + 1) - CELLS / 2) * H
    exact = torch.tensor(2 * stats.norm.pdf(edges, -1 + 2 * 20.5 / 40, 0.7))
    assert (momentum[20] - exact).abs().max() < 2e-3
    torch.testing.assert_close(film.diff(dim=0) * 40 + momentum.diff(dim=1) / H, torch.zeros(40, CELLS))
    assert momentum_action_1d(film, momentum, H).item() == pytest.approx(4, rel=5e-3)


def test_action_of_the_displacement_is_w2():
    source, target = bell(-2, 0.5), bell(1.5, 1.1)
    film = torch.stack([displacement_density_1d(source, target, H, s) for s in torch.linspace(0, 1, 61)])
    action = momentum_action_1d(film, momentum_1d(film, H), H)
    assert action.item() == pytest.approx(w2_density_1d(source, target, H).item(), rel=0.01)


def test_action_of_the_cross_fade_by_quadrature():
    """m = F₀ − F₁ at all times and ∫₀¹ dt / ((1 − t) a + t b) = log(b/a) / (b − a)."""
    source, target = bell(-1, 0.8), bell(1, 0.8)
    times = torch.linspace(0, 1, 401)[:, None]
    film = (1 - times) * source + times * target
    x = np.linspace(-6, 6, 24001)
    a, b = stats.norm.pdf(x, -1, 0.8), stats.norm.pdf(x, 1, 0.8)
    flux = stats.norm.cdf(x, -1, 0.8) - stats.norm.cdf(x, 1, 0.8)
    with np.errstate(all="ignore"):
        inverse = np.where(np.abs(b / a - 1) < 1e-8, 1 / a, np.log(b / a) / (b - a))
    expected = np.trapezoid(flux**2 * inverse, x)
    assert momentum_action_1d(film, momentum_1d(film, H), H).item() == pytest.approx(expected, rel=0.01)


def test_momentum_of_a_film_that_has_not_converged():
    """The solver's own momentum comes back, though its density dips below zero, which has no finite action."""
    solution = benamou_brenier_1d(bell(-2, 0.5), bell(2, 0.5), H, time_steps=12, iterations=20)
    assert solution.density.min() < -1e-4
    torch.testing.assert_close(momentum_1d(solution.density, H), solution.momentum, atol=1e-9, rtol=0)
    assert momentum_action_1d(solution.density, solution.momentum, H) == math.inf
    assert momentum_action_1d(torch.tensor([[-0.1, 0.1]] * 2), torch.zeros(1, 3), H) == math.inf


def test_momentum_where_nothing_is_costs_infinitely_much():
    density, momentum = torch.zeros(2, 3, dtype=torch.float64), torch.zeros(1, 4, dtype=torch.float64)
    assert momentum_action_1d(density, momentum, H) == 0
    momentum[0, 1] = 0.1
    assert momentum_action_1d(density, momentum, H) == math.inf


def test_momentum_that_is_rounding_costs_nothing():
    """A box that moves leaves cells empty, next to which the flux is 1e-17 of the largest and not 0."""
    source, target = torch.zeros(2, 64, dtype=torch.float64)
    source[:7], target[20:30] = 1 / (7 * H), 1 / (10 * H)
    film = torch.stack([displacement_density_1d(source, target, H, s) for s in torch.linspace(0, 1, 33)])
    momentum = momentum_1d(film, H)
    action = momentum_action_1d(film, momentum, H)
    assert action.item() == pytest.approx(w2_density_1d(source, target, H).item(), rel=0.05)
    assert momentum_action_1d(film, momentum + 1e-17 * momentum.max(), H).item() == pytest.approx(action.item(), rel=1e-9)


def test_a_small_movement_is_no_rounding():
    """A bell that moves by 0.01 in 64 frames, in single precision."""
    film = torch.stack([bell(0.01 * s, 0.5) for s in np.linspace(0, 1, 65)]).float()
    assert momentum_action_1d(film, momentum_1d(film, H), H).item() == pytest.approx(1e-4, rel=0.02)


def test_few_frames_of_a_cross_fade_cost_too_little():
    """1/p is convex: the action of the straight line between two frames is larger than what is counted."""
    source, target = bell(-1.5, 0.5), bell(1.5, 0.5)
    fades = [torch.lerp(source, target, torch.linspace(0, 1, n)[:, None]) for n in (9, 33, 129)]
    costs = [momentum_action_1d(film, momentum_1d(film, H), H).item() for film in fades]
    assert costs == sorted(costs) and costs[0] < 0.9 * costs[2]


def test_wrong_input_is_refused():
    good = box(0, 2)
    with pytest.raises(FlowlibError, match="mass"):
        w2_density_1d(good, 2 * good, H)
    with pytest.raises(FlowlibError, match="mass"):
        momentum_1d(torch.stack([good, 2 * good]), H)
    with pytest.raises(FlowlibError, match="0 ≤ s ≤ 1"):
        displacement_density_1d(good, good, H, 1.5)
    with pytest.raises(FlowlibError, match="shape"):
        momentum_action_1d(torch.stack([good, good]), torch.zeros(2, 11, dtype=torch.float64), H)
