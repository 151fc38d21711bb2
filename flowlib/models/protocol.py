"""The small protocol that every model of the book implements; training, evaluation and pictures know nothing else."""

from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.data import Batch


@dataclass(frozen=True)
class Posterior:
    """q(z|x) = N(mean, diag exp(2 log_std)), (B, d) each."""

    mean: Float[Tensor, "B d"]
    log_std: Float[Tensor, "B d"]

    def sample(self, generator=None) -> Float[Tensor, "B d"]:
        """A reparametrised sample."""
        noise = torch.randn(self.mean.shape, generator=generator, dtype=self.mean.dtype, device=self.mean.device)
        return self.mean + self.log_std.exp() * noise

    def log_prob(self, z: Float[Tensor, "B d"]) -> Float[Tensor, " B"]:
        """log q(z|x)."""
        scaled = (z - self.mean) * (-self.log_std).exp()
        return (-0.5 * scaled.square() - self.log_std).sum(-1) - 0.5 * z.shape[-1] * LOG_2PI

    def kl(self) -> Float[Tensor, " B"]:
        """KL[q(z|x) ‖ N(0, I)] = ½ Σ (μ² + σ² − 1 − log σ²)."""
        return 0.5 * (self.mean.square() + (2 * self.log_std).exp() - 1 - 2 * self.log_std).sum(-1)


LOG_2PI = 1.8378770664093453


class Model(Protocol):
    """What a model can do. `factor` is one index for all samples or (B,) labels; latents are (B, d).

    `likelihood` : an object of `flowlib.models.likelihood`, which reads what `decode` returns.
    """

    likelihood: object

    def encode(self, images: Tensor) -> Posterior:
        """q(z|x) of images (B, C, H, W)."""

    def decode(self, z: Tensor) -> Tensor:
        """The parameters (…, C, H, W) of p(x|z) for latents (…, d): logits or means, as `likelihood` reads them."""

    def transport(self, z: Tensor, factor, steps: int, first: int = 1) -> Tensor:
        """z_0 … z_steps, (B, steps+1, d): the one place where a latent moves. `first` labels the first step's time."""

    def infer_factor(self, batch: Batch) -> Tensor:
        """Which factor moves each sequence (B,): `batch.factor` where it is given."""

    def calibrate(self, sequences) -> "Model":
        """Measure on the training set, after training, what the model needs beyond its weights; returns the model."""

    def frame_log_weights(self, batch: Batch, generator=None) -> Tensor:
        """One draw of the importance weights log w of every frame (B, frames) (M17).

        Models of whole sequences have `sequence_log_weights` (B,) besides; without it a sequence is the sum of its frames.
        """

    def objective(self, batch: Batch, generator=None) -> dict[str, Tensor]:
        """Named scalars in nats per sequence; "loss" is what the trainer minimises."""
