"""Spike and slab: numbers that are exactly zero with some probability, and Gaussian otherwise."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from flowlib.flows.prior import normal_like


@dataclass(frozen=True)
class SpikeSlab:
    """q(g) = (1 − γ) δ_0 + γ N(m, s²) of independent numbers, beside a prior (1 − π) δ_0 + π N(0, 1).

    mean m, log_std log s, logit log γ/(1 − γ), of one shape (…);  activity : π in (0, 1], a number. With π = 1 neither has a spike:
    q = N(m, s²), and the logit is not read. Densities are with respect to δ_0 plus Lebesgue measure, so g = 0 has a probability.
    """

    mean: Float[Tensor, "..."]
    log_std: Float[Tensor, "..."]
    logit: Float[Tensor, "..."]
    activity: float

    @property
    def gate(self) -> Float[Tensor, "..."]:
        """γ, the probability of not being zero."""
        return torch.ones_like(self.logit) if self.activity == 1 else self.logit.sigmoid()

    def kl(self) -> Float[Tensor, "..."]:
        """KL[q ‖ p] = γ log γ/π + (1 − γ) log (1 − γ)/(1 − π) + γ KL[N(m, s²) ‖ N(0, 1)], exact, with a gradient for γ."""
        slab = 0.5 * (self.mean.square() + (2 * self.log_std).exp() - 1) - self.log_std
        if self.activity == 1:
            return slab
        on = logsigmoid(self.logit) - math.log(self.activity)
        off = logsigmoid(-self.logit) - math.log1p(-self.activity)
        return self.gate * (on + slab) + (1 - self.gate) * off

    def sample(self, temperature=0.5, generator=None) -> Float[Tensor, "..."]:
        """g ~ q. Forward exact, zeros included; backward through the binary Concrete gate at a temperature (straight-through, biased).

        Sources: Maddison, Mnih, Teh (2017), appendix B, for the binary Concrete distribution; Bengio, Léonard, Courville (2013).
        """
        slab = self.mean + self.log_std.exp() * normal_like(self.mean, generator)
        if self.activity == 1:
            return slab
        uniform = torch.rand(self.mean.shape, generator=generator, dtype=slab.dtype, device=slab.device).clamp(1e-6, 1 - 1e-6)
        soft = ((self.logit + uniform.logit()) / temperature).sigmoid()
        hard = (soft > 0.5).to(soft)
        return (hard + soft - soft.detach()) * slab

    def log_ratio(self, g: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """log p(g) − log q(g) at samples g, whose mean under q is −KL; g = 0 is the spike."""
        scaled = (g - self.mean) * (-self.log_std).exp()
        slab = 0.5 * (scaled.square() - g.square()) + self.log_std
        if self.activity == 1:
            return slab
        on = math.log(self.activity) - logsigmoid(self.logit) + slab
        return torch.where(g == 0, math.log1p(-self.activity) + softplus(self.logit), on)

    def likely(self) -> Float[Tensor, "..."]:
        """m where the number is rather not zero (γ > ½), else 0."""
        return torch.where(self.gate > 0.5, self.mean, 0.0)
