"""A Gaussian over the latents of a sequence, linear in time: the proposals that likelihoods are estimated with (M17)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.errors import FlowlibError


@dataclass(frozen=True)
class GaussianChain:
    """z_0 = m_0 + C_0 ε_0, z_t = m_t + A_t (z_{t−1} − m_{t−1}) + C_t ε_t with ε ~ N(0, I), for each of B sequences.

    mean m (B, n, e);  scale C (B, n, e, e);  carry A (B, n − 1, e, e): of a single latent (n = 1) there is none
    """

    mean: Float[Tensor, "B n e"]
    scale: Float[Tensor, "B n e e"]
    carry: Float[Tensor, "B steps e e"]

    def place(self, noise: Float[Tensor, "N n e"]) -> Float[Tensor, "N n e"]:
        """The latents of noise; N is a multiple of B, and the rows i, i + B, … belong to sequence i."""
        moved = (self.scale @ noise.unflatten(0, (-1, len(self.mean)))[..., None])[..., 0]
        path = [moved[:, :, 0]]
        for t in range(1, moved.shape[2]):
            path.append((self.carry[:, t - 1] @ path[-1][..., None])[..., 0] + moved[:, :, t])
        return (self.mean + torch.stack(path, 2)).flatten(0, 1)

    def unplace(self, latents: Float[Tensor, "N n e"]) -> Float[Tensor, "N n e"]:
        """The noise of latents."""
        moved = latents.unflatten(0, (-1, len(self.mean))) - self.mean
        moved[:, :, 1:] = moved[:, :, 1:] - (self.carry @ moved[:, :, :-1, :, None])[..., 0]
        return torch.linalg.solve(self.scale, moved[..., None])[..., 0].flatten(0, 1)

    def covariance_product(self, vectors: Float[Tensor, "B n e"]) -> Float[Tensor, "B n e"]:
        """Σ v of each sequence's covariance Σ = K Kᵀ, K the map from noise to latents: its transpose, backward in time, then K itself."""
        back = [vectors[:, -1]]
        for t in range(vectors.shape[1] - 1, 0, -1):
            back.append(vectors[:, t - 1] + (self.carry[:, t - 1].mT @ back[-1][..., None])[..., 0])
        noise = (self.scale.mT @ torch.stack(back[::-1], 1)[..., None])[..., 0]
        return self.place(noise) - self.mean

    @property
    def log_det(self) -> Float[Tensor, " B"]:
        """log |∂ latents / ∂ noise| = Σ_t log|det C_t|."""
        return torch.linalg.slogdet(self.scale)[1].sum(1)


def from_precision(
    mean: Float[Tensor, "B n e"], blocks: Float[Tensor, "B n e e"], alone: Float[Tensor, "B n"], coupling: Float[Tensor, "B steps e"]
) -> GaussianChain:
    """N(mean, P⁻¹): P the precision of a prior ∝ Π_t exp(−½ alone_t ‖z_t‖² − ½ coupling_t ‖z_t − z_{t−1}‖²), plus `blocks` of each latent.

    From the last latent to the first, S_t = diag coupling_t: Λ_T = P_TT, A_t = Λ_t⁻¹ S_t, Λ_{t−1} = P_{t−1} − S_t Λ_t⁻¹ S_t, C_t C_tᵀ = Λ_t⁻¹.
    """
    eye = torch.eye(mean.shape[-1], dtype=mean.dtype, device=mean.device)
    own = alone[..., None].repeat(1, 1, mean.shape[-1])
    own[:, 1:] += coupling
    own[:, :-1] += coupling
    blocks = blocks + torch.diag_embed(own)
    scales, carries, rest = [], [], 0.0
    for t in reversed(range(mean.shape[1])):
        lower = _lower(blocks[:, t] - rest)
        scales.append(torch.linalg.solve_triangular(lower.mT, eye.expand_as(lower), upper=True))
        if t:
            step = coupling[:, t - 1]
            carries.append(scales[-1] @ scales[-1].mT * step[:, None, :])
            rest = step[:, :, None] * carries[-1]
    carry = torch.stack(carries[::-1], 1) if carries else mean.new_zeros(len(mean), 0, *eye.shape)
    return GaussianChain(mean, torch.stack(scales[::-1], 1), carry)


def _lower(precision: Float[Tensor, "B e e"]) -> Float[Tensor, "B e e"]:
    """The Cholesky factors; where rounding left a matrix indefinite, those of it and of the least multiple of its mean diagonal that helps.

    Any Gaussian is a valid proposal. Raises FlowlibError where nothing helps, as for NaN.
    """
    eye = torch.eye(precision.shape[-1], dtype=precision.dtype, device=precision.device)
    size = precision.diagonal(dim1=1, dim2=2).abs().mean(1)[:, None, None]
    for ridge in (0.0, 1e-5, 1e-3, 1e-1, 1e1):
        lower, wrong = torch.linalg.cholesky_ex(precision + ridge * size * eye)
        if not bool(wrong.any()):
            return lower
    raise FlowlibError("no Gaussian fits the curvature of log p(z, x): do the model's weights or the frames hold NaN?")
