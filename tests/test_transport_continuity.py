"""Derivatives, the continuity equation and the change of variables, against formulas worked by hand."""

import math

import pytest
import torch
from transport_cases import gaussian_pair, mixture_log_density

from flowlib.errors import FlowlibError
from flowlib.transport import (
    Gaussian,
    GaussianPotential,
    continuity_residual,
    divergence,
    gradient_of,
    hessian,
    interpolate,
    jacobian,
    push_forward_log_density,
    time_derivative,
)

pytestmark = pytest.mark.usefixtures("double")


def potential(z, t):
    """u = sin(x y) + t² x³."""
    return torch.sin(z[:, 0] * z[:, 1]) + t**2 * z[:, 0] ** 3


@pytest.fixture
def z(generator, double):
    return torch.randn(6, 2, generator=generator)


def test_derivatives_of_a_potential(z):
    x, y, t = z[:, 0], z[:, 1], 0.7
    sin, cos = torch.sin(x * y), torch.cos(x * y)
    mixed = cos - x * y * sin
    gradient = torch.stack([y * cos + 3 * t**2 * x**2, x * cos], 1)
    rows = [torch.stack([-(y**2) * sin + 6 * t**2 * x, mixed], 1), torch.stack([mixed, -(x**2) * sin], 1)]

    torch.testing.assert_close(gradient_of(potential)(z, t), gradient)
    torch.testing.assert_close(time_derivative(potential, z, t), 2 * t * x**3)
    torch.testing.assert_close(hessian(potential, z, t), torch.stack(rows, 1))
    torch.testing.assert_close(divergence(gradient_of(potential), z, t), rows[0][:, 0] + rows[1][:, 1])


def test_jacobian_has_outputs_as_rows(z):
    x, y = z[:, 0], z[:, 1]
    found = jacobian(lambda p: torch.stack([p[:, 0] * p[:, 1], p[:, 1] ** 3], 1), z)
    torch.testing.assert_close(found[:, 0], torch.stack([y, x], 1))
    torch.testing.assert_close(found[:, 1], torch.stack([torch.zeros(6), 3 * y**2], 1))


def test_fields_that_depend_on_nothing_have_zero_derivatives(z):
    constant = lambda z, t: z.new_ones(len(z))  # noqa: E731
    assert not gradient_of(constant)(z, 0.0).any()
    assert not time_derivative(constant, z, 1).any()
    assert not hessian(constant, z, 1).any()


def test_derivatives_can_be_differentiated_again(z):
    scale = torch.tensor(2.0, requires_grad=True)
    velocity = gradient_of(lambda z, t: scale * potential(z, t))
    divergence(velocity, z, 0.7).sum().backward()
    torch.testing.assert_close(scale.grad, divergence(gradient_of(potential), z, 0.7).sum())


def moving_gaussian():
    source, target = gaussian_pair(2)
    flow = GaussianPotential(source, target)
    return (lambda z, t: interpolate(source, target, t - 1).log_prob(z)), flow.gradient


def test_continuity_residual_vanishes_on_a_moving_gaussian(z):
    log_density, velocity = moving_gaussian()
    assert continuity_residual(log_density, velocity, z, 1.3).abs().max() < 1e-12


@pytest.mark.parametrize("factor", [-1.0, 2.0, 0.5, 0.0])
def test_continuity_residual_sees_a_wrong_sign_or_factor(z, factor):
    log_density, velocity = moving_gaussian()
    wrong = continuity_residual(log_density, lambda z, t: factor * velocity(z, t), z, 1.3)
    assert wrong.abs().max() > 0.1


def growing(z, t):
    """log N(0, e^{2t} I) with its constant, which depends on t; its velocity is z."""
    return -0.5 * z.square().sum(-1) * torch.exp(-2 * t) - z.shape[1] * t


def test_fields_get_the_time_as_a_tensor(z):
    """torch.exp(t) of a number t would raise: residual and derivative hand on a tensor."""
    velocity = lambda z, t: z * torch.exp(0 * t)  # noqa: E731
    assert continuity_residual(growing, velocity, z, 0.7).abs().max() < 1e-12
    torch.testing.assert_close(time_derivative(growing, z, 0.7), z.square().sum(-1) * math.exp(-1.4) - 2)


@pytest.mark.parametrize("number", [float, int, torch.Tensor.item, torch.Tensor.tolist, lambda t: math.exp(math.log(t))])
def test_a_time_that_becomes_a_number_is_refused(number, z):
    """It would drop ∂_t without a word: this exact pair would have a residual."""
    dropped = lambda z, t: growing(z, torch.as_tensor(number(t)))  # noqa: E731
    for call in (lambda: time_derivative(dropped, z, 0.7), lambda: continuity_residual(dropped, lambda z, t: z, z, 0.7)):
        with pytest.raises(FlowlibError, match="plain number.*torch.exp"):
            call()


@pytest.mark.parametrize("filled", [
    lambda z, t: torch.full_like(z[:, 0], t), lambda z, t: torch.full((len(z),), fill_value=t), lambda z, t: z.new_full((len(z),), t),
    lambda z, t: torch.tensor(t), lambda z, t: z.new_tensor(t), lambda z, t: t.detach(), lambda z, t: t.data,
    lambda z, t: torch.tensor([t] * len(z)), lambda z, t: torch.as_tensor([t] * len(z)), lambda z, t: z.new_tensor([0.0] * (len(z) - 1) + [t]), lambda z, t: t.clone().detach_(),
    lambda z, t: torch.add(z[:, 0], z[:, 0], alpha=t),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:To copy construct from a tensor")
def test_a_tensor_that_is_filled_with_the_time_is_refused(filled, z):
    with pytest.raises(FlowlibError, match=r"plain number.*t.expand\(n\)"):
        time_derivative(lambda z, t: z[:, 0] * filled(z, t), z, 0.7)


@pytest.mark.parametrize("kept", [
    lambda z, t: t.expand(len(z)), lambda z, t: torch.as_tensor(t, dtype=z.dtype), lambda z, t: torch.stack([t] * len(z)), lambda z, t: torch.zeros(len(z)).to(t) + t,
    lambda z, t: torch.zeros(len(z)).to(t).fill_(t), lambda z, t: torch.zeros(len(z)).to(t).masked_fill(z[:, 0] < torch.inf, value=t),
])  # fmt: skip
def test_ways_to_repeat_the_time_that_keep_its_derivative(kept, z):
    torch.testing.assert_close(time_derivative(lambda z, t: z[:, 0] * kept(z, t) ** 2, z, 0.7), 1.4 * z[:, 0])


def test_decisions_about_the_time_are_allowed(z):
    late = lambda z, t: z[:, 0] * (t**2 if t > 0.5 else t)  # noqa: E731
    torch.testing.assert_close(time_derivative(late, z, 0.7), 1.4 * z[:, 0])


def test_continuity_residual_vanishes_on_a_travelling_mixture(z):
    """Any density carried along by a constant wind, normalised or not."""
    wind = torch.tensor([0.4, -1.1])
    log_density = lambda z, t: mixture_log_density(z - t * wind, 0.5)  # noqa: E731
    assert continuity_residual(log_density, lambda z, t: wind.expand_as(z), z, 0.8).abs().max() < 1e-12
    assert continuity_residual(log_density, lambda z, t: -wind.expand_as(z), z, 0.8).abs().max() > 0.1


def test_change_of_variables_for_an_affine_map(z):
    """Exact case 2 is inside: the step z + Hz with H = [[0, ½], [½, 0]] has log det = log(1 − ¼)."""
    source = gaussian_pair(2)[0]
    step = torch.eye(2) + torch.tensor([[0.0, 0.5], [0.5, 0.0]])
    moved, log_density = push_forward_log_density(lambda p: p @ step.T, z, source.log_prob(z))
    torch.testing.assert_close(moved, z @ step.T)
    torch.testing.assert_close(log_density, Gaussian(step @ source.mean, step @ source.covariance @ step.T).log_prob(moved))
    torch.testing.assert_close(log_density - source.log_prob(z), torch.full((6,), 0.28768207245178))


def test_change_of_variables_for_a_curved_map(z):
    """z' = sinh z has the density N(arsinh z') / √(1 + z'²) per coordinate; a reflection changes nothing."""
    normal = Gaussian(torch.zeros(2), torch.eye(2))
    for sign in (1, -1):
        moved, log_density = push_forward_log_density(lambda p, s=sign: s * torch.sinh(p), z, normal.log_prob(z))
        exact = normal.log_prob(torch.asinh(moved)) - 0.5 * torch.log1p(moved**2).sum(-1)
        torch.testing.assert_close(log_density, exact)


def test_a_fold_makes_the_change_of_variables_lie(generator):
    """Exact case 6: z' = 3 sin 3z. One branch instead of the sum over preimages gives a "KL" below zero."""
    normal = Gaussian(torch.zeros(1), torch.eye(1))
    z = normal.sample(4000, generator)
    fold = lambda p: 3 * torch.sin(3 * p)  # noqa: E731
    moved, one_branch = push_forward_log_density(fold, z, normal.log_prob(z))

    angle, turns = torch.asin(moved / 3), 2 * math.pi * torch.arange(-8, 9)
    preimages = torch.cat([angle + turns, math.pi - angle + turns], 1) / 3
    branches = normal.log_prob(preimages.reshape(-1, 1)).reshape(preimages.shape)
    all_branches = branches.logsumexp(1) - torch.log(9 * torch.cos(3 * z[:, 0]).abs())

    prior = Gaussian(torch.zeros(1), 4.5 * torch.eye(1)).log_prob(moved)
    assert (one_branch <= all_branches + 1e-9).all()
    assert (one_branch - prior).mean() < -0.5 < 0.3 < (all_branches - prior).mean()
    assert jacobian(fold, z).min() < 0 < jacobian(fold, z).max()  # the sign of I + H gives the fold away
