"""log p(x|z) given what the decoder returns (M8): Bernoulli on its logits, or Gaussian around its means."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from flowlib.errors import FlowlibError
from flowlib.models.protocol import LOG_2PI

IMAGE = (-3, -2, -1)  # the dimensions of one image


class Bernoulli:
    """Σ_pixels x log s(l) + (1 − x) log(1 − s(l)), s the sigmoid, l the decoder's logits.

    On grey values x ∈ [0, 1] this is a pseudo-likelihood: it is maximised by the right mean, but it is no density of x.
    """

    def log_prob(self, decoded: Float[Tensor, "*batch C H W"], images: Float[Tensor, "*batch C H W"]):
        """log p(x|z), (*batch), in nats."""
        return -F.binary_cross_entropy_with_logits(decoded, images, reduction="none").sum(IMAGE)

    def mean(self, decoded):
        """E[x|z], an image in [0, 1]."""
        return decoded.sigmoid()

    def curvature(self, decoded):
        """−∂² log p(x|z) / ∂l² = s(l)(1 − s(l)), whatever x."""
        return decoded.sigmoid() * (-decoded).sigmoid()

    def sample(self, decoded, generator=None):
        """Images of zeros and ones."""
        return torch.bernoulli(decoded.sigmoid(), generator=generator)


@dataclass(frozen=True)
class Gaussian:
    """log N(x; decoder's output, std² I), a density of x."""

    std: float = 0.1

    def __post_init__(self):
        if not 0 < self.std < float("inf"):
            raise FlowlibError(f"noise_std = {self.std}: give a positive standard deviation (try 0.1)")

    def log_prob(self, decoded: Float[Tensor, "*batch C H W"], images: Float[Tensor, "*batch C H W"]):
        """log p(x|z), (*batch), in nats."""
        squares = ((images - decoded) / self.std).square().sum(IMAGE)
        pixels = images.shape[-3:].numel()
        return -0.5 * (squares + pixels * (LOG_2PI + 2 * math.log(self.std)))

    def mean(self, decoded):
        """E[x|z]."""
        return decoded

    def curvature(self, decoded):
        """−∂² log p(x|z) / ∂decoded² = 1 / std²."""
        return torch.full_like(decoded, 1 / self.std**2)

    def sample(self, decoded, generator=None):
        """Images around the means; they may leave [0, 1]."""
        return decoded + self.std * torch.randn(decoded.shape, generator=generator, dtype=decoded.dtype, device=decoded.device)


def build_likelihood(kind: str, noise_std: float):
    """The likelihood of the named kind; raises for a kind that is not there."""
    if kind not in ("bernoulli", "gaussian"):
        raise FlowlibError(f"likelihood = {kind!r}: choose bernoulli or gaussian")
    return Gaussian(noise_std) if kind == "gaussian" else Bernoulli()
