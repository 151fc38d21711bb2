"""SlowVAE (Klindt et al., 2021, arXiv 2007.10930): a VAE whose codes change sparsely from frame to frame."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.config import Config
from flowlib.data import Batch
from flowlib.errors import FlowlibError
from flowlib.flows.prior import LOG_2PI, normal_like, normal_log_prob
from flowlib.models.joint import Joint
from flowlib.models.protocol import Posterior
from flowlib.models.registry import register
from flowlib.models.vae import VAE


@register("slow-vae")
class SlowVAE(VAE):
    """p(z_0) = N(0, I) and a Laplace transition p(z_t|z_s) = Π_j λ/2 exp(−λ |z_tj − z_sj|) from the frame before:

        Σ_t −log p(x_t|z_t) + KL[q(z_0|x_0) ‖ N(0, I)] + γ Σ_{t≥1} E_{q(z_s|x_s)} KL[q(z_t|x_t) ‖ p(z_t|z_s)].

    Departures from the paper: s is the nearest earlier frame in the batch, so the gap t − s is random and λ is the same
    for every gap (with `frames_per_step` 1, s is always 0); the expectation over z_s is in closed form, where the
    authors' code puts the mean of q(z_s|x_s), adds up both directions of a pair with the mean of the two entropies, and
    weighs the transitions by γ = 10.
    A latent moves as the VAE's does, by mean displacements (M16). A sequence has the weights of its own chain; a frame by
    itself has the VAE's, under N(0, I), since the marginals of the chain have no closed form.

    config : encoder, decoder, latent size and likelihood are read from it;  rate : λ > 0;  gamma : γ ≥ 0
    """

    capturable = True

    def __init__(self, config: Config, rate=6.0, gamma=1.0, **networks):
        super().__init__(config, **networks)
        if not 0 < rate < float("inf"):
            raise FlowlibError(f"rate = {rate}: give a finite Laplace rate > 0 (try 6)")
        if not 0 <= gamma < float("inf"):
            raise FlowlibError(f"gamma = {gamma}: give a finite weight ≥ 0 of the transitions (1 is the ELBO)")
        self.rate, self.gamma = rate, gamma

    def objective(self, batch: Batch, generator=None) -> dict[str, Tensor]:
        """Reconstruction of all frames, KL of the first, transitions to the others; the frames present stand for all."""
        posterior = self.encode(batch.frames.flatten(0, 1))
        z = posterior.sample(generator)
        reconstruction = self._terms(posterior, z, batch)["reconstruction"]
        kl = posterior.kl().unflatten(0, batch.times.shape)[:, 0].mean()
        transition = (self._transitions(posterior, batch.times) * batch.weights[..., 1:]).sum(1).mean()
        loss = reconstruction + kl + self.gamma * transition
        return {"loss": loss, "reconstruction": reconstruction, "kl": kl, "transition": transition}

    def sequence_log_weights(self, batch: Batch, generator=None) -> Float[Tensor, " B"]:
        """One draw of log w of complete sequences (M17), each code drawn from its own frame's q(z_t|x_t):

        log N(z_0; 0, I) + Σ_{t≥1} log Laplace(z_t; z_{t−1}, λ) + Σ_t log p(x_t|z_t) − Σ_t log q(z_t|x_t).
        """
        posterior = self.encode(batch.frames.flatten(0, 1))
        z = posterior.sample(generator)
        path = z.unflatten(0, batch.times.shape)
        steps = (math.log(self.rate / 2) - self.rate * path.diff(dim=1).abs()).sum((1, 2))
        seen = self.likelihood.log_prob(self.decode(z), batch.frames.flatten(0, 1)) - posterior.log_prob(z)
        return normal_log_prob(path[:, 0]) + steps + seen.unflatten(0, batch.times.shape).sum(1)

    def sequence_joint(self, batch: Batch) -> Joint:
        """log p(z̄, x̄) of whole sequences (M17), codes looked for where the encoder puts each frame."""
        guess = self.encode(batch.frames.flatten(0, 1)).mean.unflatten(0, batch.times.shape)
        return LaplaceChain(self, batch.frames, guess, self.rate)

    def _transitions(self, posterior, times):
        """KL of every frame but the first in order of time, given the one before it (B, F − 1)."""
        order = times.argsort(1)[..., None].expand(-1, -1, posterior.mean.shape[1])
        mean, log_std = (p.unflatten(0, times.shape).gather(1, order) for p in (posterior.mean, posterior.log_std))
        after = Posterior(mean[:, 1:].flatten(0, 1), log_std[:, 1:].flatten(0, 1))
        before = Posterior(mean[:, :-1].flatten(0, 1), log_std[:, :-1].flatten(0, 1))
        return laplace_kl(after, before, self.rate).unflatten(0, (len(times), -1))


class LaplaceChain(Joint):
    """z_0 ~ N(0, I), z_tj − z_{t−1,j} ~ Laplace(λ), whose variance is 2/λ²."""

    def __init__(self, model, frames, guess, rate):
        one = torch.ones_like(guess[:, 0, 0])
        super().__init__(model, frames, guess, (one, one * rate**2 / 2))
        self.rate = rate

    def log_prior(self, latents):
        steps = (math.log(self.rate / 2) - self.rate * latents.diff(dim=1).abs()).sum((1, 2))
        return normal_log_prob(latents[:, 0]) + steps

    def smooth_log_prior(self, latents):
        """|Δ| without its kink: √(Δ² + δ²) with δ = 0.8/λ, about E|Δ| under a Gaussian of the spread that posteriors have here."""
        steps = (latents.diff(dim=1).square() + (0.8 / self.rate) ** 2).sqrt()
        return normal_log_prob(latents[:, 0]) - self.rate * steps.sum((1, 2))

    def coupling(self, latents):
        """λ / √(Δ² + δ²): −λ Δ / √(Δ² + δ²) is the slope of the smooth prior."""
        return self.rate / (latents.diff(dim=1).square() + (0.8 / self.rate) ** 2).sqrt()

    def draw(self, generator=None):
        shape = self.guess.shape
        uniform = torch.rand(shape, generator=generator, dtype=self.guess.dtype, device=self.guess.device) - 0.5
        steps = -uniform.sign() * torch.log1p(-2 * uniform.abs().clamp(max=0.5 - 1e-7)) / self.rate
        steps[:, 0] = normal_like(steps[:, 0], generator)
        return steps.cumsum(1)


def laplace_kl(after: Posterior, before: Posterior, rate: float) -> Float[Tensor, " B"]:
    """E_{z_s ~ before} KL[after ‖ Laplace(z_s, λ)] = Σ_j −½ log(2πe σ_t²) + λ E|z_t − z_s| − log(λ/2), (B,)."""
    entropy = after.log_std + 0.5 * (LOG_2PI + 1)
    spread = ((2 * after.log_std).exp() + (2 * before.log_std).exp()).sqrt()
    distance = folded_normal_mean(after.mean - before.mean, spread)
    return (rate * distance - math.log(rate / 2) - entropy).sum(-1)


def folded_normal_mean(mean: Float[Tensor, "*any"], std: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """E|Δ| for Δ ~ N(m, s²): s √(2/π) exp(−m²/2s²) + m erf(m / s√2)."""
    ratio = mean / std
    return std * math.sqrt(2 / math.pi) * (-0.5 * ratio.square()).exp() + mean * torch.erf(ratio / math.sqrt(2))
