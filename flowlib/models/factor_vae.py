"""FactorVAE (Kim & Mnih, 2018, arXiv 1802.05983): a VAE whose coordinates are made independent by a discriminator."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from flowlib.config import Config
from flowlib.data import Batch
from flowlib.errors import FlowlibError
from flowlib.models.registry import register
from flowlib.models.vae import VAE

HIDDEN = 128  # units of each of the discriminator's two hidden layers


@register("factor-vae")
class FactorVAE(VAE):
    """Every frame for itself, as in the VAE, with γ times the total correlation of the codes added to the loss:

        Σ_t −ELBO(x_t) + γ (T + 1) TC,   TC = KL[q(z) ‖ Π_j q(z_j)] = E_q log D(z) / (1 − D(z)),

    q(z) the codes (n, d) of all frames together. D, a small network, is trained to tell codes from codes whose
    coordinates were drawn independently; the equation for TC holds at its optimum only.
    Departures from the paper: encoder, decoder and D move in one step of one Adam at one learning rate, where the
    paper takes turns with a second Adam; the independent coordinates are drawn from the same batch (with replacement,
    so that random frames stand for all), where the paper permutes those of a second one; D has 2 × 128 hidden units,
    there 6 × 1000. A latent moves as the VAE's does, by mean displacements (M16).

    config : encoder, decoder, latent size and likelihood are read from it;  gamma : γ ≥ 0
    """

    capturable = True

    def __init__(self, config: Config, gamma=10.0, **networks):
        super().__init__(config, **networks)
        if not 0 <= gamma < float("inf"):
            raise FlowlibError(f"gamma = {gamma}: give a finite weight ≥ 0 of the total correlation (try 10)")
        self.gamma = gamma
        self.discriminator = nn.Sequential(
            nn.Linear(config.latent_dim, HIDDEN), nn.LeakyReLU(0.2),
            nn.Linear(HIDDEN, HIDDEN), nn.LeakyReLU(0.2),
            nn.Linear(HIDDEN, 2),
        )  # fmt: skip

    def objective(self, batch: Batch, generator=None) -> dict[str, Tensor]:
        """The VAE's terms, `tc` (T + 1 times the total correlation) and the discriminator's cross-entropy.

        "loss" adds the last two so that `tc` moves the encoder only, and the cross-entropy the discriminator only.
        """
        posterior = self.encode(batch.frames.flatten(0, 1))
        z = posterior.sample(generator)
        weights = batch.weights.expand(batch.times.shape).flatten()
        independent = independent_coordinates(z.detach(), weights, generator)
        terms = self._terms(posterior, z, batch)
        terms["tc"] = (self.log_ratio(z) * weights).sum() / len(batch)
        terms["discriminator"] = self.cross_entropy(z.detach(), independent, weights)
        loss = terms["reconstruction"] + terms["kl"] + self.gamma * terms["tc"] + terms["discriminator"]
        return {"loss": loss, **terms}

    def log_ratio(self, z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """log D(z) / (1 − D(z)) = l_0 − l_1, the discriminator's logits; no gradient reaches its parameters."""
        frozen = {name: parameter.detach() for name, parameter in self.discriminator.named_parameters()}
        logits = functional_call(self.discriminator, frozen, z)
        return logits[:, 0] - logits[:, 1]

    def cross_entropy(self, z: Float[Tensor, "n d"], independent: Float[Tensor, "m d"], weights: Float[Tensor, " n"]) -> Float[Tensor, ""]:
        """½ E[−log D(z)] + ½ E[−log(1 − D(z'))], z' of independent coordinates; the codes z count by `weights`."""
        logits = self.discriminator(torch.cat([z, independent])).log_softmax(-1)
        joint, product = logits[: len(z), 0], logits[len(z) :, 1]
        return -0.5 * ((joint * weights).sum() / weights.sum() + product.mean())


def independent_coordinates(z: Float[Tensor, "n d"], weights: Float[Tensor, " n"], generator=None) -> Float[Tensor, "n d"]:
    """n draws from Π_j q(z_j): every coordinate from a code of its own, picked in proportion to the weights."""
    picked = torch.multinomial(weights.expand(z.shape[1], -1), len(z), replacement=True, generator=generator)
    return z.gather(0, picked.T)
