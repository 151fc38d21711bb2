"""log|det(I + H)| of one flow step z ↦ z + ∇u(z): exact, and estimated for large d (M11).

The row sums of H are no substitute: added up they are the trace and all that is off the diagonal, and the trace itself is only the first
term of the series log det(I + H) = tr H − tr H²/2 + … .
"""

from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.errors import FlowlibError


def log_abs_det(hessian: Float[Tensor, "*batch d d"]) -> Float[Tensor, "*batch"]:
    """Exact log|det(I + H)| by an LU factorisation, O(d³)."""
    return _LogAbsDet.apply(_plus_identity(hessian))[0]


class _LogAbsDet(torch.autograd.Function):
    """log|det A|, whose gradient A⁻ᵀ comes from the same LU factors.

    torch's own gradient solves one small system after the other, each on all threads; with threads that sleep while they wait, waking
    them a thousand times takes ten times longer than the arithmetic.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(matrix):
        factors = torch.linalg.lu_factor_ex(matrix)
        return factors.LU.diagonal(dim1=-2, dim2=-1).abs().log().sum(-1), factors.LU, factors.pivots

    @staticmethod
    def setup_context(context, inputs, output):
        context.mark_non_differentiable(*output[1:])
        context.save_for_backward(*inputs, *output[1:])

    @staticmethod
    def backward(context, gradient, *_):
        matrix, factors, pivots = context.saved_tensors
        with _one_thread():
            if torch.is_grad_enabled():  # the gradient is to have one itself, which the factors as they were saved have not
                inverse = torch.linalg.inv_ex(matrix).inverse.mT
            else:
                eye = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device).expand_as(matrix)
                inverse = torch.linalg.lu_solve(factors, pivots, eye, adjoint=True)
        return gradient[..., None, None] * inverse


@contextmanager
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def smallest_eigenvalue(hessian: Float[Tensor, "*batch d d"]) -> Float[Tensor, "*batch"]:
    """λ_min of the symmetric part of I + H. Positive everywhere: the step is injective and, where H is symmetric, optimal (M6).

    Samples can only refute that. The derivative of a field that has no potential is not symmetric.
    """
    return torch.linalg.eigvalsh(_plus_identity((hessian + hessian.mT) / 2))[..., 0]


def determinant(hessian: Float[Tensor, "*batch d d"]) -> Float[Tensor, "*batch"]:
    """det(I + H). Negative at some points and positive at others: the step is not injective."""
    return torch.linalg.det(_plus_identity(hessian))


def _plus_identity(hessian):
    return hessian + torch.eye(hessian.shape[-1], dtype=hessian.dtype, device=hessian.device)


def series_log_det(product, probes: Float[Tensor, "probes *batch d"], terms: int = 10) -> Float[Tensor, "*batch"]:
    """Estimate tr(H − H²/2 + H³/3 − …) from Hessian–vector products; differentiable, memory O(d).

    product(v) : H v for v of shape (*batch, d)
    probes : independent ±1 vectors (Hutchinson); the mean of vᵀ Hⁿ v over them is unbiased for tr Hⁿ
    The series needs ‖H‖ < 1; cutting it off after `terms` leaves an error of at most d ‖H‖^(terms+1) / ((terms+1)(1 − ‖H‖)).
    """
    if terms < 1:
        raise FlowlibError(f"terms = {terms}: the series needs at least one term")
    total = 0
    for probe in probes:
        power = probe
        for n in range(1, terms + 1):
            power = product(power)
            total = total - (-1) ** n * (power * probe).sum(-1) / n
    return total / len(probes)


def lanczos_log_det(product, probes: Float[Tensor, "probes *batch d"], steps: int = 20):
    """Stochastic Lanczos quadrature for log|det(I + H)|: no bound on ‖H‖ is needed; for evaluation (not differentiable).

    Returns the estimate (*batch) and its standard error over the probes (*batch). With ±1 probes, tr f(A) is the mean of
    d Σ_i τ_i² f(θ_i): θ_i the eigenvalues of the tridiagonal matrix, τ_i the first entries of its eigenvectors.
    Source: Ubaru, Chen, Saad, SIAM J. Matrix Anal. Appl. 38(4), 2017.
    """
    dim = probes.shape[-1]
    with torch.no_grad():
        samples = torch.stack([_quadrature(product, probe, min(steps, dim)) for probe in probes])
    error = samples.std(0) / len(samples) ** 0.5 if len(samples) > 1 else torch.full_like(samples[0], torch.nan)
    return samples.mean(0), error


def _quadrature(product, probe, steps):
    """d Σ τ² log|θ| after `steps` Lanczos steps of I + H from one probe, with full re-orthogonalisation."""
    dim = probe.shape[-1]
    basis = [probe / dim**0.5]
    diagonal, off_diagonal = [], []
    for _ in range(steps):
        image = basis[-1] + product(basis[-1])
        diagonal.append((image * basis[-1]).sum(-1))
        known = torch.stack(basis, -1)
        for _ in range(2):  # twice is enough (Kahan)
            image = image - (known @ (known.mT @ image[..., None])).squeeze(-1)
        norm = image.norm(dim=-1)
        off_diagonal.append(norm)
        basis.append(image / norm.clamp_min(torch.finfo(norm.dtype).tiny)[..., None])
    tridiagonal = torch.diag_embed(torch.stack(diagonal, -1))
    if steps > 1:
        sides = torch.stack(off_diagonal[:-1], -1)
        tridiagonal = tridiagonal + torch.diag_embed(sides, 1) + torch.diag_embed(sides, -1)
    theta, vectors = torch.linalg.eigh(tridiagonal)
    return dim * (vectors[..., 0, :] ** 2 * theta.abs().clamp_min(1e-30).log()).sum(-1)
