"""The potentials' closed-form derivatives against torch.func (M10–M12)."""

import itertools

import pytest
import torch
from torch.func import grad, hessian

from flowlib.flows import ConvexBank, PotentialBank, TurningBank, VelocityBank

SHAPES = [(2, 5, 1, False), (3, 4, 2, False), (2, 5, 3, False), (3, 4, 2, True), (1, 16, 2, True)]


def make(factors, dim, depth, bounded, width=9):
    """A bank whose potentials are far from linear: the default head is small."""
    torch.manual_seed(0)
    bank = PotentialBank(factors, dim, width, depth, bounded=bounded)
    bank.head.data.normal_()
    bank.biases[0].data.normal_()
    bank.offset.data.normal_()
    return bank


def single(bank, k):
    """u^k of one point, from the bank's value alone."""
    return lambda z, t: bank(z[None, None], t, [k]).value[0, 0]


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_time_derivative_and_hessian_agree_with_torch_func(double, shape):
    bank = make(*shape)
    z, t = torch.randn(bank.factors, 4, bank.dim), torch.rand(4) * 8
    found = bank(z, t, hessian=True)
    for k in range(bank.factors):
        u = single(bank, k)
        for n in range(4):
            point = z[k, n], t[n]
            assert torch.allclose(found.value[k, n], u(*point), atol=1e-12)
            assert torch.allclose(found.gradient[k, n], grad(u)(*point), atol=1e-12)
            assert torch.allclose(found.time[k, n], grad(u, 1)(*point), atol=1e-12)
            assert torch.allclose(found.hessian[k, n], hessian(u)(*point), atol=1e-12)


@pytest.mark.parametrize("kind", [PotentialBank, TurningBank, VelocityBank, ConvexBank])
def test_each_point_may_have_a_time_of_its_own(double, kind):
    torch.manual_seed(0)
    bank = kind(3, 2, 5)
    z, t = torch.randn(3, 4, 2), torch.randint(1, 9, (3, 4))
    together = bank(z, t, hessian=True)
    for k, n in itertools.product(range(3), range(4)):
        alone = bank(z[k, n][None, None], int(t[k, n]), [k], hessian=True)
        for name in ("value", "gradient", "time", "hessian"):
            torch.testing.assert_close(getattr(together, name)[k, n], getattr(alone, name)[0, 0], equal_nan=True)


@pytest.mark.parametrize("shape", SHAPES)
def test_hessian_product_is_the_hessian_times_a_vector(double, shape):
    bank = make(*shape)
    z, v = torch.randn(2, bank.factors, 4, bank.dim)
    expected = (bank(z, 3.0, hessian=True).hessian @ v[..., None]).squeeze(-1)
    assert torch.allclose(bank.hessian_product(z, 3.0, v), expected, atol=1e-12)


def test_without_time_the_field_is_that_of_the_place_alone(double):
    """∂_t u = 0 at every time, nothing else changes: the closed forms still agree with torch.func."""
    torch.manual_seed(0)
    bank = PotentialBank(2, 3, 6, 2, time_free=True)
    bank.head.data.normal_()
    z = torch.randn(2, 4, 3)
    early, late = bank(z, 1.0, hessian=True), bank(z, torch.linspace(2, 9, 4), hessian=True)
    assert torch.equal(early.gradient, late.gradient) and not early.time.any() and not bank.wave_terms(z, 5.0)[0].any()
    u = single(bank, 1)
    assert torch.allclose(early.gradient[1, 2], grad(u)(z[1, 2], torch.tensor(7.0)), atol=1e-12)
    assert "time_weight" not in dict(bank.named_parameters())


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if not shape[3]])
def test_laplacian_is_the_trace(double, shape):
    bank = make(*shape)
    z = torch.randn(bank.factors, 4, bank.dim)
    expected = bank(z, 2.0, hessian=True).hessian.diagonal(dim1=-2, dim2=-1).sum(-1)
    assert torch.allclose(bank.laplacian(z, 2.0), expected, atol=1e-12)


def test_hessian_has_off_diagonals_so_that_row_sums_cannot_pass(double):
    h = make(1, 5, 2, False)(torch.randn(1, 3, 5), 1.0, hessian=True).hessian
    assert torch.allclose(h, h.mT)
    off_diagonal = h - torch.diag_embed(torch.diagonal(h, dim1=-2, dim2=-1))
    assert off_diagonal.abs().max() > 0.3 * h.abs().max()


def test_each_group_uses_its_own_factor_and_time_may_differ_by_point(double):
    bank = make(3, 4, 2, False)
    z, t = torch.randn(1, 6, 4), torch.arange(6.0)
    together = bank(z.expand(3, -1, -1), t)
    for k in range(3):
        alone = bank(z, t, [k])
        assert torch.equal(together.gradient[k], alone.gradient[0])
        for n in range(6):
            one = bank(z[:, n : n + 1], float(n), [k])
            assert torch.allclose(one.time[0, 0], together.time[k, n])
    assert (together.gradient[0] - together.gradient[1]).abs().max() > 0.1


def test_derivatives_are_per_sample(double):
    """A batch of one gives the same values as a batch of many (no mean or sum over the batch hides in them)."""
    bank = make(2, 4, 2, True)
    z = torch.randn(2, 7, 4)
    many, one = bank(z, 2.0, hessian=True), bank(z[:, 3:4], 2.0, hessian=True)
    for name in ("value", "gradient", "time", "hessian"):
        assert torch.allclose(getattr(many, name)[:, 3:4], getattr(one, name), atol=1e-14)


def test_second_derivatives_flow_into_the_weights(double):
    """The closed forms are differentiable: gradcheck of the Hessian's log-determinant in a weight."""
    bank = make(1, 3, 2, False, width=4)
    z = torch.randn(1, 2, 3)

    def log_det(weight):
        parameters = {"weights.1": weight}
        out = torch.func.functional_call(bank, parameters, (z, 1.0), {"hessian": True})
        return torch.linalg.slogdet(out.hessian + torch.eye(3)).logabsdet

    assert torch.autograd.gradcheck(log_det, bank.weights[1].detach().clone().requires_grad_())
