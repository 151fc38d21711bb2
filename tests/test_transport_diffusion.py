"""The heat flow from points, as steepest descent (JKO), and as a Schrödinger bridge, against independent numbers."""

import math

import ot
import pytest
import torch
from scipy.optimize import minimize
from torch.distributions import MultivariateNormal, kl_divergence
from transport_cases import covariance_of, gaussian_pair

from flowlib.errors import FlowlibError
from flowlib.transport import (
    Gaussian,
    GaussianBridge,
    brownian_path,
    continuity_residual,
    gaussian_w2,
    heat_log_density,
    heat_marginal,
    interpolate,
    jko_step,
    path_kl,
    probability_flow_velocity,
)

pytestmark = pytest.mark.usefixtures("double")

D = 0.3


def test_one_centre_is_the_heat_kernel_of_a_gaussian(generator):
    centre, z = torch.tensor([[0.4, -1.0]]), torch.randn(5, 2, generator=generator)
    source = Gaussian(centre[0], 0.5 * torch.eye(2))
    expected = heat_marginal(source, D, 0.7).log_prob(z)
    torch.testing.assert_close(heat_log_density(centre, D, variance=0.5)(z, 0.7), expected)


def test_a_cloud_integrates_to_one_and_solves_its_own_continuity_equation(generator):
    centres = torch.randn(6, 2, generator=generator)
    log_density = heat_log_density(centres, D)
    grid = torch.linspace(-7, 7, 141)
    mass = log_density(torch.cartesian_prod(grid, grid), 0.4).exp().sum() * 0.1**2
    assert mass.item() == pytest.approx(1, abs=1e-9)
    z, velocity = torch.randn(5, 2, generator=generator), probability_flow_velocity(log_density, D)
    assert continuity_residual(log_density, velocity, z, 0.4).abs().max() < 1e-12


def test_a_cloud_of_points_has_no_density_at_time_zero():
    with pytest.raises(FlowlibError, match="variance"):
        heat_log_density(torch.zeros(3, 2), D)(torch.ones(4, 2), 0.0)


def test_jko_step_is_the_minimiser_found_numerically():
    source, tau = gaussian_pair(2)[0], 0.4

    def gaussian(entries):
        a, b, c = entries[2:]
        factor = torch.tensor([[math.exp(a), 0.0], [b, math.exp(c)]])
        return Gaussian(torch.tensor(entries[:2]), factor @ factor.T)

    def objective(entries):
        """Over every mean and every Cholesky factor; ∫ p log p = −½ log det Σ + constant."""
        p = gaussian(entries.tolist())
        return (gaussian_w2(source, p) / (2 * tau) - D * 0.5 * torch.logdet(p.covariance)).item()

    found = gaussian(minimize(objective, torch.zeros(5).numpy(), method="BFGS", options={"gtol": 1e-7}).x.tolist())
    expected = jko_step(source, D, tau)
    torch.testing.assert_close(found.covariance, expected.covariance, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.mean, expected.mean, atol=1e-5, rtol=0)


def test_jko_step_tends_to_the_heat_flow_from_below():
    source = gaussian_pair(3)[0]
    errors = [heat_marginal(source, D, tau).covariance - jko_step(source, D, tau).covariance for tau in (0.02, 0.01)]
    assert torch.linalg.eigvalsh(errors[0]).min() > 0
    assert (errors[0].norm() / errors[1].norm()).item() == pytest.approx(4, rel=0.1)


def test_bridge_ends_are_the_entropic_plan_of_pot():
    """POT's Sinkhorn on a fine grid of the line, ε = 4D."""
    source = Gaussian(torch.tensor([0.2]), torch.tensor([[0.5]]))
    target = Gaussian(torch.tensor([1.0]), torch.tensor([[1.3]]))
    x = torch.linspace(-6, 7, 261)[:, None]
    a, b = (gaussian.log_prob(x).softmax(0) for gaussian in (source, target))
    plan = ot.sinkhorn(a, b, ot.dist(x, x), 4 * D, method="sinkhorn_log", stopThr=1e-12)
    covariance = (plan * (x - 0.2) * (x - 1.0).T).sum()
    assert GaussianBridge(source, target, D).cross.item() == pytest.approx(covariance.item(), abs=1e-5)


def test_bridge_kl_is_that_of_the_joint_laws_of_its_ends():
    source, target = gaussian_pair(2)
    bridge = GaussianBridge(source, target, D)
    free = torch.cat([torch.cat([source.covariance] * 2, 1), torch.cat([source.covariance, source.covariance + 2 * D * torch.eye(2)], 1)])
    ends, free = bridge.ends(), MultivariateNormal(source.mean.repeat(2), free)
    expected = kl_divergence(MultivariateNormal(ends.mean, ends.covariance), free)
    torch.testing.assert_close(bridge.kl(), expected)


def test_bridge_kl_in_single_precision_of_covariances_that_are_nearly_flat():
    """Beside the same in double precision; a difference of two log-determinants, one of them of a nearly singular matrix, was NaN or off by 0.1."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(10):
        pair = []
        for _ in range(2):
            turn = torch.linalg.qr(torch.randn(4, 4, generator=generator).double())[0]
            pair.append(Gaussian(torch.randn(4, generator=generator).double(), turn @ torch.diag(torch.logspace(-5, 0, 4).double()) @ turn.T))
        exact = GaussianBridge(*pair, D).kl()
        single = GaussianBridge(*(Gaussian(one.mean.float(), one.covariance.float()) for one in pair), D).kl()
        assert single.item() == pytest.approx(exact.item(), rel=2e-3)


def test_brownian_motion_itself_costs_nothing():
    source = gaussian_pair(2)[0]
    bridge = GaussianBridge(source, heat_marginal(source, D, 1.0), D)
    assert abs(bridge.kl().item()) < 1e-12
    z = torch.eye(2)
    torch.testing.assert_close(bridge.drift(z, 0.4), torch.zeros(2, 2), atol=1e-12, rtol=0)


def test_bridge_drift_arrives_with_the_closed_form_energy(generator):
    source, target = gaussian_pair(2)
    bridge, n = GaussianBridge(source, target, D), 20_000
    times = torch.linspace(0, 1, 201)
    path = brownian_path(source.sample(n, generator), D, times, generator, drift=bridge.drift)
    assert path_kl(path.drift, times, D).item() == pytest.approx(bridge.kl().item(), rel=0.03)
    for t, z in ((0.5, path.z[:, 100]), (1.0, path.z[:, -1])):
        expected = bridge.marginal(t)
        torch.testing.assert_close(z.mean(0), expected.mean, atol=0.05, rtol=0)
        torch.testing.assert_close(covariance_of(z), expected.covariance, atol=0.06, rtol=0.03)


def test_bridge_drift_aims_at_the_expected_end_where_covariances_do_not_commute():
    """E[z_1 | z_t = z] from the joint law of the ends and of the Brownian bridge between them: z_t = (1 − t) z_0 + t z_1 + √(2Dt(1 − t)) ε."""
    source = Gaussian(torch.zeros(2), torch.tensor([[2.0, 0.6], [0.6, 0.5]]))
    target = Gaussian(torch.tensor([1.0, 0.0]), torch.tensor([[0.4, -0.3], [-0.3, 1.5]]))
    bridge, t, z = GaussianBridge(source, target, D), 0.3, torch.tensor([[1.0, 2.0]])
    ends = bridge.ends()
    weights = torch.cat([(1 - t) * torch.eye(2), t * torch.eye(2)], 1)  # z_t from the ends
    spread = weights @ ends.covariance @ weights.T + 2 * D * t * (1 - t) * torch.eye(2)
    with_end = (weights @ ends.covariance)[:, 2:]  # Cov(z_t, z_1)
    expected = target.mean + (z - weights @ ends.mean) @ torch.linalg.solve(spread, with_end)
    torch.testing.assert_close(bridge.drift(z, t), (expected - z) / (1 - t))
    assert (ends.covariance[:2, 2:] - ends.covariance[:2, 2:].T).abs().max() > 0.1  # a transpose would show


def test_bridge_samples_have_its_marginals(generator):
    bridge, n = GaussianBridge(*gaussian_pair(2), D), 40_000
    z = bridge.sample(n, torch.tensor([0.0, 0.3, 1.0]), generator)
    for t, points in zip((0.0, 0.3, 1.0), z.unbind(1), strict=True):
        expected = bridge.marginal(t)
        torch.testing.assert_close(points.mean(0), expected.mean, atol=0.04, rtol=0)
        torch.testing.assert_close(covariance_of(points), expected.covariance, atol=0.04, rtol=0.03)
    joint = covariance_of(torch.cat([z[:, 0], z[:, -1]], 1))  # each path goes from its own start to its own end
    torch.testing.assert_close(joint[:2, 2:], bridge.cross, atol=0.04, rtol=0.03)


def test_without_noise_the_bridge_is_optimal_transport():
    source, target = gaussian_pair(3)
    bridge = GaussianBridge(source, target, 1e-7)
    expected = interpolate(source, target, 0.3).covariance
    torch.testing.assert_close(bridge.marginal(0.3).covariance, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(4e-7 * bridge.kl(), gaussian_w2(source, target), atol=1e-5, rtol=0)


def test_bridge_refuses_times_outside_its_interval(generator):
    bridge = GaussianBridge(*gaussian_pair(2), D)
    with pytest.raises(FlowlibError, match="0 ≤ t < 1"):
        bridge.drift(torch.zeros(1, 2), 1.0)
    with pytest.raises(FlowlibError, match="0 ≤ t ≤ 1"):
        bridge.marginal(1.5)
    with pytest.raises(FlowlibError, match="from 0 to 1"):
        bridge.sample(3, torch.tensor([0.0, 2.0]), generator)
