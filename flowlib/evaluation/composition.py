"""Composition: flows one after another and flows added, against images made by one composed warp (M18).

Factors are given by number and never recognised here: what is asked is whether learned flows combine.
"""

from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flowlib.data import Source, over_chunks
from flowlib.errors import FlowlibError
from flowlib.evaluation.equivariance import decode_mean, frame_errors


def switch_path(model, z: Float[Tensor, "B d"], first, second, at, steps, labels="restart", reencode=False) -> Float[Tensor, "B F d"]:
    """z_0 … z_steps: the flow of factor `first` for `at` steps, then that of `second` for steps − at (M18).

    labels : the second flow counts its time labels 1, 2, … ("restart") or goes on with at + 1, at + 2, … ("continue")
    reencode : look again at the switch: the second flow starts from μ(E[x|z_at]), the code of the picture drawn so far
    Raises FlowlibError unless 0 ≤ at ≤ steps and `labels` is one of the two.
    """
    _check_switch(at, steps)
    if labels not in ("restart", "continue"):
        raise FlowlibError(f"labels = {labels!r}: choose 'restart' or 'continue'")
    before = model.transport(z, first, at)
    here = model.encode(decode_mean(model, before[:, -1])).mean if reencode else before[:, -1]
    after = model.transport(here, second, steps - at, first=1 if labels == "restart" else at + 1)
    return torch.cat([before, after[:, 1:]], 1)


def superposed_path(model, z: Float[Tensor, "B d"], factors, steps) -> Float[Tensor, "B F d"]:
    """z_t = z_{t−1} + Σ_k (φ_k(z_{t−1}, t) − z_{t−1}), t = 1 … steps, φ_k one step of flow k with label t (M18)."""
    path = [z]
    for t in range(1, steps + 1):
        here = path[-1]
        path.append(here + sum(model.transport(here, factor, 1, first=t)[:, 1] - here for factor in factors))
    return torch.stack(path, 1)


def switch_times(sequences: Source, first, second, at, steps) -> Int[Tensor, "F K"]:
    """The step of every factor in frames t = 0 … steps: min(t, at) of `first`, max(t − at, 0) of `second`."""
    _check_switch(at, steps)
    times = superposed_times(sequences, (first, second), steps).clamp(max=at)
    times[:, second] = (torch.arange(steps + 1, device=times.device) - at).clamp(min=0)
    return times


def superposed_times(sequences: Source, factors, steps) -> Int[Tensor, "F K"]:
    """The step of every factor in frames t = 0 … steps: t of each of `factors`, 0 of the others."""
    _check_factors(sequences, factors)
    moving = [factor in factors for factor in range(len(sequences.factors))]
    return torch.arange(steps + 1, device=sequences.device)[:, None] * torch.tensor(moving, device=sequences.device)


@torch.no_grad()
def switch_error(
    model, sequences: Source, first, second, at=4, labels="restart", count=None, steps=None, reencode=False
) -> Float[Tensor, " n"]:
    """Σ_{t=1}^steps ‖x_t − E[x|z_t]‖₁ in pixels, z_t by `switch_path` from μ(x_0), x_t one composed warp (M18).

    count : the first images (None: all);  steps : T by default;  labels, reencode : as in `switch_path`
    Raises FlowlibError for one factor twice.
    """
    steps = sequences.steps if steps is None else steps
    times = switch_times(sequences, first, second, at, steps)
    path = partial(switch_path, model, first=first, second=second, at=at, steps=steps, labels=labels, reencode=reencode)
    return _composed_error(sequences, times, count, lambda frames: _drawn(model, path, frames))


@torch.no_grad()
def superposition_error(model, sequences: Source, factors, count=None, steps=None) -> Float[Tensor, " n"]:
    """As `switch_error` for `superposed_path`: Σ_{t=1}^steps ‖x_t − E[x|z_t]‖₁ in pixels (M16, M18).

    factors : different numbers; of one alone it is the equivariance error, where steps follow one another as in a flow
        (a regression on z_0 makes no such steps) and composed sequences begin as others (of a full factorial they begin where every
        factor has room). count, steps as there.
    """
    steps = sequences.steps if steps is None else steps
    times = superposed_times(sequences, factors, steps)
    path = partial(superposed_path, model, factors=factors, steps=steps)
    return _composed_error(sequences, times, count, lambda frames: _drawn(model, path, frames))


@torch.no_grad()
def composed_no_motion(sequences: Source, times: Int[Tensor, "F K"], count=None) -> Float[Tensor, " n"]:
    """Σ_{t≥1} ‖x_t − x_0‖₁ of frames composed at `switch_times` or `superposed_times`: showing x_0 throughout."""
    return _composed_error(sequences, times, count, lambda frames: frames[:, :1].expand_as(frames))


@torch.no_grad()
def commutator(model, sequences: Source, first, second, steps=4, count=None) -> Float[Tensor, " n"]:
    """‖φ₂∘φ₁(z) − φ₁∘φ₂(z)‖ over the mean path length of the two composites, z = μ(x_0), per image (M18).

    φ_k is the flow of factor k for `steps` steps, labelled 1 … steps. In [0, 2], for both composites start at z; 0 for
    flows that commute, and where nothing moves.
    """
    _check_factors(sequences, (first, second))
    if steps < 1:
        raise FlowlibError(f"steps = {steps}: each flow takes at least one step")
    still = torch.zeros(1, len(sequences.factors), dtype=torch.int64, device="cpu")

    def measure(chunk):
        begin = sequences.composed(chunk, still)[:, 0] if sequences.composable else sequences.first_frames(chunk)
        z = model.encode(begin).mean
        one, other = (switch_path(model, z, a, b, steps, 2 * steps) for a, b in ((first, second), (second, first)))
        lengths = [path.diff(dim=1).norm(dim=-1).sum(1) for path in (one, other)]
        distance = (one[:, -1] - other[:, -1]).norm(dim=-1)
        return torch.where(distance > 0, 2 * distance / sum(lengths), 0.0)

    return over_chunks(sequences, count, measure)


def _drawn(model, path, frames):
    """What the model draws along a path from the code of the first frame."""
    return decode_mean(model, path(z=model.encode(frames[:, 0]).mean))


def _composed_error(sequences, times, count, shown):
    def error(chunk):
        frames = sequences.composed(chunk, times)
        return frame_errors(frames, shown(frames))[:, 1:].sum(1)

    return over_chunks(sequences, count, error)


def _check_switch(at, steps):
    if not 0 <= at <= steps:
        raise FlowlibError(f"at = {at}: switch at one of the steps 0 … {steps}")


def _check_factors(sequences, factors):
    known = range(len(sequences.factors))
    if not factors or len(set(factors)) < len(factors) or not set(factors) <= set(known):
        raise FlowlibError(f"factors {tuple(factors)}: name different ones of 0 … {len(known) - 1}, each once")
