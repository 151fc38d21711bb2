"""log p(x|z) given what the decoder returns (M8): Bernoulli on its logits, Gaussian around its means, or a discretised logistic."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from flowlib.errors import FlowlibError
from flowlib.flows.prior import LOG_2PI, normal_like

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
        return decoded + self.std * normal_like(decoded, generator)


class Logistic(nn.Module):
    """The probability of 8-bit values under a logistic density that is cut into 256 pieces: of a pixel v = round(255 x),

        P(v) = s((v + ½ − m) / σ) − s((v − ½ − m) / σ),   s the sigmoid, m = 255 × the decoder's output,

    the pieces of 0 and 255 open outwards, so that all 256 sum to one: a proper likelihood of images. m may leave the range: a pixel that
    is always black costs nothing then, whatever σ. σ, one for all pixels, is learned.
    Source: Kingma et al. (2016), arXiv 1606.04934. In bits per dimension: −log P / (pixels · log 2).

    std : the density's standard deviation at the beginning, πσ/√3, in units of the whole range
    """

    def __init__(self, std=0.1):
        super().__init__()
        if not 0 < std < float("inf"):
            raise FlowlibError(f"noise_std = {std}: give a positive standard deviation (try 0.1)")
        self.log_scale = nn.Parameter(torch.tensor(math.log(255 * std * math.sqrt(3) / math.pi)))

    def log_prob(self, decoded: Float[Tensor, "*batch C H W"], images: Float[Tensor, "*batch C H W"]):
        """log P(x|z), (*batch), in nats."""
        values, inverse = (255 * images).round(), (-self.log_scale).exp()
        middle, half = (values - 255 * decoded) * inverse, 0.5 * inverse
        # s(a) − s(b) = s(a) s(−b) (1 − exp(b − a)), stable however far out; of 0 only s(a) is left, of 255 only s(−b)
        below, above = (values < 255).to(decoded), (values > 0).to(decoded)
        sides = below * F.logsigmoid(middle + half) + above * F.logsigmoid(half - middle)
        return sides.sum(IMAGE) + (below * above).sum(IMAGE) * torch.log(-torch.expm1(-inverse))

    def mean(self, decoded):
        """E[x|z] of the density with what leaves the range put at its ends: ∫_0^255 s((m − v)/σ) dv / 255, an image in [0, 1]."""
        scale = self.log_scale.exp() / 255
        return scale * (F.softplus(decoded / scale) - F.softplus((decoded - 1) / scale))

    def curvature(self, decoded):
        """Fisher's information on the decoder's output, with what leaves the range put at its ends (1 / 3σ² far inside, 0 far outside)."""
        scale = self.log_scale.exp() / 255
        dark, bright = ((0.5 / 255 - decoded) / scale).sigmoid(), ((254.5 / 255 - decoded) / scale).sigmoid()  # P(0), 1 − P(255)
        inside = ((2 * bright - 1) ** 3 - (2 * dark - 1) ** 3) / 6
        return (inside + dark * (1 - dark) ** 2 + (1 - bright) * bright**2) / scale**2

    def sample(self, decoded, generator=None):
        """Images of 256 values."""
        uniform = torch.rand(decoded.shape, generator=generator, dtype=decoded.dtype, device=decoded.device).clamp(1e-6, 1 - 1e-6)
        return (255 * decoded + self.log_scale.exp() * uniform.logit()).round().clamp(0, 255) / 255


def bits_per_dimension(log_prob, pixels: int | float):
    """−log P / (pixels · log 2), of log-probabilities in nats of images, or sequences, with so many values."""
    return -log_prob / (pixels * math.log(2))


def build_likelihood(kind: str, noise_std: float):
    """The likelihood of the named kind; raises for a kind that is not there."""
    kinds = {"bernoulli": Bernoulli, "gaussian": lambda: Gaussian(noise_std), "logistic": lambda: Logistic(noise_std)}
    if kind not in kinds:
        raise FlowlibError(f"likelihood = {kind!r}: choose bernoulli, gaussian or logistic")
    return kinds[kind]()
