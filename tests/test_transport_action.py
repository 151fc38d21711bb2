"""Kinetic action, Hamilton–Jacobi residual and straightness."""

import math

import pytest
import torch
from transport_cases import gaussian_pair, pot_w2, sigma_points

from flowlib.transport import gaussian_map, hamilton_jacobi_residual, kinetic_action, straightness

pytestmark = pytest.mark.usefixtures("double")


def displacement(times):
    """Straight lines at constant speed from a Gaussian to another, and W₂² between them from POT."""
    source, target = gaussian_pair()
    z = sigma_points(source)
    fraction = ((times - times[0]) / (times[-1] - times[0]))[:, None]
    return (1 - fraction) * z[:, None] + fraction * gaussian_map(source, target)(z)[:, None], pot_w2(source, target)


def test_action_of_displacement_interpolation_is_w2():
    times = torch.tensor([0.0, 0.1, 0.5, 1.0])
    z, w2 = displacement(times)
    torch.testing.assert_close(kinetic_action(z, times), w2)


def test_action_over_a_longer_time_is_smaller():
    times = torch.tensor([1.0, 2.0, 3.0, 5.0])
    z, w2 = displacement(times)
    torch.testing.assert_close(kinetic_action(z, times), w2 / 4)


def test_any_other_path_costs_more():
    times = torch.linspace(0, 1, 41)
    z, w2 = displacement(times)
    bump = torch.sin(math.pi * times)[:, None]
    assert kinetic_action(z + 0.3 * bump, times) > w2 + 0.3  # a detour
    late, start = (times**2)[:, None], z[:, :1]
    assert kinetic_action(start + late * (z[:, -1:] - start), times) > 1.3 * w2  # uneven speed: 4/3
    swapped = z[:, -1:].roll(1, 0)
    straight = start + times[:, None] * (swapped - start)
    assert kinetic_action(straight, times) > w2 + 0.1  # straight, but another coupling


def test_residual_adds_half_the_squared_speed():
    gradient = torch.tensor([[[3.0, 4.0], [1.0, 0.0]]])
    torch.testing.assert_close(hamilton_jacobi_residual(torch.tensor([[-12.5, 2.0]]), gradient), torch.tensor([[0.0, 2.5]]))


def test_straightness():
    angle = torch.linspace(0, math.pi, 2001)
    semicircle = torch.stack([angle.cos(), angle.sin()], 1)
    there_and_back = torch.stack([angle.sin(), 0 * angle], 1)
    line = torch.stack([angle**2, -2 * angle**2], 1)
    rest = torch.ones(2001, 2)
    found = straightness(torch.stack([semicircle, there_and_back, line, rest]))
    torch.testing.assert_close(found, torch.tensor([2 / math.pi, 0, 1, 1]), atol=1e-6, rtol=0)
    assert (found <= 1).all()
