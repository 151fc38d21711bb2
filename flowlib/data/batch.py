"""What every model consumes: sequences of frames and the factor that moves each of them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flowlib.errors import FlowlibError


@dataclass(frozen=True)
class Batch:
    """B sequences under one transformation of growing strength each; all frames x_0 … x_T, or a random few of them.

    frames : (B, F, C, H, W) in [0, 1]; frames[:, 0] is x_0
    times : (B, F) the step t that each frame shows; times[:, 0] = 0
    factor : (B,) integers in {0 … K−1}, or −1 where nobody knows. Training batches are grouped by factor, with equally many of each,
        so that the K potentials run as one batched matrix product (`flowlib.flows.posterior.group_by_factor`)
    steps : T
    lengths : (B,) the steps T_b ≤ T of each sequence, where they differ; frames beyond are never asked for, and weigh nothing
    activity : (B, T, K) of a program: 1 where factor k acts in step t, else 0; None where `factor` acts in every step
    """

    frames: Float[Tensor, "B F C H W"]
    times: Int[Tensor, "B F"]
    factor: Int[Tensor, " B"]
    steps: int
    lengths: Int[Tensor, " B"] | None = None
    activity: Float[Tensor, "B T K"] | None = None

    def __len__(self):
        return len(self.frames)

    @property
    def motion(self) -> Tensor:
        """What moves the sequences, as `flowlib.flows.run_flow` takes it: the program where there is one, or the factor."""
        return self.factor if self.activity is None else self.activity

    @property
    def complete(self) -> bool:
        """Whether it holds all frames x_0 … x_T, in order."""
        return torch.equal(self.times, torch.arange(self.steps + 1, device=self.times.device).expand(len(self), -1))

    @property
    def weights(self):
        """(F,) weights that make a sum over the frames present an unbiased estimate of the sum over all T+1.

        x_0 is always there and counts once; the F − 1 others, drawn uniformly, stand for T frames. Where lengths differ, (B, F).
        """
        others = self.frames.shape[1] - 1
        if self.lengths is not None:
            each = self.lengths.to(self.frames)[:, None] / max(others, 1)
            return torch.cat([torch.ones_like(each), each.expand(-1, others)], 1)
        weights = self.frames.new_full((1 + others,), self.steps / max(others, 1))
        weights[0].fill_(1)
        return weights

    def take(self, rows=slice(None), frames=slice(None)):
        """The batch of some of its sequences and frames, with their steps; both are slices or lists of indices."""
        lengths = None if self.lengths is None else self.lengths[rows]
        activity = None if self.activity is None else self.activity[rows]
        return Batch(self.frames[rows][:, frames], self.times[rows][:, frames], self.factor[rows], self.steps, lengths, activity)

    def draw_frame(self, generator=None) -> tuple[Tensor, Tensor, Tensor]:
        """(frames (B, 1, C, H, W), times (B, 1), weights (B, 1)): of each sequence one, drawn in proportion to its weight, for all T + 1.

        Its weight is their sum, so that it estimates without bias what the frames present estimate.
        """
        weights = self.weights.expand(self.times.shape)
        level = torch.rand(len(self), 1, generator=generator, device=weights.device, dtype=weights.dtype) * weights.sum(1, keepdim=True)
        place = (weights.cumsum(1) <= level).sum(1, keepdim=True).clamp_max(weights.shape[1] - 1)  # rounding may put the level at the end
        rows = torch.arange(len(self), device=place.device)[:, None]
        return self.frames[rows, place], self.times.gather(1, place), weights.sum(1, keepdim=True)

    def draw_steps(self, count: int, generator=None) -> tuple[Tensor, Tensor]:
        """(steps (B, count) among 0 … T − 1, weight (B, 1)): of each sequence `count` different ones of its own, each of which stands for so many.

        A sequence that has fewer gets them all; what is drawn beyond its length is for `within` to leave out.
        """
        steps = in_random_order(torch.rand(len(self), self.steps, generator=generator, device=self.frames.device), self.lengths)
        own = self.frames.new_full((len(self), 1), self.steps) if self.lengths is None else self.lengths.to(self.frames)[:, None]
        return steps[:, :count], own / own.clamp_max(count)

    def until(self, last: int) -> Tensor:
        """The frames x_0 … x_last in order, (B, last + 1, C, H, W); raises FlowlibError where the batch lacks some of them."""
        there, place = (self.times[:, :, None] == torch.arange(last + 1, device=self.times.device)).max(1)
        if not there.all():
            raise FlowlibError(f"the batch lacks some of the frames x_0 … x_{last}: draw it with beginning = {last} (`Source.training_batch`)")
        return self.frames[torch.arange(len(self), device=place.device)[:, None], place]

    def within(self, values: Tensor, first: int = 0) -> Tensor:
        """Values (B, T', …) of steps first, first + 1 …, with zeros beyond the length of each sequence."""
        if self.lengths is None:
            return values
        beyond = torch.arange(first, first + values.shape[1], device=values.device) > self.lengths[:, None]
        return values.masked_fill(beyond.unflatten(1, (-1,) + (1,) * (values.ndim - 2)), 0)

    def mean_step(self, values: Float[Tensor, "B T"]) -> Float[Tensor, ""]:
        """The mean of values of the steps 1 … T: over the steps that a sequence has, and then over the sequences."""
        if self.lengths is None:
            return values.mean()
        return (self.within(values, first=1).sum(1) / self.lengths).mean()

    def check(self, factors=None):
        """Raise FlowlibError unless frames are finite and in [0, 1], times and labels what they should be; return the batch.

        factors : K, where labels are to be below it
        """
        low, high = self.frames.aminmax()
        if not (low >= 0 and high <= 1):  # NaN fails both
            raise FlowlibError(f"frames range from {low:g} to {high:g}: divide bytes by 255, and look for NaN in the images")
        if bool((self.times[:, 0] != 0).any()) or int(self.times.min()) < 0:
            raise FlowlibError(f"times {self.times[0].tolist()} …: the first frame of every sequence is x_0, at time 0, and none is before it")
        low, high = int(self.factor.min()), int(self.factor.max())
        if low < -1 or factors is not None and high >= factors:
            raise FlowlibError(
                f"labels range from {low} to {high}: give 0 … K − 1" + f", K = {factors}" * (factors is not None) + ", or −1 where nobody knows"
            )
        return self


def check_drawn(drawn, owner) -> tuple:
    """What a source's `draw` returned, (frames, times, factor) and perhaps the activity; raises FlowlibError for anything else."""
    if not isinstance(drawn, tuple) or len(drawn) not in (3, 4):
        found = f"{len(drawn)} things" if isinstance(drawn, tuple) else f"a {type(drawn).__name__}"
        raise FlowlibError(f"{owner}.draw returned {found}: give (frames (b, 1+F, C, H, W), times (b, 1+F), factor (b,))")
    frames, times, factor = drawn[:3]
    fits = (
        all(isinstance(one, Tensor) for one in drawn[:3])
        and frames.ndim == 5
        and frames.shape[:2] == times.shape
        and frames.shape[:1] == factor.shape
    )
    if not fits or not frames.is_floating_point() or any(one.is_floating_point() or one.dtype == torch.bool for one in (times, factor)):
        kinds = ", ".join(f"{tuple(one.shape)} {one.dtype}" if isinstance(one, Tensor) else type(one).__name__ for one in drawn[:3])
        raise FlowlibError(
            f"{owner}.draw returned {kinds}: give frames (b, 1+F, C, H, W) of floats in [0, 1], and whole numbers, times (b, 1+F) and factor (b,)"
        )
    return drawn


def in_random_order(drawn: Float[Tensor, "B T"], lengths: Int[Tensor, " B"] | None = None) -> Int[Tensor, "B T"]:
    """The steps 0 … T − 1 of each sequence in the order of numbers drawn from [0, 1); those beyond its length come last."""
    if lengths is not None:
        beyond = torch.arange(drawn.shape[1], device=drawn.device) >= lengths[:, None]
        drawn = drawn.masked_fill(beyond, 2.0)
    return drawn.argsort(1)


def grouped_factors(batch_size, factors, device=None):
    """(B,) factor labels 0…0 1…1 … K−1…K−1, equally many of each; B must be a multiple of K."""
    if batch_size % factors:
        raise FlowlibError(f"batch size {batch_size} is no multiple of the {factors} factors")
    return torch.arange(factors, device=device).repeat_interleave(batch_size // factors)
