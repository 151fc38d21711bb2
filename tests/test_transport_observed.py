"""Brownian motion under observation against a dense Gaussian, quadrature, the heat equation and the Schrödinger bridge (M14)."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from transport_cases import jaxtyping_off

from flowlib import transport
from flowlib.errors import FlowlibError

pytestmark = pytest.mark.usefixtures("double")

X = torch.tensor([[0.3], [1.4], [0.2], [-0.9]], dtype=torch.float64)
D, S2, V0 = 0.35, 0.4, 1.7


def seen(observations=X, variance=S2, diffusion=D):
    return transport.ObservedBrownian(observations, variance, diffusion, V0)


def dense(times):
    """Posterior mean and covariance of z at `times`, and log p(x̄), from one joint normal of all that is there; one dimension."""
    at, n = np.asarray(times, float), np.arange(len(X), dtype=float)
    both = np.concatenate([at, n])
    prior = V0 + 2 * D * np.minimum.outer(both, both)
    cross, of_x = prior[: len(at), len(at) :], prior[len(at) :, len(at) :] + S2 * np.eye(len(n))
    gain, x = cross @ np.linalg.inv(of_x), X[:, 0].numpy()
    covariance = prior[: len(at), : len(at)] - gain @ cross.T
    return gain @ x, covariance, multivariate_normal(np.zeros(len(n)), of_x).logpdf(x)


@pytest.mark.parametrize("t", [0, 0.4, 1, 1.75, 2, 3])
def test_marginal_is_that_of_the_dense_posterior(t):
    mean, covariance, _ = dense([t])
    found = seen().marginal(t)
    assert found.mean.item() == pytest.approx(mean[0], abs=1e-12)
    assert found.covariance.item() == pytest.approx(covariance[0, 0], abs=1e-12)


def test_evidence_is_that_of_the_dense_normal():
    assert seen().log_evidence().item() == pytest.approx(dense([0])[2], abs=1e-12)


def test_two_dimensions_are_two_times_one():
    both = seen(torch.cat([X, -2 * X], 1))
    parts = seen(X), seen(-2 * X)
    z = torch.randn(5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert both.log_evidence().item() == pytest.approx(sum(part.log_evidence().item() for part in parts))
    assert torch.allclose(both.potential(z, 0.3), sum(part.potential(z[:, [i]], 0.3) for i, part in enumerate(parts)))
    assert torch.allclose(both.drift(z, 0.3), torch.cat([part.drift(z[:, [i]], 0.3) for i, part in enumerate(parts)], 1))
    assert torch.allclose(both.marginal(1.5).covariance, parts[0].marginal(1.5).covariance * torch.eye(2, dtype=torch.float64))


def test_potential_is_the_likelihood_of_what_comes_later():
    """At t between the last two observations h is a normal density; at t = 0 its integral over the start is the evidence."""
    z = torch.linspace(-12, 12, 6001, dtype=torch.float64)[:, None]
    h = (seen().potential(z, 2.3) / (2 * D)).exp()
    assert torch.allclose(h, torch.distributions.Normal(z[:, 0], (0.7 * 2 * D + S2) ** 0.5).log_prob(X[3]).exp())
    h = (seen().potential(z, 0) / (2 * D)).exp()
    start = torch.distributions.Normal(0.0, V0**0.5).log_prob(z[:, 0]) + torch.distributions.Normal(z[:, 0], S2**0.5).log_prob(X[0])
    assert torch.trapezoid(start.exp() * h, z[:, 0]).log().item() == pytest.approx(seen().log_evidence().item(), abs=1e-9)


@pytest.mark.parametrize("t", [0.0, 0.2, 1.0, 1.5, 2.0, 2.9])
def test_viscous_hamilton_jacobi_holds_between_observations(t):
    cloud = seen(torch.cat([X, 0.5 * X.flip(0)], 1))
    z = 2 * torch.randn(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    gradient = transport.gradient_of(cloud.potential)(z, t)
    assert torch.allclose(gradient, cloud.drift(z, t))
    rate = transport.time_derivative(cloud.potential, z, t)
    r = transport.hamilton_jacobi_residual(rate, gradient)
    curvature = transport.hessian(cloud.potential, z, t).diagonal(dim1=-2, dim2=-1).sum(-1)
    assert torch.allclose(r, -D * curvature, atol=1e-6)
    assert r.abs().min() > 0.01  # not the equation without noise


def test_points_of_another_dimension_are_refused():
    with pytest.raises(FlowlibError, match=r"z has shape \(2, 3\), observations have shape \(4, 1\)"):
        seen().drift(torch.zeros(2, 3).double(), 0.5)
    with pytest.raises(FlowlibError, match="centres have shape"):
        transport.heat_log_density(torch.zeros(5, 2), 0.1)(torch.zeros(3, 1), 1.0)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_kick_is_2D_log_likelihood(n):
    z = torch.linspace(-2, 2, 7, dtype=torch.float64)[:, None]
    kick = seen().potential(z, n - 1e-10) - seen().potential(z, n)
    expected = 2 * D * torch.distributions.Normal(z[:, 0], S2**0.5).log_prob(X[n])
    assert torch.allclose(kick, expected, atol=1e-7)


def test_chain_with_the_drift_has_the_posterior_marginals():
    """Exact moments of the affine chain in small steps: dm = b dt, dv = 2 b' v dt + 2D dt."""
    cloud, steps = seen(), 4000
    start = cloud.marginal(0)
    mean, spread = start.mean[None], start.covariance.item()
    for i in range(3 * steps):
        t = i / steps
        slope = (cloud.drift(mean + 1, t) - cloud.drift(mean, t)).item()
        mean, spread = mean + cloud.drift(mean, t) / steps, (1 + slope / steps) ** 2 * spread + 2 * D / steps
    assert mean.item() == pytest.approx(cloud.marginal(3).mean.item(), abs=1e-3)
    assert spread == pytest.approx(cloud.marginal(3).covariance.item(), abs=1e-3)


def test_between_two_observations_it_is_the_schroedinger_bridge_of_its_own_marginals():
    cloud = seen()
    bridge = transport.GaussianBridge(cloud.marginal(1), cloud.marginal(2), D)
    assert bridge.cross.item() == pytest.approx(dense([1, 2])[1][0, 1], abs=1e-12)
    z = torch.linspace(-2, 2, 7, dtype=torch.float64)[:, None]
    for s in (0.0, 0.3, 0.9):
        assert torch.allclose(bridge.drift(z, s), cloud.drift(z, 1 + s))


def test_after_the_last_observation_nothing_pulls():
    z = torch.randn(4, 1, dtype=torch.float64)
    assert torch.equal(seen().drift(z, 3), torch.zeros_like(z))
    assert torch.equal(seen().potential(z, 3), torch.zeros(4, dtype=torch.float64))


@pytest.mark.parametrize("wrong", [{"variance": 0.0}, {"diffusion": -1.0}, {"observations": X[:, 0]}])
def test_wrong_input_is_refused(wrong):
    with jaxtyping_off(), pytest.raises(FlowlibError, match="positive|shape"):
        seen(**wrong)


@pytest.mark.parametrize("t", [-0.1, 3.5])
def test_a_time_outside_is_refused(t):
    with pytest.raises(FlowlibError, match="times 0"):
        seen().marginal(t)
