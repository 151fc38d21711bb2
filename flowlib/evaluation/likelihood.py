"""Importance-weighted log-likelihoods of frames and of sequences (M17)."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.data import Batch
from flowlib.models.protocol import LOG_2PI


@dataclass(frozen=True)
class LogLikelihood:
    """log p̂ in nats and the effective sample size (Σw)² / Σw² of its M weights; E log p̂ ≤ log p, tight as M grows."""

    value: Float[Tensor, "*batch"]
    effective_samples: Float[Tensor, "*batch"]


def from_log_weights(log_weights: Float[Tensor, "M *batch"]) -> LogLikelihood:
    """log (1/M) Σ_m w_m, computed without overflow."""
    total = torch.logsumexp(log_weights, 0)
    effective = (2 * total - torch.logsumexp(2 * log_weights, 0)).exp()
    return LogLikelihood(total - math.log(len(log_weights)), effective)


def standard_normal_log_prob(z):
    """log N(z; 0, I)."""
    return -0.5 * (z.square().sum(-1) + z.shape[-1] * LOG_2PI)


@torch.no_grad()
def frame_log_weights(model, batch: Batch, generator=None) -> Float[Tensor, "B frames"]:
    """One draw of log w = log p_t(z_t) + log p(x_t|z_t) − log q_t(z_t) for every frame of complete sequences."""
    posterior = model.encode(batch.frames[:, 0])
    z = posterior.sample(generator)
    trajectory = model.flow(z, batch.factor, batch.steps, hessian=True)
    ratio = model.log_density_ratio(posterior, trajectory, batch.factor, trajectory.log_density_change())
    return -ratio + model.likelihood.log_prob(model.decode(trajectory.path), batch.frames)


@torch.no_grad()
def sequence_log_weights(model, batch: Batch, generator=None) -> Float[Tensor, " B"]:
    """One draw of log w of whole sequences along the noisy chain:

    log N(z_0; 0, I) − log q(z_0|x_0) + Σ_t [−⟨∇u, ε_t⟩/√(2D) − ‖∇u‖²/(4D)] + Σ_{t≥0} log p(x_t|z_t).
    """
    posterior = model.encode(batch.frames[:, 0])
    z = posterior.sample(generator)
    diffusion = model.prior.diffusion(batch.factor)
    chain = model.flow(z, batch.factor, batch.steps, noise_scale=(2 * diffusion).sqrt(), generator=generator)
    steps = kernel_log_weight(chain.velocity, chain.noise, diffusion[:, None]).sum(1)
    start = standard_normal_log_prob(z) - posterior.log_prob(z)
    return start + steps + model.likelihood.log_prob(model.decode(chain.path), batch.frames).sum(1)


def kernel_log_weight(drift, noise, diffusion):
    """log N(z'; z, 2D I) − log N(z'; z + b, 2D I) at z' = z + b + √(2D) ε: −⟨b, ε⟩/√(2D) − ‖b‖²/(4D) (M14)."""
    return -(drift * noise).sum(-1) / (2 * diffusion).sqrt() - drift.square().sum(-1) / (4 * diffusion)


def log_likelihood(log_weights, model, batch: Batch, samples=100, generator=None) -> LogLikelihood:
    """Estimate with M = `samples` draws of `log_weights` (one of the two functions above); per frame or per sequence."""
    return from_log_weights(torch.stack([log_weights(model, batch, generator) for _ in range(samples)]))
