"""The variational autoencoder (Kingma & Welling, 2014), with β (Higgins et al., 2017): the baseline without a flow."""

from jaxtyping import Float
from torch import Tensor

from flowlib.config import Config
from flowlib.data import Batch
from flowlib.errors import FlowlibError
from flowlib.models.displacement import DisplacedModel
from flowlib.models.importance import single_frame_log_weights
from flowlib.models.registry import register


@register("vae")
class VAE(DisplacedModel):
    """Every frame for itself: q(z_t|x_t), p(z_t) = N(0, I), p(x_t|z_t). No flow is learned.

    A latent moves by the mean displacement of the encodings of factor k at step t over the training set (M16), which
    `calibrate` measures after training (`DisplacedModel`).
    config : encoder, decoder, latent size and likelihood are read from it;  beta : weight of the KL
    """

    reads_programs = True
    reads_labels = False
    capturable = True

    def __init__(self, config: Config, beta=1.0, **networks):
        super().__init__(config, **networks)
        if not 0 <= beta < float("inf"):
            raise FlowlibError(f"beta = {beta}: give a finite weight ≥ 0 (1 is the ELBO)")
        self.beta = beta

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
