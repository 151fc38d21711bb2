"""Extrapolation: the error of each frame, trained steps and beyond, and its two references (M19)."""

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.data import Source, over_chunks
from flowlib.evaluation.equivariance import decode_mean, frame_errors, moved_frames, pixel_errors


@torch.no_grad()
def steps_error(model, sequences: Source, factor, steps=16, count=None) -> Float[Tensor, "n steps"]:
    """‖x_t − E[x|z_t]‖₁ in pixels for t = 1 … steps, z_t the model's flow from μ(x_0), frame by frame (M19).

    The first T columns add up to the equivariance error (M16). A model that infers the factor sees x_0 … x_T, no more.
    factor : by name or number;  count : the first images (None: all);  steps ≥ 1, else FlowlibError
    """
    return pixel_errors(sequences, factor, lambda batch: moved_frames(model, batch, steps), steps, count)


@torch.no_grad()
def stop_error(model, sequences: Source, factor, steps=16, count=None) -> Float[Tensor, "n steps"]:
    """As `steps_error` for t ≤ T; beyond, the model's own z_T is shown for ever: what going on must beat."""

    def stopped(batch):
        moved = moved_frames(model, batch)
        return moved[:, torch.arange(steps, device=moved.device).clamp(max=batch.steps - 1)]

    return pixel_errors(sequences, factor, stopped, steps, count)


@torch.no_grad()
def no_motion_steps(sequences: Source, factor, steps=16, count=None) -> Float[Tensor, "n steps"]:
    """‖x_t − x_0‖₁ for t = 1 … steps: the error of showing x_0 throughout."""
    return pixel_errors(sequences, factor, lambda batch: batch.frames[:, :1], steps, count)


LABELLED = ("near", "near, new labels", "far", "far, last label", "far, old labels", "far, stopped")


@torch.no_grad()
def label_errors(model, sequences: Source, factor: int, count=None) -> dict[str, Float[Tensor, " n"]]:
    """Label or place? Errors of T steps, in pixels, whose time labels are those of training or others (M19); names as in LABELLED.

    near : steps 1 … T from μ(x_0), labelled 1 … T, and labelled T + 1 … 2 T ("new labels")
    far : steps T + 1 … 2 T from the model's own z_T, labelled so, all labelled T ("last label"), labelled 1 … T ("old labels"), or not made
    """
    steps = sequences.length(factor)

    def move(z, first, count=steps):
        return model.transport(z, factor, count, first=first)[:, 1:]

    def measure(chunk):
        begin, frames = sequences.full_batch(chunk, factor, 2 * steps).frames.tensor_split([1], 1)
        start = model.encode(begin[:, 0]).mean
        near = move(start, 1)
        new, last = move(start, steps + 1), near[:, -1]
        held = [move(last, steps, 1)]
        for _ in range(steps - 1):
            held.append(move(held[-1][:, -1], steps, 1))
        far = [move(last, steps + 1), torch.cat(held, 1), move(last, 1), last[:, None].expand_as(near)]
        paths = [(frames[:, :steps], path) for path in (near, new)] + [(frames[:, steps:], path) for path in far]
        return torch.stack([frame_errors(true, decode_mean(model, path)).sum(1) for true, path in paths], 1)

    return dict(zip(LABELLED, over_chunks(sequences, count, measure).unbind(1), strict=True))
