"""The splitting of velocities weighted by the density (M7), on its exact examples."""

import pytest
import torch
from scipy.linalg import solve_continuous_lyapunov
from transport_cases import covariance_of, gaussian_pair, mixture_log_density, sigma_points

from flowlib.transport import (
    Gaussian,
    covariance_rate,
    density_preserving_field,
    divergence,
    integrate,
    linear_helmholtz,
    rotation_field,
    weighted_divergence,
)

pytestmark = pytest.mark.usefixtures("double")

TURN = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)


@pytest.fixture
def oval(double):
    """N(0, diag(1, 4)), for which rotated scores have closed forms."""
    return Gaussian(torch.zeros(2), torch.diag(torch.tensor([1.0, 4.0])))


@pytest.fixture
def turning(oval):
    """w = A ∇log p for it."""
    return density_preserving_field(lambda z, t: oval.log_prob(z), TURN)


def test_field_is_a_times_the_score(turning):
    z = torch.tensor([[1.0, 2.0]])
    torch.testing.assert_close(turning(z, 0), torch.tensor([[-0.5, 1.0]]))  # score (−1, −½), A = [[0, 1], [−1, 0]]
    torch.testing.assert_close(rotation_field(TURN)(z, 0), torch.tensor([[2.0, -1.0]]))


def test_weighted_field_moves_particles_but_no_mass(oval, turning):
    """Exact case 5: the covariance stands still and the extra action is 1.25."""
    z = sigma_points(oval)
    path = integrate(turning, z, torch.tensor([0.0, 0.7, 2.0]))
    for points in path.z[:, 1:].unbind(1):
        torch.testing.assert_close(covariance_of(points), oval.covariance, atol=1e-6, rtol=0)
        assert (points - z).norm(dim=1).min() > 0.3
    assert turning(z, 0).square().sum(-1).mean().item() == pytest.approx(1.25)


def test_ordinary_rotation_moves_mass(oval):
    """M7: under w = A z the off-diagonal covariance starts to grow at rate 3, though ∇·w = 0."""
    torch.testing.assert_close(covariance_rate(TURN, oval.covariance), torch.tensor([[0.0, 3.0], [3.0, 0.0]]))
    path = integrate(rotation_field(TURN), sigma_points(oval), torch.tensor([0.0, 1e-3]))
    rate = (covariance_of(path.z[:, 1]) - oval.covariance)[0, 1] / 1e-3
    assert rate.item() == pytest.approx(3, abs=1e-2)


def test_divergences(generator, oval):
    z = torch.randn(9, 2, generator=generator)
    log_density = lambda z, t: oval.log_prob(z)  # noqa: E731
    rotation = rotation_field(TURN)
    assert divergence(rotation, z, 0.0).abs().max() < 1e-14
    # w·∇log p = (y, −x)·(−x, −y/4) = −¾ x y
    torch.testing.assert_close(weighted_divergence(rotation, log_density, z, 0.0), -0.75 * z[:, 0] * z[:, 1])


def test_weighted_divergence_of_a_linear_field(generator, oval):
    """∇·(p Bz)/p = tr B − zᵀ Σ⁻¹ B z: both terms count, and the mean over p is 0."""
    matrix = torch.tensor([[1.0, 2.0], [0.5, 3.0]])
    z = torch.randn(9, 2, generator=generator)
    found = weighted_divergence(lambda z, t: z @ matrix.T, lambda z, t: oval.log_prob(z), z, 0.0)
    torch.testing.assert_close(found, 4 - ((z / torch.tensor([1.0, 4.0])) * (z @ matrix.T)).sum(-1))


def test_weighted_field_has_no_weighted_divergence_on_any_density(generator):
    z = torch.randn(9, 3, generator=generator)
    root = torch.randn(3, 3, generator=generator)
    field = density_preserving_field(mixture_log_density, root - root.T)
    assert field(z, 0.5).norm(dim=1).min() > 0.1
    assert weighted_divergence(field, mixture_log_density, z, 0.5).abs().max() < 1e-12
    later = lambda z, t: mixture_log_density(z, 0.9)  # noqa: E731
    assert weighted_divergence(field, later, z, 0.5).abs().max() > 1e-2  # another density is not preserved


def test_linear_splitting(generator):
    gaussian = gaussian_pair()[0]
    sigma = gaussian.covariance
    matrix = torch.randn(3, 3, generator=generator)
    symmetric, rest = linear_helmholtz(matrix, sigma)

    rate = (matrix @ sigma + sigma @ matrix.T).numpy()
    torch.testing.assert_close(symmetric, torch.from_numpy(solve_continuous_lyapunov(sigma.numpy(), rate)))
    torch.testing.assert_close(symmetric + rest, matrix)
    assert covariance_rate(rest, sigma).abs().max() < 1e-12
    energy = [torch.trace(m @ sigma @ m.T) for m in (matrix, symmetric, rest)]
    torch.testing.assert_close(energy[0], energy[1] + energy[2])
    score = density_preserving_field(lambda z, t: gaussian.log_prob(z), (rest @ sigma - (rest @ sigma).T) / 2)
    z = gaussian.mean + torch.randn(4, 3, generator=generator)
    torch.testing.assert_close(score(z, 0), -(z - gaussian.mean) @ rest.T)  # W = −A Σ⁻¹: every such w is A ∇log p
