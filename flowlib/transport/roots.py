"""Square roots and Lyapunov equations of symmetric matrices, differentiable also where eigenvalues coincide.

`torch.linalg.eigh` divides by differences of eigenvalues in its backward pass and gives nan at an isotropic
matrix. A root's derivative needs their sums only: it solves a Lyapunov equation, here as d² linear ones.
Source: Higham, *Functions of Matrices*, 2008, § 6.1.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.errors import FlowlibError


def square_root(matrix: Float[Tensor, "d d"]) -> Float[Tensor, "d d"]:
    """R with R R = M, symmetric and without negative eigenvalues, of a matrix M of the same kind.

    Differentiable (also twice) where M is positive definite. Raises FlowlibError for a negative eigenvalue.
    """
    least, most = torch.linalg.eigvalsh(matrix.detach())[[0, -1]]
    if not bool(least >= -len(matrix) * torch.finfo(matrix.dtype).eps * most):
        raise FlowlibError(f"the matrix has the eigenvalue {float(least):.3g}; a root needs all of them ≥ 0.")
    return _SquareRoot.apply(matrix)


def lyapunov(matrix: Float[Tensor, "d d"], right: Float[Tensor, "d d"]) -> Float[Tensor, "d d"]:
    """X with X P + P X = R for a symmetric positive definite P = `matrix` and any R = `right`."""
    one = torch.eye(len(matrix)).to(matrix)
    return torch.linalg.solve_ex(torch.kron(matrix, one) + torch.kron(one, matrix), right.flatten()).result.view_as(right)


class _SquareRoot(torch.autograd.Function):
    """dR R + R dR = dM, and the map dM ↦ dR is its own adjoint."""

    generate_vmap_rule = True

    @staticmethod
    def forward(matrix):
        values, axes = torch.linalg.eigh(matrix)
        return (axes * values.clamp_min(0).sqrt()) @ axes.mT  # what is below 0 is rounding: see square_root

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)
        ctx.save_for_forward(output)

    @staticmethod
    def backward(ctx, slope):
        return lyapunov(*ctx.saved_tensors, slope)

    @staticmethod
    def jvp(ctx, tangent):
        return lyapunov(*ctx.saved_tensors, tangent)
