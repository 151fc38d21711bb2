"""What trainer, evaluation and measures need of a set of factor sequences. A source of your own is a subclass."""

import inspect
import math
import operator
from itertools import pairwise
from numbers import Integral

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flowlib.data.batch import Batch, check_drawn, grouped_factors, in_random_order
from flowlib.data.digests import digest_of_frames
from flowlib.data.options import place_of
from flowlib.errors import FlowlibError

CHUNK = 250  # images of 28 × 28 pixels encoded or decoded at a time, fewer of larger ones


class Source:
    """Sequences x_0 … x_T of images (C, H, W) in [0, 1], each under one of K factors.

    factors : the K names;  steps : T ≥ 1;  channels, size : C, and H = W;  device : where batches are
    labelled : False where nobody says which factor moves a sequence. Models that infer it train all the same, for no label is read;
        what they find is then numbered as they found it, and `full_batch` is asked with factor None
    batches_labelled : False where training batches have no labels, though `full_batch` has: several factors move in each step
    endless : frames beyond x_T can be had, for extrapolation (M19);  composable : `composed` works (M18, MIG and DCI)

    Needed: `__len__`, `first_frames`, `frames_of` and `draw`; the rest follows from them.
    """

    factors: tuple[str, ...]
    steps: int
    channels: int
    size: int
    device = torch.device("cpu")
    labelled = True
    batches_labelled = True
    endless = False
    composable = False

    def __len__(self):
        """n: `full_batch` and `first_frames` take indices 0 … n − 1, the same for every factor."""
        raise self._lacks("__len__")

    def first_frames(self, indices=slice(None)) -> Float[Tensor, "n C H W"]:
        """x_0 of the sequences at `indices` (a list, a tensor or a slice)."""
        raise self._lacks("first_frames")

    def frames_of(self, indices, factor, times: Int[Tensor, " F"]) -> Float[Tensor, "n F C H W"]:
        """The frames at `times` (on the CPU) of the sequences at `indices` of the factor with this number (or None: of all, unlabelled)."""
        raise self._lacks("frames_of")

    def draw(self, batch_size, frames_per_step, generator, part, beginning=0):
        """(frames (b, 1+F, C, H, W), times (b, 1+F), factor (b,)) of a random batch, and (b, T, K) where a program moves them (`Batch.activity`).

        See `training_batch`. `beginning` is passed only where it is not 0.
        """
        raise self._lacks("draw")

    def composed(self, indices, times: Int[Tensor, "*B F K"]) -> Float[Tensor, "n F C H W"]:
        """Frames that show every factor at once, factor k at its step times[f, k] (M18). Optional."""
        raise FlowlibError(f"{type(self).__name__} cannot compose factors: only transformations of images can (data.ImageSequences)")

    def composed_values(self, indices, times: Int[Tensor, "B K"]) -> Int[Tensor, "B K"]:
        """The value that every factor has in frames composed at these steps, alike for all images: labels for MIG and DCI (M20).

        The step itself, where all sequences begin plain. A source whose sequences begin at different values says which.
        """
        return times

    def digest(self) -> str:
        """A short text that changes when the data do, by which a run's folder recognises them: here of some first frames (`digest_of_frames`).

        A source that knows more of itself says more; "" where nobody can tell.
        """
        return digest_of_frames(self)

    def length(self, factor) -> int:
        """The steps of the sequences of one factor: T, where all are alike."""
        return self.steps

    def reach(self, factor):
        """How many steps of one factor can be had, T or more: no end where the source is endless."""
        return math.inf if self.endless else self.length(factor)

    def full_batch(self, indices, factor, steps=None) -> Batch:
        """All frames x_0 … x_T (or x_steps) of the sequences at `indices` of one factor, given by name or number."""
        index = self._number(factor)
        steps = self.length(factor) if steps is None else steps
        if not isinstance(steps, Integral) or steps < 0:
            raise FlowlibError(f"steps = {steps!r}: give a whole number, 0 or more")
        if steps > self.reach(factor):
            raise FlowlibError(f"steps = {steps}: these sequences end at T = {self.reach(factor)}; nothing was recorded beyond")
        times = torch.arange(steps + 1, device="cpu")
        frames, times = self.frames_of(indices, index, times), times.to(self.device)
        labels = torch.full((len(frames),), -1 if index is None else index, device=self.device)
        return Batch(frames, times.expand(len(frames), -1), labels, steps)

    def training_batch(self, batch_size, frames_per_step, generator, part=(0, 1), beginning=0) -> Batch:
        """A random batch grouped by factor: x_0 and `frames_per_step` different frames of x_1 … x_T per sequence.

        part : (r, R): the r-th of R equal shares of the same batch, which R processes make together
        beginning : append x_1 … x_beginning of every sequence to these, for models that must see how it begins
        """
        more = {"beginning": beginning} if beginning else {}
        if beginning:
            self._check_draw(beginning)
        drawn = self.draw(batch_size, frames_per_step, generator, part, **more)
        frames, times, factor, *activity = check_drawn(drawn, type(self).__name__)
        return Batch(frames, times, factor, self.steps, None, *activity)

    def to(self, device) -> "Source":
        """Make batches on another device from now on; returns the source."""
        self.device = torch.device(device)
        return self

    def _check_draw(self, beginning):
        taken = inspect.signature(self.draw).parameters.values()
        if not any(one.name == "beginning" or one.kind is one.VAR_KEYWORD for one in taken):
            raise FlowlibError(
                f"{type(self).__name__}.draw knows no beginning = {beginning}, and this model must see how sequences begin: "
                "let draw append x_1 … x_beginning"
            )

    def _lacks(self, method):
        return FlowlibError(
            f"{type(self).__name__} lacks {method}: a source needs __len__, first_frames, frames_of and draw (flowlib.data.Source)"
        )

    def _number(self, factor):
        if factor is None and not self.labelled:
            return None
        if not self.labelled:
            raise FlowlibError(f"factor {factor!r}: these sequences have no labels; ask for factor None, which is all of them")
        try:
            index = place_of(factor, self.factors) if isinstance(factor, str) else operator.index(factor)
        except TypeError:  # no whole number
            index = -1
        if isinstance(factor, bool) or not 0 <= index < len(self.factors):
            raise FlowlibError(f"factor {factor!r} does not exist: give a name, or a whole number 0 … {len(self.factors) - 1}")
        return index

    def _random_times(self, batch_size, frames_per_step, generator, beginning=0) -> Int[Tensor, "B F"]:
        """Time 0, and different random ones of 1 … T; then 1 … beginning."""
        order = in_random_order(torch.rand(batch_size, self.steps, generator=generator, device=generator.device))
        first = torch.arange(1, beginning + 1, device=order.device).expand(batch_size, -1)
        return torch.cat([torch.zeros_like(order[:, :1]), 1 + order[:, :frames_per_step], first], 1)


def single_factor_batch(source: Source, batch_size, frames_per_step, generator, part=(0, 1), **more) -> Batch:
    """A random batch of one factor, which is drawn too (uniformly), as the published code trains: a share of a K times larger one."""
    if not source.labelled:
        raise FlowlibError("batches = 'single': these sequences have no labels, so nobody can say which have one factor; choose balanced")
    factors = len(source.factors)
    drawn = int(torch.randint(factors, (), generator=generator, device=generator.device))
    batch = source.training_batch(batch_size * factors, frames_per_step, generator, part, **more)
    count = len(batch) // factors
    return batch.take(rows=slice(drawn * count, (drawn + 1) * count))


def shares(batch_size, factors, part):
    """(rows of a batch that a process makes, their factors): of every factor's sequences an equal share."""
    rank, processes = part
    if batch_size % (factors * processes):
        raise FlowlibError(f"batch size {batch_size} is no multiple of the {factors} factors times {processes} processes")
    rows = torch.arange(batch_size, device="cpu").unflatten(0, (factors, processes, -1))[:, rank].flatten()
    return rows, grouped_factors(batch_size, factors, "cpu")[rows]


def kinds_of(sequences) -> dict:
    """Number → name of what is evaluated and drawn apart: the factors, or all sequences without labels together (None)."""
    return dict(enumerate(sequences.factors)) if sequences.labelled else {None: "all"}


def chunk_size(sequences) -> int:
    """How many images of these sequences are encoded or decoded at a time."""
    return max(1, min(CHUNK, CHUNK * 28**2 // sequences.size**2))


def over_chunks(sequences, count, measure):
    """measure(indices) (B, …) of the first `count` images (None: all), a chunk at a time: (n, …)."""
    count = len(sequences) if count is None else min(count, len(sequences))
    if count < 1:
        raise FlowlibError(f"count = {count}: measure at least one image")
    size = chunk_size(sequences)
    starts = list(range(0, count, size))
    if len(starts) > 1 and count - starts[-1] == 1:
        starts.pop()  # one image has no other beside it, to be swapped with
    return torch.cat([measure(list(range(*chunk))) for chunk in pairwise([*starts, count])])


def said_by(source) -> dict:
    """What a source says of its sequences, by the names of the configuration. Raises FlowlibError where it does not say all of it."""
    if lacking := [name for name in ("factors", "steps", "channels", "size") if not hasattr(source, name)]:
        raise FlowlibError(f"{type(source).__name__} lacks {', '.join(lacking)}: a source says what its sequences are (flowlib.data.Source)")
    return {"factors": tuple(source.factors), "horizon": source.steps, "channels": source.channels, "size": source.size}


def check_source(source, config, training=True):
    """Raise FlowlibError, naming what differs, unless a model of this configuration can read the source, or, if asked, be trained on it."""
    there = said_by(source)
    differing = [f"{name} {value!r}, the model {getattr(config, name)!r}" for name, value in there.items() if value != getattr(config, name)]
    if differing:
        raise FlowlibError(
            f"data and model do not fit: the data have {'; '.join(differing)}. In training, leave out the options that say otherwise; "
            "to evaluate, give data like those that the model was trained on"
        )
    if not source.labelled:
        _check_reader(config.model, "these sequences have no labels", "or give labels", "needs_labels")
    if training and getattr(source, "programs", "single") != "single":
        _check_programs(config.model, source.programs)
    if training and not source.batches_labelled:
        what = "in mixed sequences several factors move at once, so none has a label of its own"
        _check_reader(config.model, what, "or other starts", "needs_labels", "reads_labels")


def _check_reader(name, what, otherwise, *reads):
    """Raise FlowlibError for a model that says of itself all of `reads`: it cannot do without labels."""
    from flowlib.models.registry import MODELS, model_class  # models stand on data, not data on models

    model_class(name)
    readers = {key for key, one in MODELS.items() if all(getattr(one, read, True) for read in reads)}
    if name in readers:
        raise FlowlibError(f"{what}, which model {name!r} needs: choose one of {', '.join(sorted(MODELS.keys() - readers))}, {otherwise}")


def _check_programs(name, programs):
    """Raise FlowlibError for a model that cannot learn from sequences moved by more than one factor."""
    from flowlib.models.registry import model_class

    if not getattr(model_class(name), "reads_programs", False):
        raise FlowlibError(f"programs = {programs!r}: the model {name!r} is told one factor of a sequence; leave programs single")
