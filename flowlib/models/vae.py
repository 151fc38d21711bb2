"""The variational autoencoder (Kingma & Welling, 2014), with β (Higgins et al., 2017): the baseline without a flow."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from flowlib.config import Config
from flowlib.data import Batch, Sequences
from flowlib.errors import FlowlibError
from flowlib.models.likelihood import build_likelihood
from flowlib.models.networks import build_networks
from flowlib.models.protocol import Posterior


class VAE(nn.Module):
    """Every frame for itself: q(z_t|x_t), p(z_t) = N(0, I), p(x_t|z_t). No flow is learned.

    A latent moves by the mean displacement of the encodings of factor k at step t over the training set (M16), which
    `fit_displacements` measures after training.
    config : encoder, decoder, latent size and likelihood are read from it;  beta : weight of the KL
    """

    def __init__(self, config: Config, channels=3, size=28, beta=1.0):
        super().__init__()
        if not 0 <= beta < float("inf"):
            raise FlowlibError(f"beta = {beta}: give a finite weight ≥ 0 (1 is the ELBO)")
        self.config, self.beta = config, beta
        dim, factors = config.latent_dim, len(config.factors)
        self.encoder, self.decoder = build_networks(config.network, channels, size, dim, config.width)
        self.likelihood = build_likelihood(config.likelihood, config.noise_std)
        self.register_buffer("displacement", torch.zeros(factors, config.horizon + 1, dim))

    def encode(self, images: Float[Tensor, "B C H W"]) -> Posterior:
        """q(z|x)."""
        return Posterior(*self.encoder(images))

    def decode(self, z: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch C H W"]:
        """The parameters of p(x|z) that `self.likelihood` reads."""
        return self.decoder(z.reshape(-1, z.shape[-1])).unflatten(0, z.shape[:-1])

    def transport(self, z: Float[Tensor, "B d"], factor, steps: int, first: int = 1) -> Float[Tensor, "B frames d"]:
        """z plus the mean displacement of its factor; beyond step T the last step's displacement is repeated."""
        times = torch.arange(first - 1, first + steps, device=z.device)
        horizon = self.displacement.shape[1] - 1
        table = self.displacement[factor].expand(len(z), -1, -1)
        beyond = (times - horizon).clamp(min=0)[:, None] * (table[:, -1:] - table[:, -2:-1])
        moved = table[:, times.clamp(max=horizon)] + beyond
        return z[:, None] + moved - moved[:, :1]

    @torch.no_grad()
    def fit_displacements(self, sequences: Sequences, count: int = 1000):
        """Measure the mean displacements on the first `count` images; returns the model."""
        indices = list(range(min(count, len(sequences))))
        for factor in range(len(sequences.factors)):
            frames = sequences.full_batch(indices, factor).frames
            codes = self.encode(frames.flatten(0, 1)).mean.unflatten(0, frames.shape[:2])
            self.displacement[factor] = (codes - codes[:, :1]).mean(0)
        return self

    def objective(self, batch: Batch, generator=None) -> dict[str, Tensor]:
        """−Σ_t ELBO(x_t), the KL weighted by β, averaged over the batch; the frames present stand for all."""
        posterior = self.encode(batch.frames.flatten(0, 1))
        logits = self.decode(posterior.sample(generator)).unflatten(0, batch.frames.shape[:2])
        reconstruction = -(self.likelihood.log_prob(logits, batch.frames) * batch.weights).sum(1).mean()
        kl = (posterior.kl().unflatten(0, batch.times.shape) * batch.weights).sum(1).mean()
        return {"loss": reconstruction + self.beta * kl, "reconstruction": reconstruction, "kl": kl}
