"""Particles and their density along a flow, against exact affine flows, scipy, and each solver's order."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from transport_cases import gaussian_pair

from flowlib.transport import Gaussian, integrate

pytestmark = pytest.mark.usefixtures("double")

MATRIX = torch.tensor([[0.3, -0.8], [0.5, 0.2]], dtype=torch.float64)  # neither symmetric nor traceless
SOLVERS = [("euler", 5e-4, 2e-3), ("rk4", 0.02, 1e-7), ("dopri5", None, 1e-6)]


def affine(z, t):
    """dz/dt = 2t M z, so that z(t) = exp((t² − t₀²) M) z(t₀)."""
    return 2 * t * z @ MATRIX.T


def swirl(z, t):
    """Nonlinear, with a divergence that depends on z and t."""
    return torch.stack([torch.sin(z[:, 1] + t), z[:, 0] * torch.cos(t * z[:, 1])], 1)


@pytest.mark.parametrize("method, step_size, tolerance", SOLVERS)
def test_affine_flow_moves_points_and_density_exactly(method, step_size, tolerance, generator):
    source = gaussian_pair(2)[0]
    z = source.sample(20, generator)
    times = torch.tensor([0.5, 0.8, 1.3])
    path = integrate(affine, z, times, method=method, step_size=step_size, log_density=source.log_prob(z))

    assert path.z.shape == (20, 3, 2) and path.log_density.shape == (20, 3)
    for time, points, log_density in zip(times, path.z.unbind(1), path.log_density.unbind(1), strict=True):
        grown = time**2 - 0.25
        flow = torch.linalg.matrix_exp(grown * MATRIX)
        exact = Gaussian(flow @ source.mean, flow @ source.covariance @ flow.T)
        torch.testing.assert_close(points, z @ flow.T, atol=tolerance, rtol=0)
        torch.testing.assert_close(log_density, source.log_prob(z) - grown * 0.5, atol=tolerance, rtol=0)
        torch.testing.assert_close(log_density, exact.log_prob(z @ flow.T), atol=tolerance, rtol=0)


def test_nonlinear_flow_agrees_with_scipy():
    z = torch.tensor([[0.4, -1.0]])
    path = integrate(swirl, z, torch.linspace(0, 2, 5), rtol=1e-10, atol=1e-12)

    def field(t, y):
        return [np.sin(y[1] + t), y[0] * np.cos(t * y[1])]

    oracle = solve_ivp(field, (0, 2), z[0].numpy(), t_eval=np.linspace(0, 2, 5), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(path.z[0], torch.from_numpy(oracle.y.T), atol=1e-8, rtol=0)


@pytest.mark.parametrize("method, order", [("euler", 1), ("rk4", 4)])
def test_error_shrinks_with_the_order_of_the_solver(method, order):
    z, start = torch.tensor([[0.4, -1.0], [1.0, 0.5]]), torch.zeros(2)
    times = torch.tensor([0.0, 1.0])
    exact = integrate(swirl, z, times, log_density=start, rtol=1e-12, atol=1e-13)
    steps = torch.tensor([1 / 16, 1 / 32, 1 / 64])

    errors = []
    for step in steps.tolist():
        path = integrate(swirl, z, times, method=method, step_size=step, log_density=start)
        errors.append([(path.z - exact.z)[:, -1].norm().item(), (path.log_density - exact.log_density)[:, -1].norm().item()])
    slopes = torch.tensor(errors).log().diff(dim=0) / steps.log().diff()[:, None]
    assert ((slopes - order).abs() < 0.15 * order).all(), slopes


def test_every_asked_time_is_met_by_a_step():
    """A step that does not divide an interval must not leave an interpolation error of second order."""
    z, times = torch.tensor([[0.4, -1.0]]), torch.tensor([0.0, 0.33, 1.0])
    coarse = integrate(swirl, z, times, method="rk4", step_size=0.1)
    exact = integrate(swirl, z, times, rtol=1e-12, atol=1e-13)
    assert (coarse.z - exact.z).abs().max() < 1e-6


def test_step_size_is_an_upper_bound():
    calls = []

    def counted(z, t):
        calls.append(float(t))
        return torch.ones_like(z)

    integrate(counted, torch.zeros(1, 1), torch.tensor([0.0, 0.5, 1.5]), method="euler", step_size=0.25)
    assert calls == pytest.approx([0, 0.25, 0.5, 0.75, 1.0, 1.25])
    calls.clear()
    integrate(counted, torch.zeros(1, 1), torch.tensor([0.0, 1.0]), method="euler", step_size=0.3)
    assert calls == pytest.approx([0, 0.25, 0.5, 0.75])
    calls.clear()
    integrate(counted, torch.zeros(1, 1), torch.tensor([0.0, 0.5, 1.5]), method="euler")
    assert calls == pytest.approx([0, 0.5])


def test_path_is_differentiable_in_the_velocity():
    rate = torch.tensor(0.7, requires_grad=True)
    z = torch.tensor([[2.0]])
    path = integrate(lambda x, t: rate * x, z, torch.tensor([0.0, 1.0]), log_density=torch.zeros(1))
    (path.z[:, -1, 0] + path.log_density[:, -1]).sum().backward()
    assert rate.grad.item() == pytest.approx(2 * np.exp(0.7) - 1, rel=1e-6)


@pytest.mark.parametrize("method", ["euler", "rk4", "dopri5"])
def test_single_precision_stays_single(method):
    z = torch.randn(4, 2, dtype=torch.float32, generator=torch.Generator().manual_seed(1))
    path = integrate(swirl, z, torch.linspace(0, 1, 9).float(), method=method, log_density=torch.zeros(4).float())
    assert path.z.dtype == path.log_density.dtype == torch.float32


def test_tolerance_stops_at_what_the_precision_resolves():
    calls = []

    def decay(z, t):
        calls.append(t)
        return -(1 + torch.sin(t)) * z

    z = torch.tensor([[1e4]], dtype=torch.float32)
    path = integrate(decay, z, torch.tensor([0.0, 1.0]), rtol=1e-14, atol=1e-6)
    assert path.z[:, -1].item() == pytest.approx(1e4 * np.exp(np.cos(1) - 2), rel=1e-5)
    assert len(calls) < 150  # 314 if the solver chased rounding errors


def test_an_assertion_in_the_velocity_is_its_own():
    def velocity(z, t):
        raise AssertionError("a user's check")

    with pytest.raises(AssertionError, match="a user's check"):
        integrate(velocity, torch.zeros(1, 1), torch.tensor([0.0, 1.0]))
