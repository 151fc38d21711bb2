"""The diffusion prior (M9): from N(0, I) under the heat equation, everything in closed form."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from flowlib.errors import FlowlibError

LOG_2PI = math.log(2 * math.pi)


def normal_log_prob(z: Tensor, variance: Tensor | None = None) -> Tensor:
    """log N(z; 0, variance · I) of points (…, e); None: 1. The variances (…) may be more, one result for each."""
    if variance is None:
        return -0.5 * (z.square().sum(-1) + z.shape[-1] * LOG_2PI)
    return -0.5 * (z.square().sum(-1) / variance + z.shape[-1] * (variance.log() + LOG_2PI))


def normal_like(z: Tensor, generator=None) -> Tensor:
    """Draws from N(0, I) of a tensor's shape, precision and device."""
    return torch.randn(z.shape, generator=generator, dtype=z.dtype, device=z.device)


class DiffusionPrior(nn.Module):
    """Prior flows ψ^k = −D_k log p: p_t = N(0, (1 + 2 D_k t) I). D_k > 0 is stored as its logarithm and may be learned.

    factors K; `diffusion` the initial D of all factors; `learned` whether gradients reach D.
    """

    def __init__(self, factors, diffusion, learned=True):
        super().__init__()
        if not diffusion > 0:
            raise FlowlibError(f"diffusion = {diffusion}: D must be positive (try 0.01)")
        self.log_diffusion = nn.Parameter(torch.full((factors,), math.log(diffusion)), requires_grad=learned)

    def diffusion(self, factor):
        """D_k of each sample's factor: () for a number, (B,) for labels (B,)."""
        return self.log_diffusion[factor].exp()

    def variance(self, factor, times):
        """1 + 2 D_k t, (B, S) for factor (B,) or a number and times (S,)."""
        return 1 + 2 * self.diffusion(factor)[..., None] * times

    def log_prob(self, path: Float[Tensor, "B S d"], factor, times: Float[Tensor, " S"]) -> Float[Tensor, "B S"]:
        """log N(z_t; 0, (1 + 2 D_k t) I) of each point of a path at its time."""
        return normal_log_prob(path, self.variance(factor, times))

    def transport(self, z: Float[Tensor, "B d"], factor, steps: int) -> Float[Tensor, "B frames d"]:
        """The prior's particles, z_t = z_0 √(1 + 2 D_k t) (M9), t = 0 … steps: exact, no Euler step."""
        times = torch.arange(steps + 1, dtype=z.dtype, device=z.device)
        return z[:, None] * self.variance(factor, times).sqrt()[..., None]
