"""Splitting a velocity by the density it moves (M7): v = ∇u + w with ∇·(p w) = 0."""

from jaxtyping import Float
from torch import Tensor

from flowlib.transport.checks import check_shape, check_symmetric, cholesky_factor
from flowlib.transport.continuity import divergence, gradient_of
from flowlib.transport.roots import lyapunov
from flowlib.transport.types import Potential, Time, Velocity


def density_preserving_field(log_density: Potential, antisymmetric: Float[Tensor, "d d"]) -> Velocity:
    """w = A ∇log p with A constant and antisymmetric: ∇·(p w) = 0, so w moves particles but not p (M7)."""
    check_symmetric(antisymmetric, "antisymmetric", sign=-1)
    score = gradient_of(log_density)
    return lambda z, t: score(z, t) @ antisymmetric.mT


def rotation_field(antisymmetric: Float[Tensor, "d d"]) -> Velocity:
    """v = A z with A constant and antisymmetric: ∇·v = 0, yet v changes p unless p is symmetric (M7)."""
    check_symmetric(antisymmetric, "antisymmetric", sign=-1)
    return lambda z, t: z @ antisymmetric.mT


def weighted_divergence(velocity: Velocity, log_density: Potential, z: Float[Tensor, "B d"], t: Time) -> Float[Tensor, " B"]:
    """∇·(p v)/p = ∇·v + v·∇log p: the rate at which v drains p at z, 0 for a field that preserves p (M7)."""
    return divergence(velocity, z, t) + (velocity(z, t) * gradient_of(log_density)(z, t)).sum(-1)


def covariance_rate(matrix: Float[Tensor, "d d"], covariance: Float[Tensor, "d d"]) -> Float[Tensor, "d d"]:
    """dΣ/dt = B Σ + Σ Bᵀ of a centred density with covariance Σ under the linear velocity v = B z."""
    check_shape(matrix, covariance.shape, "matrix")
    moved = matrix @ covariance
    return moved + moved.mT


def linear_helmholtz(matrix: Float[Tensor, "d d"], covariance: Float[Tensor, "d d"]) -> tuple[Float[Tensor, "d d"], Float[Tensor, "d d"]]:
    """The weighted splitting (M7) of v = B z under p = N(0, Σ): B = S + W.

    S is symmetric, Sz the gradient of u = ½ zᵀS z, and it moves p as B does: S Σ + Σ S = B Σ + Σ Bᵀ, a
    Lyapunov equation. W z preserves p, and E‖Bz‖² = E‖Sz‖² + E‖Wz‖².
    """
    cholesky_factor(covariance, "covariance")
    symmetric = lyapunov(covariance, covariance_rate(matrix, covariance))
    return symmetric, matrix - symmetric
