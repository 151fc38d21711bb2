"""Sequences in which several factors move, each step with strengths of its own, most of them zero; nobody says which."""

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.data.batch import Batch
from flowlib.data.digests import digest_of
from flowlib.data.factorial import FactorialSequences
from flowlib.data.source import Source, shares
from flowlib.errors import FlowlibError

ACTIVITY = 0.3


class MixedSequences(Source):
    """Training sequences of a composable source that begin anywhere, and whose every step moves each factor with probability `activity`.

    Every factor begins at a place drawn uniformly from its steps 0 … T. Independently of all else, an active one moves forward or backward:
    of images by a size drawn uniformly from [½, 1½] steps, of a full factorial data set by one value. What would lie beyond
    the ends 0 and T is shown at the end: a factor that went on walking out there has to come back before it is seen to move. Batches hold
    all frames x_0 … x_T in order, and no labels (−1). Everything else, such as sequences of one factor for evaluation, is the source's own.
    """

    batches_labelled = False
    starts = "mixed"  # as `Config.starts` calls them

    def __init__(self, source: Source, activity: float = ACTIVITY):
        if not source.composable:
            raise FlowlibError(f"{type(source).__name__} cannot show several factors at once here: choose images, or fewer steps")
        if getattr(source, "corner", ()):
            raise FlowlibError(f"corner = {source.corner}: mixed sequences would walk into it; leave no corner out")
        if not 0 < activity <= 1:
            raise FlowlibError(f"activity = {activity}: give a probability above 0, up to 1")
        self.source, self.activity, self.whole = source, activity, isinstance(source, FactorialSequences)
        self.factors, self.steps, self.channels, self.size = source.factors, source.steps, source.channels, source.size
        self.device, self.endless, self.composable = source.device, source.endless, True

    def __len__(self):
        return len(self.source)

    def digest(self) -> str:
        own = self.source.digest()
        return own and digest_of(own, f"{self.activity}")

    def to(self, device) -> "MixedSequences":
        self.source.to(device)
        return super().to(device)

    def first_frames(self, indices=slice(None)):
        return self.source.first_frames(indices)

    def frames_of(self, indices, factor, times):
        return self.source.frames_of(indices, factor, times)

    def length(self, factor) -> int:
        return self.source.length(factor)

    def reach(self, factor):
        return self.source.reach(factor)

    def composed(self, indices, times):
        return self.source.composed(indices, times)

    def composed_values(self, indices, times):
        return self.source.composed_values(indices, times)

    def places(self, count: int, generator) -> Float[Tensor, "n frames K"]:
        """The step 0 … T of each factor in the frames t = 0 … T; their differences are the strengths of the steps."""
        shape, drawn = (count, self.steps, len(self.factors)), {"generator": generator, "device": generator.device}
        begin = (self.steps + self.whole) * torch.rand(count, 1, len(self.factors), **drawn)
        active = torch.rand(shape, **drawn) < self.activity
        size = torch.ones(shape, device=generator.device) if self.whole else 0.5 + torch.rand(shape, **drawn)
        moves = active * size * (2 * torch.randint(2, shape, **drawn) - 1)
        begin = begin.floor() if self.whole else begin
        return torch.cat([begin, begin + moves.cumsum(1)], 1).clamp(0, self.steps).to(self.device)

    def mixed(self, indices, places: Float[Tensor, "n frames K"]) -> Batch:
        """All frames of the sequences at `indices` with the factors at these places, without labels."""
        frames = self.source.composed(indices, places.round().long() if self.whole else places)
        times = torch.arange(self.steps + 1, device=frames.device).expand(len(frames), -1)
        return Batch(frames, times, torch.full((len(frames),), -1, device=frames.device), self.steps)

    def training_batch(self, batch_size, frames_per_step, generator, part=(0, 1), beginning=0) -> Batch:
        """All frames of random sequences; several processes share the batch as one whose sequences have labels (`shares`)."""
        indices = torch.randint(len(self), (batch_size,), generator=generator, device=generator.device)
        rows, _ = shares(batch_size, len(self.factors), part)
        return self.mixed(indices[rows].to(self.device), self.places(batch_size, generator)[rows])
