"""The variational autoencoder (Kingma & Welling, 2014), with β (Higgins et al., 2017): the baseline without a flow."""

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.config import Config
from flowlib.data import Batch, Source
from flowlib.errors import FlowlibError
from flowlib.models.base import LatentModel
from flowlib.models.importance import single_frame_log_weights
from flowlib.models.registry import register


@register("vae")
class VAE(LatentModel):
    """Every frame for itself: q(z_t|x_t), p(z_t) = N(0, I), p(x_t|z_t). No flow is learned.

    A latent moves by the mean displacement of the encodings of factor k at step t over the training set (M16), which
    `calibrate` measures after training.
    config : encoder, decoder, latent size and likelihood are read from it;  beta : weight of the KL
    """

    def __init__(self, config: Config, channels=None, size=None, beta=1.0):
        super().__init__(config, channels, size)
        if not 0 <= beta < float("inf"):
            raise FlowlibError(f"beta = {beta}: give a finite weight ≥ 0 (1 is the ELBO)")
        self.beta = beta
        self.register_buffer("displacement", torch.zeros(len(config.factors), config.horizon + 1, config.latent_dim))

    def transport(self, z: Float[Tensor, "B d"], factor, steps: int, first: int = 1) -> Float[Tensor, "B frames d"]:
        """z plus the mean displacement of its factor; beyond step T the last step's displacement is repeated."""
        times = torch.arange(first - 1, first + steps, device=z.device)
        horizon = self.displacement.shape[1] - 1
        table = self.displacement[factor].expand(len(z), -1, -1)
        beyond = (times - horizon).clamp(min=0)[:, None] * (table[:, -1:] - table[:, -2:-1])
        moved = table[:, times.clamp(max=horizon)] + beyond
        return z[:, None] + moved - moved[:, :1]

    @torch.no_grad()
    def calibrate(self, sequences: Source, count: int = 1000):
        """Measure the mean displacements on the first `count` images; returns the model."""
        indices = list(range(min(count, len(sequences))))
        for factor in range(len(sequences.factors)):
            frames = sequences.full_batch(indices, factor).frames
            codes = self.encode(frames.flatten(0, 1)).mean.unflatten(0, frames.shape[:2])
            found = (codes - codes[:, :1]).mean(0)
            self.displacement[factor, : len(found)] = found
            self.displacement[factor, len(found) :] = found[-1]  # beyond a shorter factor's own length: where it ended
        return self

    def objective(self, batch: Batch, generator=None) -> dict[str, Tensor]:
        """−Σ_t ELBO(x_t), the KL weighted by β, averaged over the batch; the frames present stand for all."""
        posterior = self.encode(batch.frames.flatten(0, 1))
        z = posterior.sample(generator)
        terms = self._terms(posterior, z, batch)
        return {"loss": terms["reconstruction"] + self.beta * terms["kl"], **terms}

    def _terms(self, posterior, z, batch):
        """Σ_t −log p(x_t|z_t) and Σ_t KL[q(z_t|x_t) ‖ N(0, I)], averaged over the batch, of all frames' codes z."""
        logits = self.decode(z).unflatten(0, batch.times.shape)
        reconstruction = -(self.likelihood.log_prob(logits, batch.frames) * batch.weights).sum(1).mean()
        kl = (posterior.kl().unflatten(0, batch.times.shape) * batch.weights).sum(1).mean()
        return {"reconstruction": reconstruction, "kl": kl}

    def frame_log_weights(self, batch: Batch, generator=None) -> Float[Tensor, "B frames"]:
        """One draw of log w for every frame (M17); a sequence has no weight of its own, its frames are independent."""
        return single_frame_log_weights(self, batch, generator)
