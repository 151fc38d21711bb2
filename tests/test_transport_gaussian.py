"""Closed forms between Gaussians, against POT, torch.distributions and automatic differentiation."""

import pytest
import torch
from torch.distributions import MultivariateNormal
from transport_cases import covariance_of, gaussian_pair, pot_map, pot_w2, sigma_points

from flowlib.transport import (
    Gaussian,
    GaussianPotential,
    gaussian_map,
    gaussian_w2,
    gradient_of,
    hamilton_jacobi_residual,
    hessian,
    integrate,
    interpolate,
    push_forward_log_density,
    time_derivative,
)

pytestmark = pytest.mark.usefixtures("double")


def test_log_density_and_score(generator):
    gaussian = gaussian_pair()[0]
    z = torch.randn(7, 3, generator=generator)
    oracle = MultivariateNormal(gaussian.mean, gaussian.covariance)
    torch.testing.assert_close(gaussian.log_prob(z), oracle.log_prob(z))
    torch.testing.assert_close(gaussian.score(z), gradient_of(lambda z, t: gaussian.log_prob(z))(z, 0))


def test_samples_have_the_moments(generator):
    gaussian = gaussian_pair()[0]
    z = gaussian.sample(40_000, generator)
    error = gaussian.covariance.diagonal().sqrt() / 200
    assert ((z.mean(0) - gaussian.mean).abs() < 4 * error).all()
    assert ((covariance_of(z) - gaussian.covariance).abs() < 6 * torch.outer(error, error) * 200).all()


def test_map_and_distance_are_those_of_pot(generator):
    source, target = gaussian_pair()
    found = gaussian_map(source, target)
    matrix, offset = pot_map(source, target)
    torch.testing.assert_close(found.matrix, matrix)
    torch.testing.assert_close(found.offset, offset)
    torch.testing.assert_close(gaussian_w2(source, target), pot_w2(source, target))
    z = source.sample(5, generator)
    torch.testing.assert_close(found(z), z @ matrix + offset)


def test_map_carries_the_source_onto_the_target():
    source, target = gaussian_pair()
    moved = gaussian_map(source, target)(sigma_points(source))
    torch.testing.assert_close(moved.mean(0), target.mean)
    torch.testing.assert_close(covariance_of(moved), target.covariance)
    assert torch.linalg.eigvalsh(gaussian_map(source, target).matrix).min() > 0


def test_affine_map_is_not_transposed():
    found = gaussian_map(*gaussian_pair(2))
    skew = type(found)(torch.tensor([[1.0, 2.0], [0.0, 1.0]]), torch.zeros(2))
    torch.testing.assert_close(skew(torch.tensor([[0.0, 1.0]])), torch.tensor([[2.0, 1.0]]))


def test_distance_to_oneself_is_zero_and_not_negative():
    source, _ = gaussian_pair()
    assert 0 <= gaussian_w2(source, source) < 1e-25


@pytest.mark.parametrize("s", [0.0, 0.3, 1.0])
def test_interpolation_is_a_geodesic(s):
    source, target = gaussian_pair()
    between = interpolate(source, target, s)
    total = pot_w2(source, target)
    torch.testing.assert_close(gaussian_w2(source, between), s**2 * total, atol=1e-12, rtol=1e-7)
    torch.testing.assert_close(gaussian_w2(between, target), (1 - s) ** 2 * total, atol=1e-12, rtol=1e-7)


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("phase", [0.0, 0.4, 1.0])
def test_potential_solves_hamilton_jacobi(steps, phase, generator):
    """The residual is taken from automatic derivatives of u, which the closed forms have to equal as well."""
    u = GaussianPotential(*gaussian_pair(), steps)
    z, t = 3 * torch.randn(8, 3, generator=generator), 1 + phase * steps
    gradient, in_time = gradient_of(u)(z, t), time_derivative(u, z, t)
    assert hamilton_jacobi_residual(in_time, gradient).abs().max() < 1e-10
    assert in_time.abs().max() > 0.1
    torch.testing.assert_close(u.gradient(z, t), gradient)
    torch.testing.assert_close(u.time_derivative(z, t), in_time)
    torch.testing.assert_close(u.hessian(z, t), hessian(u, z, t))


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_potential_steps_are_optimal_transport(steps, generator):
    """Exact case 1: the map of POT, Σ log det(I + H_t) = log det A, T Σ E‖∇u‖² = W₂²."""
    source, target = gaussian_pair()
    u = GaussianPotential(source, target, steps)
    matrix, offset = pot_map(source, target)
    z = start = sigma_points(source)
    log_det, action = 0.0, 0.0
    for t in range(1, steps + 1):
        log_det = log_det + torch.logdet(torch.eye(3) + u.hessian(z, t))
        action = action + u.gradient(z, t).square().sum(-1).mean()
        z = z + u.gradient(z, t)

    torch.testing.assert_close(z, start @ matrix + offset)
    torch.testing.assert_close(log_det, torch.logdet(matrix).expand(6))
    torch.testing.assert_close(steps * action, pot_w2(source, target))


def test_potential_steps_carry_the_density(generator):
    source, target = gaussian_pair()
    u = GaussianPotential(source, target, 4)
    z = source.sample(6, generator)
    log_density = source.log_prob(z)
    for t in range(1, 5):
        z, log_density = push_forward_log_density(lambda p, t=t: p + gradient_of(u)(p, t), z, log_density)
    torch.testing.assert_close(log_density, target.log_prob(z))


def test_potential_as_an_ode_reaches_the_target(generator):
    source, target = gaussian_pair()
    z = source.sample(6, generator)
    u = GaussianPotential(source, target, 3)
    path = integrate(u.gradient, z, torch.tensor([1.0, 4.0]), log_density=source.log_prob(z))
    torch.testing.assert_close(path.z[:, -1], gaussian_map(source, target)(z), atol=1e-6, rtol=0)
    torch.testing.assert_close(path.log_density[:, -1], target.log_prob(path.z[:, -1]), atol=1e-5, rtol=0)


def test_single_precision_stays_single(generator):
    source, target = (Gaussian(g.mean.float(), g.covariance.float()) for g in gaussian_pair())
    u, z = GaussianPotential(source, target), source.sample(4, generator)
    results = [
        z,
        source.log_prob(z),
        source.score(z),
        gaussian_map(source, target)(z),
        u(z, 1.5),
        u.gradient(z, 1),
    ]
    results += [u.hessian(z, 1.5), gaussian_w2(source, target), interpolate(source, target, 0.5).covariance]
    assert {r.dtype for r in results} == {torch.float32}
