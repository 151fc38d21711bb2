"""The Schrödinger bridge between Gaussians: Brownian motion that has to arrive, at the least relative entropy."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from flowlib.errors import FlowlibError
from flowlib.transport.checks import check_positive, check_shape, check_times
from flowlib.transport.gaussian import Gaussian
from flowlib.transport.heat import Diffusion, brownian_path
from flowlib.transport.roots import square_root
from flowlib.transport.types import Time


@dataclass(frozen=True, eq=False)
class GaussianBridge:
    """Of all path measures over 0 ≤ t ≤ 1 from source to target, the nearest in KL to Brownian motion (M14).

    Brownian motion starts in source and has variance 2Dt. With A, B the two covariances, the ends have

        cross = Cov(z_0, z_1) = A^{½} (A^{½} B A^{½} + D² I)^{½} A^{-½} − D I = (A B + D² I)^{½} − D I,

    and between them every path is a Brownian bridge. As D → 0 it becomes the displacement interpolation, and
    4D·KL becomes W₂² (M4). The entropic OT plan with ε = 4D is the joint law of the ends.
    Source: Janati, Muzellec, Peyré and Cuturi, *Entropic optimal transport between unbalanced Gaussian
    measures has a closed form*, 2020.
    """

    source: Gaussian
    target: Gaussian
    diffusion: Diffusion
    cross: Float[Tensor, "d d"] = field(init=False, repr=False)
    _narrowed: Float[Tensor, "d d"] = field(init=False, repr=False)  # (A^{½} B A^{½} + D² I)^{½} + D I, up to a rotation

    def __post_init__(self):
        check_shape(self.target.mean, self.source.mean.shape, "the target's mean")
        check_positive(self.diffusion, "diffusion")
        factor, noise = self.source.scale_tril, self.diffusion * self._eye
        product = factor.mT @ self.target.covariance @ factor
        root = square_root(product + noise @ noise)
        inner = torch.linalg.solve(root + noise, product)  # root − D I, stably: the three commute
        object.__setattr__(self, "_narrowed", root + noise)
        object.__setattr__(self, "cross", factor @ torch.linalg.solve_triangular(factor, inner, upper=False, left=False))

    def ends(self) -> Gaussian:
        """The joint law of (z_0, z_1), of dimension 2d."""
        upper = torch.cat([self.source.covariance, self.cross], 1)
        lower = torch.cat([self.cross.mT, self.target.covariance], 1)
        return Gaussian(torch.cat([self.source.mean, self.target.mean]), torch.cat([upper, lower]))

    def marginal(self, t: Time) -> Gaussian:
        """The law of z_t: source at t = 0, target at t = 1."""
        if not 0 <= t <= 1:
            raise FlowlibError(f"t is {t}; the bridge runs over 0 ≤ t ≤ 1.")
        ends = (1 - t) ** 2 * self.source.covariance + t**2 * self.target.covariance
        mixed = t * (1 - t) * (self.cross + self.cross.mT + 2 * self.diffusion * self._eye)
        return Gaussian((1 - t) * self.source.mean + t * self.target.mean, ends + mixed)

    def drift(self, z: Float[Tensor, "B d"], t: Time) -> Float[Tensor, "B d"]:
        """b(z, t) = (E[z_1 | z_t = z] − z) / (1 − t), t < 1: with it `brownian_path` arrives in target."""
        if not 0 <= t < 1:
            raise FlowlibError(f"t is {t}; the bridge's drift is defined for 0 ≤ t < 1.")
        covariance = (1 - t) * self.cross + t * self.target.covariance  # Cov(z_t, z_1)
        expected_end = self.target.mean - self.marginal(t).score(z) @ covariance
        return (expected_end - z) / (1 - t)

    def kl(self) -> Float[Tensor, ""]:
        """KL of the bridge from Brownian motion started in source: ∫ E‖b‖² dt / (4D), a kinetic action,

            = [E‖z_1 − z_0‖² / (2D) − d + log det A − log det Cov(z_0, z_1)] / 2,

        since the Gaussian kernel from z_0 to z_1 has the covariance 2D A⁻¹ Cov(z_0, z_1).
        """
        shift = (self.target.mean - self.source.mean).square().sum()
        moved = shift + (self.source.covariance + self.target.covariance - 2 * self.cross).trace()
        narrowed = torch.logdet(self._narrowed) - torch.logdet(self.target.covariance)  # log det A − log det cross, without a small determinant
        return 0.5 * (moved / (2 * self.diffusion) - len(self.source.mean) + narrowed)

    def sample(self, n: int, times: Float[Tensor, " S"], generator: Generator) -> Float[Tensor, "n S d"]:
        """n paths at the times, which go from 0 to 1: the ends first, then Brownian bridges between them."""
        check_times(times)
        if times[0] != 0 or times[-1] != 1:
            raise FlowlibError(f"times run from {times[0]} to {times[-1]}; the bridge needs them from 0 to 1.")
        start, end = self.ends().sample(n, generator).chunk(2, dim=1)
        free = brownian_path(torch.zeros_like(start), self.diffusion, times, generator).z
        share = times[:, None].to(start)
        return (1 - share) * start[:, None] + share * end[:, None] + free - share * free[:, -1:]

    @property
    def _eye(self) -> Float[Tensor, "d d"]:
        return torch.eye(len(self.source.mean)).to(self.source.mean)
