"""log p(x|z) of frames given the decoder's logits (M8)."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def bernoulli_log_prob(logits: Float[Tensor, "*batch C H W"], images: Float[Tensor, "*batch C H W"]):
    """Σ_pixels x log s(l) + (1 − x) log(1 − s(l)), (*batch), in nats.

    On grey values x ∈ [0, 1] this is a pseudo-likelihood: it is maximised by the right mean, but it is no density of x.
    """
    return -F.binary_cross_entropy_with_logits(logits, images, reduction="none").sum((-3, -2, -1))
