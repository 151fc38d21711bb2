"""Importance-weighted log-likelihoods of frames and of sequences (M17)."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.data import Batch
from flowlib.errors import FlowlibError
from flowlib.models.protocol import weighs_sequences


@dataclass(frozen=True)
class LogLikelihood:
    """log p̂ in nats and the effective sample size (Σw)² / Σw² of its M weights; E log p̂ ≤ log p, tight as M grows."""

    value: Float[Tensor, "*batch"]
    effective_samples: Float[Tensor, "*batch"]


def from_log_weights(log_weights: Float[Tensor, " M *batch"]) -> LogLikelihood:
    """log (1/M) Σ_m w_m, computed without overflow."""
    total = torch.logsumexp(log_weights, 0)
    effective = (2 * total - torch.logsumexp(2 * log_weights, 0)).exp()
    return LogLikelihood(total - math.log(len(log_weights)), effective)


@torch.no_grad()
def frame_log_weights(model, batch: Batch, generator=None) -> Float[Tensor, "B frames"]:
    """One draw of log w for every frame of complete sequences, each with its own latent."""
    return model.frame_log_weights(batch, generator)


@torch.no_grad()
def sequence_log_weights(model, batch: Batch, generator=None) -> Float[Tensor, " B"]:
    """One draw of log w of whole sequences."""
    return model.sequence_log_weights(batch, generator)


def log_likelihood(log_weights, model, batch: Batch, samples=100, generator=None) -> LogLikelihood:
    """Estimate with M = `samples` draws of `log_weights` (one of the two functions above); per frame or per sequence."""
    if samples < 1:
        raise FlowlibError(f"samples = {samples}: draw at least one")
    return from_log_weights(torch.stack([log_weights(model, batch, generator) for _ in range(samples)]))


def sequence_log_likelihood(model, batch: Batch, samples=100, generator=None) -> LogLikelihood:
    """log p̂ (B,) of whole sequences; a model whose frames are independent has no sequence weights: its frames are summed."""
    if weighs_sequences(model):
        return log_likelihood(sequence_log_weights, model, batch, samples, generator)
    frames = log_likelihood(frame_log_weights, model, batch, samples, generator)
    return LogLikelihood(frames.value.sum(1), frames.effective_samples.mean(1))
