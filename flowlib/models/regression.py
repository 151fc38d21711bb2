"""A linear operator for models without a flow: how much of their error is the code, and how much the mean displacement?"""

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.config import Config
from flowlib.data import Source
from flowlib.models.registry import register
from flowlib.models.slow_vae import SlowVAE
from flowlib.models.vae import VAE


class LinearOperator(VAE):
    """A latent moves by a linear regression of z_t − z_0 on z_0, one for each factor and step; training is untouched.

    The mean displacement (M16) is the special case of slope zero. Where a motion begins later, at step f, the difference of the
    regressions of steps t and f is applied to the code at hand; beyond step T the last step is repeated, as the VAE does.
    """

    def __init__(self, config: Config, channels=None, size=None, **options):
        super().__init__(config, channels, size, **options)
        shape = len(config.factors), config.horizon + 1, config.latent_dim + 1, config.latent_dim
        self.register_buffer("slope", torch.zeros(shape))

    def transport(self, z: Float[Tensor, "B d"], factor, steps: int, first: int = 1) -> Float[Tensor, "B frames d"]:
        """z plus the displacement that the regressions predict from it."""
        times = torch.arange(first - 1, first + steps, device=z.device)
        horizon = self.slope.shape[1] - 1
        table = self.slope[factor].expand(len(z), -1, -1, -1)
        beyond = (times - horizon).clamp(min=0)[:, None, None] * (table[:, -1:] - table[:, -2:-1])
        moved = torch.einsum("bi,btij->btj", _with_one(z), table[:, times.clamp(max=horizon)] + beyond)
        return z[:, None] + moved - moved[:, :1]

    @torch.no_grad()
    def calibrate(self, sequences: Source, count: int = 1000):
        """Fit the regressions by least squares on the first `count` images; returns the model."""
        indices = list(range(min(count, len(sequences))))
        for factor in range(len(sequences.factors)):
            frames = sequences.full_batch(indices, factor).frames
            codes = self.encode(frames.flatten(0, 1)).mean.unflatten(0, frames.shape[:2])
            moved = (codes - codes[:, :1]).flatten(1)
            ends = _with_one(codes[:, 0]).cpu(), moved.cpu()  # only the CPU has the driver that finds the least slope if images are few
            solved = torch.linalg.lstsq(*ends, driver="gelsd").solution
            self.slope[factor] = solved.unflatten(1, codes.shape[1:]).transpose(0, 1)
        return self


def _with_one(z):
    return torch.cat([z, torch.ones_like(z[:, :1])], 1)


@register("vae-regression")
class RegressionVAE(LinearOperator):
    """The VAE, its codes moved by linear regressions."""

    def __init__(self, config: Config, channels=None, size=None, beta=1.0):
        super().__init__(config, channels, size, beta=beta)


@register("slow-vae-regression")
class RegressionSlowVAE(LinearOperator, SlowVAE):
    """SlowVAE, its codes moved by linear regressions."""

    def __init__(self, config: Config, channels=None, size=None, rate=6.0, gamma=1.0):
        super().__init__(config, channels, size, rate=rate, gamma=gamma)
