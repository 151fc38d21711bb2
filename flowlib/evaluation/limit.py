"""The decoder's share of an error: what is left when codes may be anything (M16, M18, M19)."""

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.data import Source
from flowlib.errors import FlowlibError
from flowlib.evaluation.composition import superposed_path, superposed_times
from flowlib.evaluation.equivariance import decode_mean, frame_errors, moved_path, trained_part

IMAGES, ITERATIONS, RATE = 50, 100, 0.03


def limit_along(
    model, frames: Float[Tensor, "B F C H W"], path: Float[Tensor, "B F d"], iterations=ITERATIONS, rate=RATE
) -> Float[Tensor, "B F"]:
    """‖x_t − E[x|z_t]‖₁ after improving each z_t by gradient descent, from where the path has put it.

    An upper estimate of what no motion could beat: descent is cut off, and finds local optima (500 iterations lower it by a tenth).
    The best point met is kept, so it never exceeds the error of the path itself.
    """
    if iterations < 0:
        raise FlowlibError(f"iterations = {iterations}: improve in 0 or more iterations")
    z = path.detach().clone().requires_grad_()
    optimizer = torch.optim.Adam([z], lr=rate)
    best = torch.full(z.shape[:2], torch.inf, device=z.device)
    for step in range(iterations + 1):
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 - step / (iterations + 1))
        with torch.enable_grad():
            errors = frame_errors(frames, decode_mean(model, z))
            (z.grad,) = torch.autograd.grad(errors.sum(), z)
        best = torch.minimum(best, errors.detach())
        optimizer.step()
    return best


def decoder_limit(model, sequences: Source, factor, count=IMAGES, iterations=ITERATIONS, rate=RATE) -> Float[Tensor, " n"]:
    """`limit_along` the flow of one factor: the decoder's share of the equivariance error of the first `count` images (M16)."""
    return steps_limit(model, sequences, factor, sequences.length(factor), count, iterations, rate).sum(1)


def steps_limit(model, sequences: Source, factor, steps=16, count=IMAGES, iterations=ITERATIONS, rate=RATE) -> Float[Tensor, "n steps"]:
    """`limit_along` a flow of more steps than trained, or as many, step by step: the decoder's share of `steps_error` (M19)."""
    trained = sequences.length(factor)
    batch = sequences.full_batch(_first(sequences, count), factor, max(steps, trained))
    with torch.no_grad():
        path = moved_path(model, trained_part(batch, trained), steps)[:, 1:]
    return limit_along(model, batch.frames[:, 1 : steps + 1], path, iterations, rate)


def superposition_limit(model, sequences: Source, factors, count=IMAGES, iterations=ITERATIONS, rate=RATE) -> Float[Tensor, " n"]:
    """`limit_along` flows that act at once: the decoder's share of `superposition_error` (M18). factors, count as there."""
    times = superposed_times(sequences, factors, sequences.steps)
    frames = sequences.composed(_first(sequences, count), times)
    with torch.no_grad():
        path = superposed_path(model, model.encode(frames[:, 0]).mean, factors, sequences.steps)[:, 1:]
    return limit_along(model, frames[:, 1:], path, iterations, rate).sum(1)


def _first(sequences, count):
    if count < 1:
        raise FlowlibError(f"count = {count}: improve at least one image")
    return list(range(min(count, len(sequences))))
