"""Roots and Lyapunov equations against scipy, and every slope through them where eigenvalues coincide, against differences."""

import pytest
import torch
from scipy.linalg import solve_continuous_lyapunov, sqrtm
from torch.autograd import gradcheck, gradgradcheck

from flowlib.errors import FlowlibError
from flowlib.transport import (
    Gaussian,
    GaussianBridge,
    GaussianPotential,
    crossing_time,
    density_preserving_field,
    gaussian_w2,
    heat_marginal,
    interpolate,
    jko_step,
    linear_helmholtz,
    lyapunov,
    square_root,
    weighted_divergence,
)

pytestmark = pytest.mark.usefixtures("double")


def positive(d, generator, least=0.3):
    root = torch.randn(d, d, generator=generator)
    return root @ root.T / d + least * torch.eye(d)


def symmetric(matrix):
    return (matrix + matrix.mT) / 2


def test_root_and_lyapunov_are_those_of_scipy(generator):
    matrix, right = positive(4, generator), torch.randn(4, 4, generator=generator)
    torch.testing.assert_close(square_root(matrix), torch.from_numpy(sqrtm(matrix.numpy())))
    expected = torch.from_numpy(solve_continuous_lyapunov(matrix.numpy(), right.numpy()))
    torch.testing.assert_close(lyapunov(matrix, right), expected)


def test_singular_matrices_have_a_root_and_indefinite_ones_none():
    flat = torch.diag(torch.tensor([4.0, 0.0]))
    torch.testing.assert_close(square_root(flat), torch.diag(torch.tensor([2.0, 0.0])))
    for seed in range(20):  # rounding puts some eigenvalues of these a little below zero
        v = torch.randn(5, generator=torch.Generator().manual_seed(seed))
        root = square_root(torch.outer(v, v))
        torch.testing.assert_close(root @ root, torch.outer(v, v), atol=1e-10, rtol=0)
    with pytest.raises(FlowlibError, match="eigenvalue -1"):
        square_root(torch.diag(torch.tensor([4.0, -1.0])))


@pytest.mark.parametrize("forward", [False, True], ids=["backward", "forward"])
@pytest.mark.parametrize("values", [[1.0, 1.0, 1.0], [2.0, 2.0, 0.5], [3.0, 1.0, 0.2]], ids=str)
def test_slopes_of_the_root(values, forward, generator):
    """Once and twice, with equal eigenvalues and without."""
    axes = torch.linalg.qr(torch.randn(3, 3, generator=generator)).Q
    matrix = ((axes * torch.tensor(values)) @ axes.T).requires_grad_()
    call = lambda m: square_root(symmetric(m))  # noqa: E731
    assert gradcheck(call, matrix, check_forward_ad=forward)
    assert gradgradcheck(call, matrix)


@pytest.mark.parametrize("values", [[1.0, 1.0], [3.0, 0.5]], ids=str)
def test_slopes_of_lyapunov(values, generator):
    matrix, right = torch.diag(torch.tensor(values)).requires_grad_(), torch.randn(2, 2, generator=generator).requires_grad_()
    call = lambda m, r: lyapunov(symmetric(m), r)  # noqa: E731
    assert gradcheck(call, (matrix, right), check_forward_ad=True)
    assert gradgradcheck(call, (matrix, right))


def normal(covariance, mean=0.0):
    return Gaussian(torch.full((len(covariance),), mean).to(covariance), symmetric(covariance))


CALLS = {
    "gaussian_w2": lambda a, b: gaussian_w2(normal(a), normal(b, 1.0)),
    "interpolate": lambda a, b: interpolate(normal(a), normal(b), 0.3).covariance,
    "GaussianPotential": lambda a, b: GaussianPotential(normal(a), normal(b, 0.5))(torch.ones(1, len(a)), 1.4),
    "bridge's KL": lambda a, b: GaussianBridge(normal(a), normal(b, 1.0), 0.3).kl(),
    "bridge's marginal": lambda a, b: GaussianBridge(normal(a), normal(b), 0.3).marginal(0.4).covariance,
    "linear_helmholtz": lambda a, b: linear_helmholtz(b, symmetric(a))[0],
    "jko_step": lambda a, b: jko_step(normal(a + b), 0.3, 0.7).covariance,
    "heat_marginal": lambda a, b: heat_marginal(normal(a + b), 0.3, 0.7).covariance,
}


@pytest.mark.parametrize("isotropic", [True, False], ids=["isotropic", "generic"])
@pytest.mark.parametrize("name", CALLS)
def test_slopes_against_differences(name, isotropic, generator):
    if isotropic:
        a, b = 1.3 * torch.eye(2), 0.8 * torch.eye(2)
    else:
        a, b = positive(2, generator), positive(2, generator)
    assert gradcheck(CALLS[name], (a.requires_grad_(), b.requires_grad_()))


def test_slope_of_the_distance_from_itself_is_zero():
    covariance = torch.eye(3).requires_grad_()
    gaussian_w2(normal(covariance), normal(torch.eye(3))).backward()
    assert covariance.grad.abs().max() < 1e-12


def test_diffusion_of_the_bridge_has_a_slope():
    diffusion = torch.tensor(0.3, requires_grad=True)
    assert gradcheck(lambda d: GaussianBridge(normal(torch.eye(2)), normal(2 * torch.eye(2)), d).kl(), diffusion)


def test_crossing_time_has_a_slope_also_where_nothing_crosses():
    hessians = torch.stack([torch.zeros(2, 2), torch.eye(2), torch.diag(torch.tensor([1.0, -0.5]))]).requires_grad_()
    times = crossing_time(hessians)
    assert times[:2].isinf().all() and times[2].item() == pytest.approx(2)
    times[2].backward()
    expected = torch.zeros(3, 2, 2)
    expected[2, 1, 1] = 4.0  # d(−1/λ)/dλ = 1/λ²
    torch.testing.assert_close(hessians.grad, expected)


def test_log_densities_between_gaussians_can_be_differentiated_point_by_point(generator):
    """A density-preserving field of a moving Gaussian: its weighted divergence maps over points, through the roots."""
    source, target = (normal(positive(2, generator), mean) for mean in (0.0, 1.0))
    turn = torch.tensor([[0.0, 1.0], [-1.0, 0.0]]).double()

    def log_density(z, t):
        return interpolate(source, target, t).log_prob(z)

    z = torch.randn(5, 2, generator=generator, dtype=torch.float64)
    drained = weighted_divergence(density_preserving_field(log_density, turn), log_density, z, 0.4)
    torch.testing.assert_close(drained, torch.zeros_like(drained), atol=1e-10, rtol=0)
