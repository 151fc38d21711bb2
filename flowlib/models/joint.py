"""log p(z̄, x̄|k), what a model says of latents and frames together: one class for each kind of chain (M8, M17).

A posterior known up to its constant, to sample from and to integrate: `flowlib.evaluation.tight` asks for nothing else.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.data import Batch
from flowlib.flows import codes_at, normal_like, normal_log_prob


class Joint:
    """The joint density of B sequences as a function of their latents (S·B, n, e); the rows i, i + B, i + 2B … belong to sequence i.

    model : its decoder and likelihood are asked;  frames : (B, F, C, H, W);  guess : (B, n, e), where a search for good latents begins
    precision : (first (B,), step (B,)) of the Gaussian chain that the prior is, or resembles: z_0 ~ N(0, 1/first), z_t ~ N(z_{t−1}, 1/step)
    A subclass says `log_prior`, `codes` and `draw`. n is F, each frame with a latent of its own, or 1, one latent for all frames.
    local : how many of the e coordinates reach no other frame than their own (all, where n is 1)
    """

    def __init__(self, model, frames, guess, precision):
        self.model, self.frames, self.guess, self.precision = model, frames, guess.detach(), precision
        self.local = guess.shape[-1]

    def log_prior(self, latents: Float[Tensor, "N n e"]) -> Float[Tensor, " N"]:
        """log p(z̄|k)."""
        raise NotImplementedError

    def smooth_log_prior(self, latents: Float[Tensor, "N n e"]) -> Float[Tensor, " N"]:
        """log p(z̄|k) as a search by second derivatives takes it: here as it is."""
        return self.log_prior(latents)

    def alone(self) -> Float[Tensor, "B n"]:
        """The precision that the prior gives each latent by itself, apart from its steps: a chain's, the first one."""
        first, rest = self.precision[0][:, None], self.guess[:, 1:, 0]
        return torch.cat([first, torch.zeros_like(rest)], 1)

    def coupling(self, latents: Float[Tensor, "B n e"]) -> Float[Tensor, "B steps e"]:
        """The precision of each step in the smooth prior at latents: here the same everywhere."""
        return self.precision[1][:, None, None].expand_as(latents[:, 1:])

    def codes(self, latents: Float[Tensor, "N n e"]) -> Float[Tensor, "N F d"]:
        """What is decoded."""
        return latents

    def draw(self, generator=None) -> Float[Tensor, "B n e"]:
        """One draw from the prior for every sequence."""
        raise NotImplementedError

    def log_prob(self, latents: Float[Tensor, "N n e"]) -> Float[Tensor, " N"]:
        """log p(z̄|k) + Σ_t log p(x_t|z̄)."""
        return self.log_prior(latents) + self.log_seen(latents)

    def log_seen(self, latents: Float[Tensor, "N n e"]) -> Float[Tensor, " N"]:
        """Σ_t log p(x_t|z̄)."""
        decoded = self.model.decode(self.codes(latents)).unflatten(0, (-1, len(self.frames)))
        return self.model.likelihood.log_prob(decoded, self.frames.expand_as(decoded)).sum(-1).flatten()

    def curvature(self, latents: Float[Tensor, "B n e"]) -> Float[Tensor, "B n e e"]:
        """Σ_t Jᵀ W J, J the Jacobian of what is decoded, W = −∂² log p/∂decoded² (Gauss–Newton), in one latent of each frame at a time."""

        def decoded(z):
            return self.model.decode(self.codes(z))

        columns = []
        for place in range(self.local):
            direction = torch.zeros_like(latents)
            direction[..., place] = 1
            value, column = torch.func.jvp(decoded, (latents,), (direction,))
            columns.append(column.flatten(2))
        weight = self.model.likelihood.curvature(value).flatten(2)
        jacobian = torch.stack(columns, 2)  # (B, F, local, pixels)
        blocks = (jacobian * weight[:, :, None]) @ jacobian.mT
        blocks = blocks if latents.shape[1] > 1 else blocks.sum(1, keepdim=True)
        rest = latents.shape[-1] - self.local
        return torch.nn.functional.pad(blocks, (0, rest, 0, rest))


def mixed(log_probs: Float[Tensor, "N K"]) -> Float[Tensor, " N"]:
    """log (1/K) Σ_k p_k: k summed out under its uniform prior (M15); of one k nothing is left to sum."""
    return torch.logsumexp(log_probs, -1) - math.log(log_probs.shape[-1])


def _pick(values: Float[Tensor, "B K"], generator):
    """One of K values for every row, at random."""
    index = torch.randint(values.shape[1], (len(values), 1), generator=generator, device=values.device)
    return values.gather(1, index)[:, 0]


class SingleFrames(Joint):
    """Each frame a sequence of its own, z ~ N(0, variance I); variance (B, K): one value, or one for each k that is possible."""

    def __init__(self, model, frames, guess, variance):
        super().__init__(model, frames, guess, (1 / variance.mean(1), 0 / variance.mean(1)))
        self.variance = variance

    def log_prior(self, latents):
        variance = self.variance.repeat(len(latents) // len(self.variance), 1)
        return mixed(normal_log_prob(latents, variance))  # (N, 1) against (N, K)

    def draw(self, generator=None):
        return _pick(self.variance, generator).sqrt()[:, None, None] * normal_like(self.guess, generator)


class NoisyChain(Joint):
    """z_0 ~ N(0, I), z_t ~ N(z_{t−1}, 2D I) (M14): the prior of the path form, whatever the flow. diffusion D (B, K) as in `SingleFrames`."""

    def __init__(self, model, frames, guess, diffusion):
        super().__init__(model, frames, guess, (torch.ones_like(diffusion[:, 0]), 1 / (2 * diffusion.log().mean(1).exp())))
        self.diffusion = diffusion

    def log_prior(self, latents):
        diffusion = self.diffusion.repeat(len(latents) // len(self.diffusion), 1)
        steps = normal_log_prob(latents.diff(dim=1)[:, :, None], 2 * diffusion[:, None])  # (N, n − 1, K)
        return normal_log_prob(latents[:, 0]) + mixed(steps.sum(1))

    def draw(self, generator=None):
        noise, scale = normal_like(self.guess, generator), (2 * _pick(self.diffusion, generator)).sqrt()[:, None, None]
        return torch.cat([noise[:, :1], scale * noise[:, 1:]], 1).cumsum(1)


class SharedStart(Joint):
    """One z_0 ~ N(0, I) for all frames: they show where the noise-free flow carries it. times (B, F): which of its stops each frame shows."""

    def __init__(self, model, frames, guess, factor, times):
        super().__init__(model, frames, guess, (torch.ones_like(guess[:, 0, 0]), torch.zeros_like(guess[:, 0, 0])))
        self.factor, self.times, self.steps = factor, times, int(times.max())

    def log_prior(self, latents):
        return normal_log_prob(latents[:, 0])

    def codes(self, latents):
        copies = len(latents) // len(self.times)
        path = self.model.transport(latents[:, 0], self.factor.repeat(copies), self.steps)
        return codes_at(path, self.times.repeat(copies, 1))

    def draw(self, generator=None):
        return normal_like(self.guess, generator)


def single_frames(
    model, batch: Batch, guess: Float[Tensor, "B F d"] | None = None, variance: Float[Tensor, "B F K"] | None = None
) -> SingleFrames:
    """Every frame of a batch for itself, in the order of `batch.frames.flatten(0, 1)`; under N(0, I) where no variance is given."""
    frames = batch.frames.flatten(0, 1)
    guess = model.encode(frames).mean if guess is None else guess.flatten(0, 1)
    variance = torch.ones_like(guess[:, :1]) if variance is None else variance.flatten(0, 1)
    return SingleFrames(model, frames[:, None], guess[:, None], variance)
