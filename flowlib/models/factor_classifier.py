"""q(k|x̄): which transformation acts, read from the frames of a sequence (M15)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from flowlib.data import Batch
from flowlib.models.networks import build_networks


class FactorClassifier(nn.Module):
    """logits of q(k|x̄) = `logit_scale` times the mean over the later frames of h(x_0, x_t), h one encoder on the two images together.

    A mean takes any number of frames in any order: it is trained on the few that a batch holds, and reads whole sequences.
    A small `logit_scale` lets the potentials become different before the probabilities saturate, after which k is tried no more.
    """

    def __init__(self, network, channels, size, factors, width, logit_scale=1.0):
        super().__init__()
        self.logit_scale = logit_scale
        self.pair_encoder = build_networks(network, 2 * channels, size, factors, width)[0]

    def forward(self, batch: Batch) -> Float[Tensor, "B K"]:
        """Unnormalised log q(k|x̄)."""
        later = batch.frames[:, 1:]
        pairs = torch.cat([batch.frames[:, :1].expand_as(later), later], 2)
        logits, _ = self.pair_encoder(pairs.flatten(0, 1))  # an encoder's second output, a log σ, has no use here
        return self.logit_scale * logits.unflatten(0, later.shape[:2]).mean(1)


def straight_through_sample(logits: Float[Tensor, "B K"], temperature: float, generator=None) -> Float[Tensor, "B K"]:
    """One-hot samples of Cat(softmax(logits)) with the gradient of the Gumbel-softmax at a temperature.

    Sources: Jang, Gu, Poole (2017); Maddison, Mnih, Teh (2017).
    """
    uniform = torch.rand(logits.shape, generator=generator, dtype=logits.dtype, device=logits.device)
    gumbel = -(-uniform.clamp(1e-20, 1 - 1e-7).log()).log()
    soft = ((logits + gumbel) / temperature).softmax(-1)
    hard = nn.functional.one_hot(soft.argmax(-1), logits.shape[-1]).to(soft)
    return hard + soft - soft.detach()
