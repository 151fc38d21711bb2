"""log|det(I + H)|: exact against torch.func and by hand, estimates against exact (M11)."""

import math

import pytest
import torch
from torch.func import jacfwd

from flowlib.errors import FlowlibError
from flowlib.flows import PotentialBank, determinant, lanczos_log_det, log_abs_det, series_log_det, smallest_eigenvalue


@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("dim", [16, 32, 64])
def test_exact_log_det_agrees_with_the_jacobian_of_the_step(dim, dtype, tolerance):
    torch.manual_seed(0)
    bank = PotentialBank(2, dim, 2 * dim).to(dtype)
    bank.head.data *= 20  # curvature of order one
    z = torch.randn(2, 5, dim, dtype=dtype)
    found = log_abs_det(bank(z, 1.0, hessian=True).hessian)
    reference = bank.double()
    for k in range(2):
        for n in range(5):
            step = lambda point: point + reference(point[None, None], 1.0, [k]).gradient[0, 0]  # noqa: E731
            exact = torch.linalg.slogdet(jacfwd(step)(z[k, n].double())).logabsdet
            assert abs(found[k, n].double() - exact) <= tolerance * max(1, abs(exact))
    assert found.abs().max() > 0.1


def test_determinant_is_neither_trace_nor_row_sums(double):
    """Exact case 2: H = [[0, ½], [½, 0]] has log det −0.288; its trace is 0, its row sums would give +0.811."""
    h = torch.tensor([[0.0, 0.5], [0.5, 0.0]])
    assert log_abs_det(h).item() == pytest.approx(math.log(0.75), abs=1e-12)
    assert (1 + h.sum(1)).log().sum().item() == pytest.approx(0.811, abs=1e-3)
    assert smallest_eigenvalue(h).item() == pytest.approx(0.5)
    shear = torch.tensor([[0.0, 10.0], [0.0, 0.0]])  # of no potential: zᵀ(I + H)z = ‖z‖² + 10 z₁z₂ ≥ −4‖z‖²
    assert smallest_eigenvalue(torch.stack([shear, shear.mT])).tolist() == pytest.approx([-4, -4])


@pytest.mark.parametrize("offset", [0.0, -3.0])  # the determinants are positive, or of either sign
def test_the_gradient_agrees_with_differences_and_with_torch(double, offset):
    h = 0.3 * torch.randn(2, 3, 3, 3, generator=torch.Generator().manual_seed(3))  # not symmetric: the transpose must be right
    h = (h + torch.diag(torch.tensor([offset, 0.0, 0.0]))).requires_grad_()
    assert torch.autograd.gradcheck(log_abs_det, h) and torch.autograd.gradgradcheck(log_abs_det, h)
    (expected,) = torch.autograd.grad(torch.linalg.slogdet(torch.eye(3) + h).logabsdet.square().sum(), h)
    threads = torch.get_num_threads()
    (found,) = torch.autograd.grad(log_abs_det(h).square().sum(), h)
    torch.testing.assert_close(found, expected)
    assert torch.get_num_threads() == threads
    each = torch.func.vmap(torch.func.grad(lambda a: log_abs_det(a).square()))(h.detach().flatten(0, 1))
    torch.testing.assert_close(each, expected.flatten(0, 1))


def symmetric(dim, norm):
    """A random symmetric matrix of the given spectral norm."""
    h = torch.randn(dim, dim, generator=torch.Generator().manual_seed(1))
    h = h + h.mT
    return h * norm / torch.linalg.eigvalsh(h).abs().max()


def signs(probes, dim):
    """Independent ±1 vectors."""
    return torch.randint(0, 2, (probes, dim), generator=torch.Generator().manual_seed(2)) * 2.0 - 1


def test_power_series_is_unbiased_and_its_cut_is_bounded(double):
    dim, norm, terms = 24, 0.5, 12
    h = symmetric(dim, norm)
    samples = torch.stack([series_log_det(lambda v: v @ h, probe[None], terms) for probe in signs(4000, dim)])
    bound = dim * norm ** (terms + 1) / ((terms + 1) * (1 - norm))
    error = samples.std() / len(samples) ** 0.5
    assert abs(samples.mean() - log_abs_det(h)) < 4 * error + bound
    basis = torch.eye(dim) * dim**0.5  # the probes whose mean is the trace itself
    assert abs(series_log_det(lambda v: v @ h, basis, 60) - log_abs_det(h)) < 1e-8


def test_lanczos_needs_no_bound_on_the_hessian_and_states_its_error(double):
    dim = 200
    h = symmetric(dim, 1.7)  # eigenvalues of I + H on both sides of zero
    h = h + 2.0 * torch.eye(dim)
    estimate, error = lanczos_log_det(lambda v: v @ h, signs(60, dim), steps=60)
    assert abs(estimate - log_abs_det(h)) < 4 * error < 0.05 * abs(log_abs_det(h))
    small = h[:20, :20]
    full, _ = lanczos_log_det(lambda v: v @ small, torch.eye(20) * 20**0.5, steps=20)
    assert abs(full - log_abs_det(small)) < 1e-8


def test_a_series_without_terms_is_refused():
    with pytest.raises(FlowlibError, match="terms = 0"):
        series_log_det(lambda v: v, torch.ones(1, 2), terms=0)


def test_the_determinant_has_a_sign(double, generator):
    """det(I + H) itself: its logarithm is that of the exact change of density, and one reflected direction makes it negative."""
    hessian = 0.1 * torch.randn(5, 4, 4, generator=generator)
    found = determinant(hessian)
    assert torch.allclose(found.log(), log_abs_det(hessian))
    mirror = torch.diag(torch.tensor([-1.0, 1, 1, 1]))
    assert torch.allclose(determinant(mirror @ (hessian + torch.eye(4)) - torch.eye(4)), -found)
