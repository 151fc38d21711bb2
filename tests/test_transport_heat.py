"""Diffusion as a flow and as noise: heat kernel, probability flow, weights of noisy paths (case 4)."""

import pytest
import scipy.stats
import torch
from torch.distributions import Normal
from transport_cases import covariance_of, gaussian_pair

import flowlib.transport
from flowlib.transport import (
    Gaussian,
    brownian_path,
    continuity_residual,
    gradient_of,
    heat_marginal,
    hessian,
    integrate,
    path_kl,
    path_log_weight,
    probability_flow_velocity,
    time_derivative,
)

pytestmark = pytest.mark.usefixtures("double")

D = 0.3


def heat_log_density(source):
    return lambda z, t: heat_marginal(source, D, t).log_prob(z)


def test_marginal_solves_the_heat_equation(generator):
    """∂_t log p = D (∇² log p + ‖∇log p‖²), which is ∂_t p = D ∇²p over p."""
    log_density = heat_log_density(gaussian_pair(2)[0])
    z, t = torch.randn(7, 2, generator=generator), 0.6
    laplacian = hessian(log_density, z, t).diagonal(dim1=1, dim2=2).sum(-1)
    expected = D * (laplacian + gradient_of(log_density)(z, t).square().sum(-1))
    torch.testing.assert_close(time_derivative(log_density, z, t), expected)
    assert expected.abs().max() > 0.1


def test_probability_flow_moves_the_density(generator):
    log_density = heat_log_density(gaussian_pair(2)[0])
    velocity = probability_flow_velocity(log_density, D)
    z = torch.randn(7, 2, generator=generator)
    assert continuity_residual(log_density, velocity, z, 0.6).abs().max() < 1e-12
    halved = probability_flow_velocity(log_density, D / 2)
    assert continuity_residual(log_density, halved, z, 0.6).abs().max() > 0.05


def test_prior_flow_scales_by_the_growing_deviation(generator):
    """M9: from N(0, I), z_t = z_0 √(1 + 2 D t) and dz/dt = D z / (1 + 2 D t)."""
    normal = Gaussian(torch.zeros(2), torch.eye(2))
    velocity = probability_flow_velocity(heat_log_density(normal), D)
    z = normal.sample(5, generator)
    torch.testing.assert_close(velocity(z, 2.0), D * z / (1 + 4 * D))
    path = integrate(velocity, z, torch.tensor([0.0, 2.0]))
    torch.testing.assert_close(path.z[:, -1], z * (1 + 4 * D) ** 0.5, atol=1e-6, rtol=0)


def test_brownian_motion_has_the_heat_kernel_as_its_law(generator):
    source = gaussian_pair(2)[0]
    z = source.sample(40_000, generator)
    path = brownian_path(z, D, torch.tensor([1.0, 1.2, 2.0]), generator)
    assert path.z.shape == (40_000, 3, 2) and path.noise.shape == path.drift.shape == (40_000, 2, 2)
    step = covariance_of(path.z[:, 2] - path.z[:, 1])
    torch.testing.assert_close(step, 2 * D * 0.8 * torch.eye(2), atol=0.015, rtol=0)
    total = covariance_of(path.z[:, -1] - path.z[:, 0])
    torch.testing.assert_close(total, 2 * D * torch.eye(2), atol=0.02, rtol=0)
    assert (path.z[:, -1].mean(0) - heat_marginal(source, D, 1.0).mean).abs().max() < 0.03
    error = 6 * (2 * source.covariance.diagonal().max() ** 2 / 40_000) ** 0.5
    assert (covariance_of(path.z[:, -1]) - heat_marginal(source, D, 1.0).covariance).abs().max() < 2 * error


def test_a_plain_time_keeps_double_precision():
    """Against scipy's normal density: a time that is a Python number costs no digits."""
    z = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]
    found = flowlib.transport.heat_log_density(torch.zeros(1, 1, dtype=torch.float64), 0.3, variance=1.0)(z, 0.1)
    exact = scipy.stats.norm(scale=(1 + 2 * 0.3 * 0.1) ** 0.5).logpdf(z[:, 0].numpy())
    torch.testing.assert_close(found, torch.as_tensor(exact), rtol=1e-13, atol=1e-13)


def test_drift_is_taken_at_the_start_of_each_step(generator):
    z, times = torch.randn(4, 2, generator=generator), torch.tensor([1.0, 1.5, 3.0])
    path = brownian_path(z, D, times, generator, drift=lambda z, t: t * z)
    torch.testing.assert_close(path.drift, times[:-1, None] * path.z[:, :-1])
    lengths = times.diff()[:, None]
    expected = path.z[:, :-1] + path.drift * lengths + (2 * D * lengths).sqrt() * path.noise
    torch.testing.assert_close(path.z[:, 1:], expected)


def test_log_weight_is_the_ratio_of_the_two_chains(generator):
    """The kernels' own densities, without any algebra: N(z', z, 2DΔt) over N(z', z + bΔt, 2DΔt)."""
    z, times = torch.randn(6, 2, generator=generator), torch.tensor([0.0, 0.5, 0.7, 2.0])
    path = brownian_path(z, D, times, generator, drift=lambda z, t: torch.sin(z) - t)
    lengths = times.diff()[:, None]
    deviation = (2 * D * lengths).sqrt()
    without = Normal(path.z[:, :-1], deviation).log_prob(path.z[:, 1:])
    with_drift = Normal(path.z[:, :-1] + path.drift * lengths, deviation).log_prob(path.z[:, 1:])
    found = path_log_weight(path.drift, path.noise, times, D)
    torch.testing.assert_close(found, (without - with_drift).sum((1, 2)))


def test_weights_have_the_moments_of_exact_case_4(generator):
    """E w = 1, E log w = −‖b‖²/4D = −KL, Var log w = ‖b‖²/2D for a constant drift and one unit step."""
    n, b = 200_000, torch.tensor([0.4, -0.3])
    path = brownian_path(torch.zeros(n, 2), D, torch.tensor([0.0, 1.0]), generator, drift=lambda z, t: b.expand_as(z))
    log_weight = path_log_weight(path.drift, path.noise, path.times, D)
    kl = 0.25 / (4 * D)
    assert path_kl(path.drift, path.times, D).item() == pytest.approx(kl)
    assert log_weight.mean().item() == pytest.approx(-kl, abs=5 * (2 * kl / n) ** 0.5)
    assert log_weight.var().item() == pytest.approx(2 * kl, rel=0.03)
    assert log_weight.exp().mean().item() == pytest.approx(1, abs=5 * ((2.72 ** (2 * kl) - 1) / n) ** 0.5)


def test_kl_is_the_mean_log_ratio_of_a_long_chain(generator):
    n, times = 50_000, torch.tensor([0.0, 0.3, 1.0, 1.4])
    path = brownian_path(torch.randn(n, 1, generator=generator), D, times, generator, drift=lambda z, t: t - z)
    log_weight = path_log_weight(path.drift, path.noise, times, D)
    standard_error = log_weight.std().item() / n**0.5
    assert path_kl(path.drift, times, D).item() == pytest.approx(-log_weight.mean().item(), abs=5 * standard_error)
    assert log_weight.exp().mean().item() == pytest.approx(1, abs=5 * log_weight.exp().std().item() / n**0.5)


def test_diffusion_can_be_learned(generator):
    diffusion = torch.tensor(D, requires_grad=True)
    path_kl(torch.ones(3, 2, 1), torch.tensor([0.0, 1.0, 2.0]), diffusion).backward()
    assert diffusion.grad.item() == pytest.approx(-0.5 / D**2)
