"""Optimal transport between Gaussians in closed form (M3–M5): the book's exact answers."""

from dataclasses import dataclass, field
from math import log, pi

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from flowlib.errors import FlowlibError
from flowlib.transport.checks import check_alike, check_finite, check_generator, check_points, check_shape, check_tensor, cholesky_factor
from flowlib.transport.roots import square_root
from flowlib.transport.types import Time


@dataclass(frozen=True, eq=False)
class Gaussian:
    """N(mean, covariance); mean finite, covariance symmetric and positive definite, else FlowlibError."""

    mean: Float[Tensor, " d"]
    covariance: Float[Tensor, "d d"]
    scale_tril: Float[Tensor, "d d"] = field(init=False, repr=False)

    def __post_init__(self):
        check_tensor(self.mean, "mean")
        check_tensor(self.covariance, "covariance")
        if self.mean.ndim != 1 or self.mean.dtype != self.covariance.dtype:
            raise FlowlibError(
                f"mean has shape {tuple(self.mean.shape)} and dtype {self.mean.dtype}; "
                f"pass a mean (d,) of the covariance's dtype, {self.covariance.dtype}."
            )
        check_finite(self.mean, "mean")
        object.__setattr__(self, "scale_tril", cholesky_factor(self.covariance, "covariance"))
        check_shape(self.covariance, 2 * self.mean.shape, "covariance")

    def sample(self, n: int, generator: Generator) -> Float[Tensor, "n d"]:
        """n independent draws."""
        check_generator(generator)
        noise = torch.randn(n, len(self.mean), generator=generator, dtype=self.mean.dtype, device=generator.device)
        return self.mean + noise.to(self.mean.device) @ self.scale_tril.mT

    def log_prob(self, z: Float[Tensor, "B d"]) -> Float[Tensor, " B"]:
        """log p(z) = −½ (z − m)ᵀΣ⁻¹(z − m) − ½ log det(2πΣ)."""
        white = torch.linalg.solve_triangular(self.scale_tril, self._centred(z).mT, upper=False).mT
        log_normaliser = self.scale_tril.diagonal().log().sum() + 0.5 * len(self.mean) * log(2 * pi)
        return -0.5 * white.square().sum(-1) - log_normaliser

    def score(self, z: Float[Tensor, "B d"]) -> Float[Tensor, "B d"]:
        """∇log p(z) = −Σ⁻¹(z − m)."""
        return -torch.cholesky_solve(self._centred(z).mT, self.scale_tril).mT

    def _centred(self, z):
        check_points(z)
        check_shape(z, (len(z), len(self.mean)), "z")
        return z - self.mean


@dataclass(frozen=True, eq=False)
class AffineMap:
    """z ↦ M z + b for points z (B, d)."""

    matrix: Float[Tensor, "d d"]
    offset: Float[Tensor, " d"]

    def __call__(self, z: Float[Tensor, "B d"]) -> Float[Tensor, "B d"]:
        """The image of each point."""
        return z @ self.matrix.mT + self.offset


def gaussian_map(source: Gaussian, target: Gaussian) -> AffineMap:
    """The OT map (M3, Bures–Wasserstein): z ↦ m₁ + A (z − m₀), A = Σ₀^{-½}(Σ₀^{½}Σ₁Σ₀^{½})^{½}Σ₀^{-½}.

    A is symmetric and positive definite: the map is the gradient of a convex function. It is computed with the
    Cholesky factor L of Σ₀ in the place of Σ₀^{½}: A = L^{-⊤}(L^⊤Σ₁L)^{½}L^{-1}, the same matrix.
    """
    check_shape(target.mean, source.mean.shape, "the target's mean")
    check_alike({"source": source.mean, "target": target.mean})
    factor = source.scale_tril
    half = torch.linalg.solve_triangular(factor.mT, square_root(factor.mT @ target.covariance @ factor), upper=True)
    matrix = torch.linalg.solve_triangular(factor, half, upper=False, left=False)
    matrix = (matrix + matrix.mT) / 2
    return AffineMap(matrix, target.mean - matrix @ source.mean)


def gaussian_w2(source: Gaussian, target: Gaussian) -> Float[Tensor, ""]:
    """W₂² (squared) = E‖T(z) − z‖² = ‖m₁ − m₀‖² + tr[(A − I) Σ₀ (A − I)] for the OT map T (M3).

    Equal to ‖m₁ − m₀‖² + tr[Σ₀ + Σ₁ − 2(Σ₀^{½}Σ₁Σ₀^{½})^{½}], but never negative when the two are close.
    """
    excess = gaussian_map(source, target).matrix - torch.eye(len(source.mean)).to(source.mean)
    return (target.mean - source.mean).square().sum() + ((excess @ source.covariance) * excess).sum()


def interpolate(source: Gaussian, target: Gaussian, s: Time) -> Gaussian:
    """Displacement interpolation (M4): the law of (1 − s) z + s T(z), z ~ source, T the OT map; 0 ≤ s ≤ 1."""
    if not 0 <= s <= 1:
        raise FlowlibError(f"s is {s}; the displacement interpolation is defined for 0 ≤ s ≤ 1.")
    step = (1 - s) * torch.eye(len(source.mean)).to(source.mean) + s * gaussian_map(source, target).matrix
    covariance = step @ source.covariance @ step
    return Gaussian((1 - s) * source.mean + s * target.mean, (covariance + covariance.mT) / 2)


@dataclass(frozen=True, eq=False)
class GaussianPotential:
    """The potential whose T = `steps` unit steps z ← z + ∇u(z, t), t = 1 … T, are optimal.

        s = (t − 1)/T,  δ = m₁ − m₀,  y = z − m₀ − sδ,  S = (A − I)((1 − s)I + sA)⁻¹,
        u(z, t) = [½ yᵀS y + δ·y + ½ s‖δ‖²] / T,

    with A the matrix of `gaussian_map`. It solves Hamilton–Jacobi, ∂_t u + ½‖∇u‖² = 0 (M5), 1 ≤ t ≤ T + 1; as
    an ODE the same velocity goes from source at t = 1 to target at t = T + 1.
    """

    source: Gaussian
    target: Gaussian
    steps: int = 1
    matrix: Float[Tensor, "d d"] = field(init=False, repr=False)  # A

    def __post_init__(self):
        if self.steps < 1:
            raise FlowlibError(f"steps is {self.steps}; take at least one.")
        object.__setattr__(self, "matrix", gaussian_map(self.source, self.target).matrix)

    def __call__(self, z: Float[Tensor, "B d"], t: Time) -> Float[Tensor, " B"]:
        """u(z, t)."""
        s, shift = (t - 1) / self.steps, self.target.mean - self.source.mean
        y = z - self.source.mean - s * shift
        quadratic = 0.5 * (y * (y @ self._curvature(t))).sum(-1)
        return (quadratic + y @ shift + 0.5 * s * shift.square().sum()) / self.steps

    def gradient(self, z: Float[Tensor, "B d"], t: Time) -> Float[Tensor, "B d"]:
        """∇u(z, t) = (S y + δ)/T."""
        s, shift = (t - 1) / self.steps, self.target.mean - self.source.mean
        return ((z - self.source.mean - s * shift) @ self._curvature(t) + shift) / self.steps

    def time_derivative(self, z: Float[Tensor, "B d"], t: Time) -> Float[Tensor, " B"]:
        """∂_t u(z, t) = −½‖S y + δ‖²/T², from dS/ds = −S² and dy/ds = −δ."""
        return -0.5 * self.gradient(z, t).square().sum(-1)

    def hessian(self, z: Float[Tensor, "B d"], t: Time) -> Float[Tensor, "B d d"]:
        """∇²u(z, t) = S/T, the same at every z."""
        return (self._curvature(t) / self.steps).expand(len(z), -1, -1)

    def _curvature(self, t: Time) -> Float[Tensor, "d d"]:
        s, eye = (t - 1) / self.steps, torch.eye(len(self.matrix)).to(self.matrix)
        curvature = torch.linalg.solve((1 - s) * eye + s * self.matrix, self.matrix - eye)  # the two commute
        return (curvature + curvature.mT) / 2
