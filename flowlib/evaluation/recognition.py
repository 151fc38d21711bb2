"""Recognising the factor and continuing what was seen: what models that infer k are asked beyond M16 (M15)."""

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.data import Batch, Source, over_chunks
from flowlib.errors import FlowlibError
from flowlib.evaluation.equivariance import Estimate, decode_mean, frame_errors, moved_path, trained_part


@torch.no_grad()
def factor_accuracy(model, sequences: Source, count=None) -> Estimate:
    """The share of sequences x_0 … x_T whose factor `model.infer_factor` names, every image under all K factors (M15).

    In [0, 1], 1/K by guessing, 1 for a model to which k is given. The K sequences of an image share a batch, so that no
    batch tells its factor; they are averaged before the standard error is taken. count : the first images (None: all).
    """

    def hits(chunk):
        batch = all_factors(sequences, chunk)
        right = model.infer_factor(batch) == batch.factor
        return right.float().unflatten(0, (len(sequences.factors), -1)).mean(0)

    return Estimate.of(over_chunks(sequences, count, hits))


def all_factors(sequences: Source, indices) -> Batch:
    """The full sequences (K·B, T+1, …) of the images at `indices` under every factor, grouped by factor; as long as the shortest."""
    batches = [sequences.full_batch(indices, factor) for factor in range(len(sequences.factors))]
    steps = min(batch.steps for batch in batches)
    frames, times = (torch.cat([getattr(b, name)[:, : steps + 1] for b in batches]) for name in ("frames", "times"))
    return Batch(frames, times, torch.cat([b.factor for b in batches]), steps)


@torch.no_grad()
def continuation_error(model, sequences: Source, factor, seen=4, count=None) -> Float[Tensor, " n"]:
    """Σ_{t=seen+1}^T ‖x_t − E[x|z_t]‖₁ per image, in pixels: k recognised from x_0 … x_seen alone (M15, M16).

    z_t is moved from μ(x_0) by the recognised flow.
    factor : the true one, by name or number;  count : the first images (None: all)
    Raises FlowlibError unless 1 ≤ seen < T: something must move, and something be left to predict.
    """
    steps = sequences.length(factor)
    if not 1 <= seen < steps:
        raise FlowlibError(f"seen = {seen}: show 1 … {steps - 1} of the {steps} steps")

    def error(chunk):
        batch = sequences.full_batch(chunk, factor)
        path = moved_path(model, trained_part(batch, seen), steps)
        return frame_errors(batch.frames[:, seen + 1 :], decode_mean(model, path[:, seen + 1 :])).sum(1)

    return over_chunks(sequences, count, error)
