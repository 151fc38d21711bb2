"""Sequences over a full factorial data set: one factor moves, one value a step, and nothing else does."""

import math

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from flowlib.data.batch import Batch, in_random_order
from flowlib.data.corner import in_corner
from flowlib.data.source import Source, shares
from flowlib.data.transforms import as_floats
from flowlib.errors import FlowlibError


class FactorialSequences(Source):
    """Sequences along the factors of images that exist in every combination of factor values.

    images : the data set (`Shapes3D`, `Falcor3D`, `Isaac3D`, `Rooms`, `Studio`): its `grid`, `channels`, `size`, and `read(numbers)` → bytes
    factors : names of the K factors that move; None: all with more than one value
    steps : T, the most steps of a sequence; None: of the longest factor. Factor k moves T_k = min(T, size − 1) steps (`lengths`)
    members : numbers of the images that sequences begin at, in their order (`parted`); None: all
    corner : factors whose upper halves, all at once, no frame shows (`in_corner`)
    unseen : which images besides no frame shows, (len(grid),) booleans, such as those of held-out `lines`; None: any may be shown

    Sequences that enter a corner or show an unseen image are not drawn, and members from which a sequence of any factor does are left out.
    (`composed` may be asked for what lies there.) Members alone part the starts, not what is seen: frames belong to sequences of several factors,
    and where a factor's starts are folded, below, sequences of other members are the same (`flowlib.book.scene_errors.overlap` counts).
    A factor that is not cyclic begins at a value from which T_k steps are left: at its member's, modulo their number, so that the lower ones of
    them may come up to twice as often as the others. Sequences of a training batch have different lengths, which
    `Batch.weights` takes into account. With T_k = T for all factors, `composed` works too: every factor is moved at once.
    """

    def __init__(self, images, factors=None, steps: int | None = None, members=None, corner=(), unseen=None):
        grid = self.grid = images.grid
        names = tuple(grid.names) if factors is None else tuple(factors)
        self._images = images
        self.factors = tuple(name for name in names if factors is not None or grid.longest(name) > 0)
        if not self.factors or len(set(self.factors)) < len(self.factors):
            raise FlowlibError(f"factors = {self.factors}: name one or more different ones of {', '.join(grid.names)}")
        longest = [grid.longest(name) for name in self.factors]
        self.steps = max(longest) if steps is None else steps
        if not 1 <= self.steps <= max(longest) or min(longest) < 1:
            raise FlowlibError(f"steps = {self.steps}: these factors have {min(longest)} … {max(longest)} steps; give 1 … {max(longest)}")
        self.lengths = tuple(min(self.steps, one) for one in longest)
        self.channels, self.size = images.channels, images.size
        self.composable = min(self.lengths) == self.steps
        self._members = np.arange(len(grid)) if members is None else _whole_numbers(members)
        grid.digits(np.array([self._members.min(), self._members.max()]))  # they exist where the first and the last do
        self._begins = [self._members] * len(self.factors)  # of the sequences of each factor that are drawn
        self.corner = tuple(corner)
        if corner or unseen is not None:
            unseen = np.zeros(len(grid), dtype=bool) if unseen is None else np.asarray(unseen)
            if unseen.shape != (len(grid),) or unseen.dtype != bool:
                raise FlowlibError(f"unseen {unseen.shape} of {unseen.dtype}: give a truth value for each image, ({len(grid)},)")
            self._leave_out(unseen | in_corner(grid, self.corner, np.arange(len(grid))))

    def _leave_out(self, images: Bool[np.ndarray, " N"]):
        """Keep the sequences that show none of these images, and the members whose sequences never do."""
        safe = [~images[self._members] & ~images[self.lines(k)].any(-1) for k in range(len(self.factors))]
        always = np.logical_and.reduce(safe)
        if not always.any():
            raise FlowlibError(
                f"corner = {self.corner}: of {len(self._members)} images none is left whose sequences of all factors show none of the {images.sum()} "
                "that are left out. Hold fewer out (held_out), give validation more, or name another corner: of more factors, or of others"
            )
        self._begins = [self._members[one] for one in safe]
        self._members = self._members[always]

    def shown(self) -> Bool[np.ndarray, " N"]:
        """Which images lie on the lines of the members: all values of one factor, all else as it is; of every factor."""
        found = np.zeros(len(self.grid), dtype=bool)
        for name in self.factors:
            digits = np.repeat(self.grid.digits(self._members)[:, None], self.grid.longest(name) + 1, 1)
            digits[..., self.grid.number(name)] = np.arange(self.grid.longest(name) + 1)
            found[self.grid.indices(digits)] = True
        return found

    def enters(self, corner, indices, factor) -> np.ndarray:
        """Which sequences of one factor, given by name or number, show a frame in a corner: (n,) booleans."""
        k = self._number(factor)
        return in_corner(self.grid, corner, self.numbers(self._members[_array(indices)], k, np.arange(self.lengths[k] + 1))).any(-1)

    def __len__(self):
        return len(self._members)

    def first_frames(self, indices=slice(None)) -> Float[Tensor, "n C H W"]:
        """The images that sequences begin at, before a factor is set to where it has room."""
        return self._get(self._members[_array(indices)][:, None])[:, 0]

    def frames_of(self, indices, factor, times):
        return self._get(self.numbers(self._members[_array(indices)], factor, times.numpy()))

    def numbers(self, begin: Int[np.ndarray, " n"], factor: int, times) -> Int[np.ndarray, "n F"]:
        """Which images are the frames at `times` of the sequences of one factor that begin at these images."""
        room = max(self.lengths[factor], int(np.max(times)))
        return self.grid.moved(self._with_room(begin, [factor], room), self.factors[factor], times)

    def lines(self, factor) -> Int[np.ndarray, "n F"]:
        """Which images are the frames x_0 … x_{T_k} of all sequences of one factor that are drawn, in the order of the members."""
        k = self._number(factor)
        return self.numbers(self._begins[k], k, np.arange(self.lengths[k] + 1))

    def length(self, factor) -> int:
        """T_k."""
        return self.lengths[self._number(factor)]

    def reach(self, factor):
        """Around a cyclic factor without end; else to the end of its values. Sequences longer than T_k begin where there is room for them."""
        name = self.factors[self._number(factor)]
        return math.inf if name in self.grid.cyclic else self.grid.longest(name)

    def training_batch(self, batch_size, frames_per_step, generator, part=(0, 1), beginning=0) -> Batch:
        if beginning:
            raise FlowlibError(f"beginning = {beginning}: batches of these sequences hold random frames alone; choose another model or source")
        if frames_per_step > min(self.lengths):
            raise FlowlibError(
                f"{frames_per_step} frames per step: sequences of the shortest factor have {min(self.lengths)}; take fewer frames"
            )
        frames, times, factor = self.draw(batch_size, frames_per_step, generator, part)
        lengths = torch.tensor(self.lengths, device=factor.device)[factor]
        return Batch(frames, times, factor, self.steps, None if self.composable else lengths)

    def draw(self, batch_size, frames_per_step, generator, part):
        rows, factor = shares(batch_size, len(self.factors), part)
        drawn = torch.rand(batch_size, generator=generator, device=generator.device).cpu()[rows]
        order = torch.rand(batch_size, self.steps, generator=generator, device=generator.device).cpu()[rows]
        times = 1 + in_random_order(order, torch.tensor(self.lengths, device="cpu")[factor])[:, :frames_per_step]
        times = torch.cat([torch.zeros_like(times[:, :1]), times], 1)
        numbers = []
        for k, begins in enumerate(self._begins):  # `shares` has the factors one after the other
            own = factor == k
            begin = begins[(drawn[own].double().numpy() * len(begins)).astype(np.int64)]
            numbers.append(self.numbers(begin, k, times[own].numpy()))
        return self._get(np.concatenate(numbers)), times.to(self.device), factor.to(self.device)

    def composed(self, indices, times: Int[Tensor, "*B F K"]) -> Float[Tensor, "n F C H W"]:
        """Images that show every factor at once, factor k at its step times[f, k] (M18)."""
        return self._get(self._composed_numbers(indices, times))

    def composed_values(self, indices, times: Int[Tensor, "B K"]) -> Int[Tensor, "B K"]:
        """The value of every factor on the grid: begin and step together, and hues go around."""
        digits = self.grid.digits(self._composed_numbers(indices, times[:, None])[:, 0])
        return torch.from_numpy(digits[:, [self.grid.number(name) for name in self.factors]])

    def _composed_numbers(self, indices, times) -> Int[np.ndarray, "n F"]:
        if not self.composable:
            raise FlowlibError(f"factors of {self.lengths} steps cannot all be moved {self.steps} steps: choose steps = {min(self.lengths)}")
        if times.shape[-1] != len(self.factors):
            raise FlowlibError(f"times {tuple(times.shape)}: the last axis holds a step for each of {self.factors}")
        numbers = self._with_room(self._members[_array(indices)], range(len(self.factors)), self.steps)
        steps = times.cpu().expand(len(numbers), -1, -1).numpy()
        numbers = np.repeat(numbers[:, None], steps.shape[1], 1)
        for k, name in enumerate(self.factors):
            numbers = self.grid.moved(numbers.reshape(-1), name, steps[..., k].reshape(-1, 1)).reshape(numbers.shape)
        return numbers

    def _with_room(self, numbers, factors, steps):
        """The images with these factors at values from which so many steps are left."""
        digits = self.grid.digits(numbers)
        for name in (self.factors[k] for k in factors):
            if name not in self.grid.cyclic:
                digits[..., self.grid.number(name)] %= self.grid.starts(name, steps)
        return self.grid.indices(digits)

    def _get(self, numbers):
        """Frames of images given by number (n, F), on the device."""
        return as_floats(self._images.read(numbers.reshape(-1)), self.device).unflatten(0, numbers.shape)


def _whole_numbers(members):
    numbers = np.asarray(members)
    if numbers.ndim != 1 or not len(numbers) or numbers.dtype.kind not in "iu":
        raise FlowlibError(f"members {numbers.shape} of {numbers.dtype}: give the numbers of one or more images, (n,), no truth values")
    return numbers.astype(np.int64)


def _array(indices):
    return indices.cpu().numpy() if isinstance(indices, Tensor) else indices
