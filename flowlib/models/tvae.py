"""The topographic VAE (Keller & Welling, 2021, arXiv 2109.01394): a latent moves by rolling a capsule."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from flowlib.config import Config
from flowlib.data import Batch
from flowlib.errors import FlowlibError
from flowlib.flows import normal_like, normal_log_prob
from flowlib.models.base import LatentModel
from flowlib.models.joint import Joint
from flowlib.models.networks import build_networks
from flowlib.models.protocol import Posterior
from flowlib.models.registry import register

EPS = 1e-6  # keeps 1 / √v finite


@register("tvae")
class TVAE(LatentModel):
    """z, u ~ N(0, I), and the code that is decoded is Student-t like, its scales shared within a sequence:

        t_l = (z_l − μ) / √(v_l + ε),   v_l = Σ_s Roll_{l−s} W u_s²,

    W the sum over a window of neighbours on a capsule's circle. The d coordinates are K capsules of d // K places (what
    is left never rolls, and a place there counts as a whole window); Roll_n moves the capsule of the sequence's factor
    by n places. The loss is Σ_l −log p(x_l|t_l) + KL[q(z_l|x_l) ‖ N(0, I)] + KL[q(u_l|x_l) ‖ N(0, I)].
    The latent (B, d) of the protocol is t of a single image, with v from its own u. For large |μ| the code is nearly
    −μ / √v, which rolls exactly; for small |μ| nothing but the loss makes z roll.

    Departures from the paper: k is known and rolls its own capsule, there all capsules roll; one place a step on a circle
    of more than T places, there a whole cycle of transformations in a circle; the frames present stand for all T + 1
    in Σ_s (a single image too), there all frames within a window of time; u's encoder has half the width of z's, so
    that a step costs about what it costs the other models, there the two are alike.

    config : encoder, decoder, latent size and likelihood are read from it;  mu : initial μ, which is learned;
    window : odd number of neighbours in W
    """

    any_steps = capturable = True
    moved_by = ("roll", "topographic")

    def __init__(self, config: Config, mu=-30.0, window: int = 3, **networks):
        super().__init__(config, **networks)
        factors, self.capsule = len(config.factors), config.latent_dim // len(config.factors)
        if self.capsule <= config.horizon:
            raise FlowlibError(
                f"latent_dim = {config.latent_dim}: {factors} capsules of {self.capsule} would roll around within "
                f"{config.horizon} steps; give latent_dim ≥ {factors * (config.horizon + 1)}"
            )
        if window % 2 != 1 or not 0 < window <= self.capsule:
            raise FlowlibError(f"window = {window}: give an odd number of neighbours from 1 to {self.capsule}")
        if not abs(mu) < float("inf"):
            raise FlowlibError(f"mu = {mu}: give a finite number")
        half = max(1, config.width // 2)
        self.scale_encoder = build_networks(config.network, config.channels, config.size, config.latent_dim, half)[0]
        self.mu = nn.Parameter(torch.tensor(float(mu)))
        neighbours = (config.horizon + 1) * _neighbours(config.latent_dim, factors, self.capsule, window)
        self.register_buffer("neighbours", neighbours, persistent=False)

    def roll(self, values: Float[Tensor, "B F d"], factor: Int[Tensor, " B"], shifts: Int[Tensor, "B F"]) -> Float[Tensor, "B F d"]:
        """Each code with its factor's capsule rolled by its shift: the value at place j moves to j + shift."""
        places = torch.arange(values.shape[-1], device=values.device)
        start = (factor * self.capsule)[:, None, None]
        rolled = start + (places - start - shifts[..., None]) % self.capsule
        inside = places // self.capsule == factor[:, None, None]
        return values.gather(-1, torch.where(inside, rolled, places))

    def transport(self, z: Float[Tensor, "B d"], factor, steps, first=1) -> Float[Tensor, "B frames d"]:
        """The factor's capsule rolled by 0 … steps places, backward for negative steps; whatever `first`: the operator does not depend on time.

        Raises FlowlibError for parts of a step: a capsule rolls by whole places.
        """
        if steps != int(steps) or first != int(first):
            raise FlowlibError(f"steps = {steps}, first = {first}: a capsule rolls by whole places; give whole numbers")
        labels = torch.as_tensor(factor, device=z.device).expand(len(z))
        shifts = torch.arange(abs(int(steps)) + 1, device=z.device) * (1 if steps > 0 else -1)
        return self.roll(z[:, None].expand(-1, len(shifts), -1), labels, shifts.expand(len(z), -1))

    def encode(self, images: Float[Tensor, "B C H W"]) -> Posterior:
        """t of single images, as a Gaussian: z moves and v keeps its posterior mean W (μ_u² + σ_u²), so that

        t ~ N((μ_z − μ) / √(v + ε), σ_z² / (v + ε)). What the spread of u adds to the spread of t is left out.
        """
        (mean, log_std), (u_mean, u_log_std) = self.encoder(images), self.scale_encoder(images)
        variance = (u_mean.square() + (2 * u_log_std).exp()) @ self.neighbours + EPS
        return Posterior((mean - self.mu) * variance.rsqrt(), log_std - 0.5 * variance.log())

    def topographic(self, z: Float[Tensor, "B F d"], u: Float[Tensor, "B F d"], factor, times: Int[Tensor, "B F"]) -> Float[Tensor, "B F d"]:
        """t of every frame of sequences: scales rolled back to time 0, averaged (W counts T + 1 frames), rolled to its time."""
        start = self.roll(u.square() @ self.neighbours, factor, -times).mean(1, keepdim=True).expand_as(u)
        return (z - self.mu) * (self.roll(start, factor, times) + EPS).rsqrt()

    def _posteriors(self, images):
        """q(z|x) and q(u|x)."""
        return Posterior(*self.encoder(images)), Posterior(*self.scale_encoder(images))

    def objective(self, batch: Batch, generator=None) -> dict[str, Tensor]:
        """Reconstruction and both KLs of all frames, averaged over the batch; the frames present stand for all."""
        shape = batch.times.shape
        posteriors = self._posteriors(batch.frames.flatten(0, 1))
        z, u = (posterior.sample(generator).unflatten(0, shape) for posterior in posteriors)
        decoded = self.decode(self.topographic(z, u, batch.factor, batch.times))
        kl, kl_scale = (posterior.kl().unflatten(0, shape) for posterior in posteriors)
        terms = {"reconstruction": -self.likelihood.log_prob(decoded, batch.frames), "kl": kl, "kl_scale": kl_scale}
        terms = {name: (values * batch.weights).sum(1).mean() for name, values in terms.items()}
        return {"loss": sum(terms.values()), **terms}

    def frame_log_weights(self, batch: Batch, generator=None) -> Float[Tensor, "B frames"]:
        """Every frame for itself, t from its own u: log p(z) p(u) p(x|t) / (q(z|x) q(u|x)) (M17)."""
        ratio, z, u = self._draw(batch, generator)
        t = (z - self.mu) * (u.square() @ self.neighbours + EPS).rsqrt()
        return ratio + self.likelihood.log_prob(self.decode(t), batch.frames)

    def sequence_log_weights(self, batch: Batch, generator=None) -> Float[Tensor, " B"]:
        """One draw of log w of complete sequences, whose frames share their scales: Σ_l log p(z_l) p(u_l) p(x_l|t_l) / (q(z_l|x_l) q(u_l|x_l))."""
        ratio, z, u = self._draw(batch, generator)
        t = self.topographic(z, u, batch.factor, batch.times)
        return (ratio + self.likelihood.log_prob(self.decode(t), batch.frames)).sum(1)

    def _draw(self, batch, generator):
        """(log p(z) p(u) / (q(z|x) q(u|x)) (B, F), z, u) of one draw for every frame."""
        posteriors = self._posteriors(batch.frames.flatten(0, 1))
        z, u = (posterior.sample(generator) for posterior in posteriors)
        ratio = sum(normal_log_prob(s) - q.log_prob(s) for s, q in zip((z, u), posteriors, strict=True))
        return tuple(one.unflatten(0, batch.times.shape) for one in (ratio, z, u))

    def frame_joint(self, batch: Batch) -> Joint:
        """log p(z, u, x_t) of every frame by itself (M17), its scale from its own u."""
        images = batch.frames.flatten(0, 1)
        guess = torch.cat([posterior.mean for posterior in self._posteriors(images)], -1)[:, None]
        return TopographicChain(
            self, images[:, None], guess, batch.factor[:1].expand(len(images)), torch.zeros_like(batch.times.reshape(-1, 1))
        )

    def sequence_joint(self, batch: Batch) -> Joint:
        """log p(z̄, ū, x̄|k) of whole sequences (M17), whose frames share their scales."""
        guess = torch.cat([posterior.mean for posterior in self._posteriors(batch.frames.flatten(0, 1))], -1)
        return TopographicChain(self, batch.frames, guess.unflatten(0, batch.times.shape), batch.factor, batch.times)


class TopographicChain(Joint):
    """z_l, u_l ~ N(0, I), the latents (z_l, u_l) (2d) of every frame, which the frames' codes t_l mix."""

    def __init__(self, model, frames, guess, factor, times):
        one = torch.ones_like(guess[:, 0, 0])
        super().__init__(model, frames, guess, (one, torch.zeros_like(one)))
        self.factor, self.times = factor, times
        self.local = guess.shape[-1] // (1 if frames.shape[1] == 1 else 2)  # u reaches all frames of a sequence

    def log_prior(self, latents):
        return normal_log_prob(latents).sum(1)

    def alone(self):
        return torch.ones_like(self.guess[..., 0])

    def codes(self, latents):
        copies = len(latents) // len(self.times)
        return self.model.topographic(*latents.chunk(2, -1), self.factor.repeat(copies), self.times.repeat(copies, 1))

    def draw(self, generator=None):
        return normal_like(self.guess, generator)


def _neighbours(latent_dim, factors, capsule, window) -> Float[Tensor, "d d"]:
    """W: rows that sum a window around each place of a capsule's circle; a place outside counts as a window."""
    circle = sum(torch.eye(capsule).roll(shift, 1) for shift in range(-(window // 2), window // 2 + 1))
    return torch.block_diag(*[circle] * factors, window * torch.eye(latent_dim - factors * capsule))
