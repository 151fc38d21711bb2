"""Equivariance error and its references, in one definition for every model (M16)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.data import Batch, Source
from flowlib.errors import FlowlibError

CHUNK = 250  # images of 28 × 28 pixels decoded at a time, fewer of larger ones


@dataclass(frozen=True)
class Estimate:
    """A mean over n images or sequences with its standard error, in the unit of what was averaged."""

    mean: float
    standard_error: float
    n: int

    @classmethod
    def of(cls, values: Float[Tensor, " n"]):
        """The mean of per-image values."""
        if not bool(values.isfinite().all()):
            raise FlowlibError("a measured value is not finite: the model's outputs hold NaN or overflow")
        error = values.std().item() / len(values) ** 0.5 if len(values) > 1 else 0.0
        return cls(values.mean().item(), error, len(values))


def frame_errors(frames: Float[Tensor, "B F C H W"], predicted: Float[Tensor, " B #F C H W"]) -> Float[Tensor, "B F"]:
    """‖x_t − x̂_t‖₁, summed over the pixels of each frame; one predicted frame is held against all."""
    return (frames - predicted).abs().sum((-3, -2, -1))


def decode_mean(model, z: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch C H W"]:
    """E[x|z]: for the Bernoulli likelihood sigmoid(Dec(z))."""
    return model.likelihood.mean(model.decode(z))


def moved_path(model, batch: Batch, steps=None) -> Float[Tensor, "B frames d"]:
    """z_0 … z_T, or … z_steps: the code μ(x_0) of each sequence, moved by the model's noise-free transport.

    A model that infers the factor, or has a motion for each sequence, finds it from the batch's frames, and then moves the code of the first.
    """
    steps = batch.steps if steps is None else steps
    return model.transport(model.encode(batch.frames[:, 0]).mean, own_motion(model, batch), steps)


def own_motion(model, batch: Batch) -> Tensor:
    """What moves each sequence, (B, …): the model's `motion`, or the factor that it infers or is given."""
    return model.motion(batch) if hasattr(model, "motion") else model.infer_factor(batch)


def path_error(model, batch: Batch) -> Float[Tensor, " B"]:
    """Σ_{t=1}^T ‖x_t − sigmoid(Dec(z_t))‖₁ per sequence, z_0 = μ(x_0), moved by the model's noise-free transport."""
    return frame_errors(batch.frames[:, 1:], decode_mean(model, moved_path(model, batch)[:, 1:])).sum(1)


def over_chunks(sequences, count, measure):
    """measure(indices) (B, …) of the first `count` images (None: all), a chunk at a time: (n, …)."""
    count = len(sequences) if count is None else min(count, len(sequences))
    if count < 1:
        raise FlowlibError(f"count = {count}: measure at least one image")
    size = max(1, min(CHUNK, CHUNK * 28**2 // sequences.size**2))
    chunks = [range(start, min(start + size, count)) for start in range(0, count, size)]
    return torch.cat([measure(list(chunk)) for chunk in chunks])


def _over_images(sequences, factor, count, steps, measure):
    """measure(batch) (B,) for the first `count` images (None: all), a chunk at a time."""
    if steps is not None and steps < 1:
        raise FlowlibError(f"steps = {steps}: a motion has at least one step")
    return over_chunks(sequences, count, lambda chunk: measure(sequences.full_batch(chunk, factor, steps)))


@torch.no_grad()
def equivariance_error(model, sequences: Source, factor, count=None, steps=None) -> Float[Tensor, " n"]:
    """E_k before the mean: the error of each of the first `count` images (None: all) under one factor (M16).

    steps : more steps than trained measure extrapolation (M19).
    """
    return _over_images(sequences, factor, count, steps, lambda batch: path_error(model, batch))


@torch.no_grad()
def no_motion(sequences: Source, factor, count=None, steps=None) -> Float[Tensor, " n"]:
    """Σ_t ‖x_t − x_0‖₁: the error of showing x_0 throughout. A reference, not a bound: a bad flow exceeds it."""
    return _over_images(sequences, factor, count, steps, _still_error)


def _still_error(batch):
    moved = batch.frames[:, 1:]
    return frame_errors(moved, batch.frames[:, :1].expand_as(moved)).sum(1)


@torch.no_grad()
def encoded_error(model, sequences: Source, factor, count=None) -> Float[Tensor, " n"]:
    """Σ_{t≥1} ‖x_t − E[x|μ(x_t)]‖₁: each true frame encoded and decoded, nothing flows (M16). The floor of a code that always follows.

    A reference, not a bound: a flow whose decoder was trained on moved codes can fall below it. count : the first images (None: all)
    """

    def error(batch):
        codes = model.encode(batch.frames[:, 1:].flatten(0, 1)).mean.unflatten(0, (len(batch), -1))
        return frame_errors(batch.frames[:, 1:], decode_mean(model, codes)).sum(1)

    return _over_images(sequences, factor, count, None, error)
