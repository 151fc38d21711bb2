"""Equivariance error and its references, in one definition for every model (M16)."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.data import Batch, Source, over_chunks
from flowlib.errors import FlowlibError


@dataclass(frozen=True)
class Estimate:
    """A mean over n images or sequences with its standard error, in the unit of what was averaged; of one it has none."""

    mean: float
    standard_error: float | None
    n: int

    @classmethod
    def of(cls, values: Float[Tensor, " n"]):
        """The mean of per-image values."""
        if not bool(values.isfinite().all()):
            raise FlowlibError("a measured value is not finite: the model's outputs hold NaN or overflow")
        error = values.std().item() / len(values) ** 0.5 if len(values) > 1 else None
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


def moved_frames(model, batch: Batch, steps=None) -> Float[Tensor, "B steps C H W"]:
    """E[x|z_1] … E[x|z_T], or … E[x|z_steps], of `moved_path`."""
    return decode_mean(model, moved_path(model, batch, steps)[:, 1:])


def own_motion(model, batch: Batch) -> Tensor:
    """What moves each sequence, (B, …): the model's `motion`, or the factor that it infers or is given."""
    return model.motion(batch) if hasattr(model, "motion") else model.infer_factor(batch)


def trained_part(batch: Batch, steps: int) -> Batch:
    """The frames x_0 … x_steps of longer sequences: all that a model is told of them."""
    return replace(batch.take(frames=slice(steps + 1)), steps=steps)


def pixel_errors(sequences: Source, factor, shown, steps=None, count=None) -> Float[Tensor, "n steps"]:
    """‖x_t − shown_t‖₁, t = 1 … steps (None: T), of the first `count` images (None: all) under one factor, in pixels.

    shown : batch → what is held against x_1 … x_steps. It is told the trained steps x_0 … x_T alone.
    """
    if steps is not None and steps < 1:
        raise FlowlibError(f"steps = {steps}: measure at least one step")
    trained = sequences.length(factor)

    def measure(chunk):
        batch = sequences.full_batch(chunk, factor, max(steps or 0, trained))
        return frame_errors(batch.frames[:, 1 : (steps or trained) + 1], shown(trained_part(batch, trained)))

    return over_chunks(sequences, count, measure)


@torch.no_grad()
def equivariance_error(model, sequences: Source, factor, count=None, steps=None) -> Float[Tensor, " n"]:
    """E_k before the mean: Σ_t ‖x_t − E[x|z_t]‖₁ of each of the first `count` images (None: all) under one factor (M16).

    z_t is moved from μ(x_0) by the model's noise-free transport.
    steps : more steps than trained measure extrapolation (M19).
    """
    return pixel_errors(sequences, factor, lambda batch: moved_frames(model, batch, steps), steps, count).sum(1)


@torch.no_grad()
def no_motion(sequences: Source, factor, count=None, steps=None) -> Float[Tensor, " n"]:
    """Σ_t ‖x_t − x_0‖₁: the error of showing x_0 throughout. A reference, not a bound: a bad flow exceeds it."""
    return pixel_errors(sequences, factor, lambda batch: batch.frames[:, :1], steps, count).sum(1)


@torch.no_grad()
def encoded_error(model, sequences: Source, factor, count=None) -> Float[Tensor, " n"]:
    """Σ_{t≥1} ‖x_t − E[x|μ(x_t)]‖₁: each true frame encoded and decoded, nothing flows (M16). The floor of a code that always follows.

    A reference, not a bound: a flow whose decoder was trained on moved codes can fall below it. count : the first images (None: all)
    """

    def shown(batch):
        return decode_mean(model, model.encode(batch.frames[:, 1:].flatten(0, 1)).mean.unflatten(0, (len(batch), -1)))

    return pixel_errors(sequences, factor, shown, count=count).sum(1)
