"""The density read off backwards, against moving Gaussians, conservation of mass and the forward pass."""

import pytest
import torch

from flowlib.errors import FlowlibError
from flowlib.transport import Gaussian, flow_log_density, heat_marginal, integrate, probability_flow_velocity

pytestmark = pytest.mark.usefixtures("double")


@pytest.fixture
def source(double):
    return Gaussian(torch.tensor([0.5, -0.3]), torch.tensor([[0.5, 0.2], [0.2, 0.8]]))


def swirl(z, t):
    """Nonlinear, driven by time, with a divergence of both signs."""
    return torch.stack([torch.sin(z[:, 1] + 2 * t) * z[:, 0], z[:, 0] * torch.cos(t * z[:, 1])], 1)


def test_affine_flow_with_time_moves_a_gaussian_to_a_gaussian(source):
    """dz/dt = 2t M z: z(t) = exp((t² − t₀²) M) z(t₀); a wrong sign of the divergence or of time would show."""
    matrix = torch.tensor([[0.3, -0.8], [0.5, 0.2]])
    z = torch.randn(30, 2, generator=torch.Generator().manual_seed(0))
    got = flow_log_density(lambda z, t: 2 * t * z @ matrix.T, source.log_prob, z, 1.3, start=0.5)
    flow = torch.linalg.matrix_exp((1.3**2 - 0.5**2) * matrix)
    exact = Gaussian(flow @ source.mean, flow @ source.covariance @ flow.T)
    torch.testing.assert_close(got, exact.log_prob(z), atol=2e-5, rtol=0)


def test_heat_flow_gives_the_heat_equation_s_marginal(source):
    z = torch.randn(30, 2, generator=torch.Generator().manual_seed(1))
    velocity = probability_flow_velocity(lambda z, t: heat_marginal(source, 0.3, t).log_prob(z), 0.3)
    got = flow_log_density(velocity, source.log_prob, z, 0.9)
    torch.testing.assert_close(got, heat_marginal(source, 0.3, 0.9).log_prob(z), atol=2e-5, rtol=0)


def test_agrees_with_the_density_carried_forwards(source, generator):
    z = source.sample(20, generator)
    path = integrate(swirl, z, torch.tensor([0.2, 1.1]), log_density=source.log_prob(z))
    got = flow_log_density(swirl, source.log_prob, path.z[:, -1], 1.1, start=0.2)
    torch.testing.assert_close(got, path.log_density[:, -1], atol=2e-5, rtol=0)


def test_mass_stays_one(source):
    line = torch.linspace(-9, 9, 181)
    grid = torch.cartesian_prod(line, line)
    density = flow_log_density(swirl, source.log_prob, grid, 0.5, rtol=1e-5, atol=1e-7).exp()
    assert float(density.sum() * 0.1**2) == pytest.approx(1, abs=2e-3)


def test_at_the_start_it_is_the_initial_density(source):
    z = torch.zeros(3, 2)
    assert torch.equal(flow_log_density(swirl, source.log_prob, z, 0.0), source.log_prob(z))


def test_refuses_the_past_and_a_density_of_a_wrong_shape(source):
    z = torch.zeros(3, 2)
    with pytest.raises(FlowlibError, match=r"t = 0.2 lies before start = 0.5"):
        flow_log_density(swirl, source.log_prob, z, 0.2, start=0.5)
    with pytest.raises(FlowlibError, match="initial log-density"):
        flow_log_density(swirl, lambda z: source.log_prob(z)[:, None], z, 0.2)
