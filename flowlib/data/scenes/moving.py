"""Sequences of rooms whose factors move in steps of any size: hues, scale and orientation between the values of the grid."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from flowlib.data.scenes.render import SIDE
from flowlib.data.scenes.rooms import GRID, Rooms
from flowlib.data.scenes.solids import SHAPES
from flowlib.data.scenes.store import ORIENTATIONS, SCALES
from flowlib.data.sequences import as_floats
from flowlib.data.source import Source, shares
from flowlib.errors import FlowlibError

MOVES = {"floor_hue": 0.5, "wall_hue": 0.5, "object_hue": 0.5, "scale": 0.25, "orientation": 30.0}  # after T steps: turns, a factor, degrees


class RoomSequences(Source):
    """Sequences of T steps, for any T: hues by half a turn, scale by a quarter, orientation by 30 degrees, in equal steps.

    count : how many rooms sequences begin with, each with hues anywhere, and with scale and orientation from where all their steps are left
    factors : some of MOVES;  steps : T;  seed : of the rooms;  rooms : `Rooms`, where they are there already

    A geometry that the grid of rooms lacks is rendered when it is first asked for (about 50 ms), 4 (2T + 1)² of them in the end.
    """

    channels, size, composable = 3, SIDE, True

    def __init__(self, count: int = 1000, factors=tuple(MOVES), steps: int = 8, seed: int = 0, rooms: Rooms | None = None):
        if count < 1 or steps < 1:
            raise FlowlibError(f"count = {count}, steps = {steps}: give 1 or more of each")
        self.factors, self.steps = tuple(factors), steps
        if not self.factors or len(set(self.factors)) < len(self.factors) or not set(self.factors) <= set(MOVES):
            raise FlowlibError(f"factors = {self.factors}: name one or more different ones of {', '.join(MOVES)}")
        self._rooms = Rooms() if rooms is None else rooms
        random = np.random.RandomState(seed)  # numpy keeps its stream frozen
        hues, shape = random.uniform(size=(count, 3)), random.randint(len(SHAPES), size=count)
        begin = random.randint(steps + 1, size=(count, 2)) / steps
        self._values = np.column_stack([
            hues, SCALES[0] + MOVES["scale"] * begin[:, 0], shape, ORIENTATIONS[0] + MOVES["orientation"] * begin[:, 1],
        ])  # fmt: skip

    def __len__(self):
        return len(self._values)

    def first_frames(self, indices=slice(None)) -> Float[Tensor, "n 3 64 64"]:
        """The rooms at `indices`, where all their sequences begin."""
        return self._images(self._values[_array(indices)])

    def frames_of(self, indices, factor, times):
        steps = torch.zeros(len(times), len(self.factors), dtype=torch.int64, device="cpu")
        steps[:, factor] = times.cpu()
        return self.composed(indices, steps)

    def composed(self, indices, times: Int[Tensor, "*B F K"]) -> Float[Tensor, "n F C H W"]:
        """Rooms that show every factor at once, factor k at its step times[f, k] (M18)."""
        if times.shape[-1] != len(self.factors) or not 0 <= int(times.min()) <= int(times.max()) <= self.steps:
            raise FlowlibError(f"times {tuple(times.shape)}: the last axis holds a step 0 … {self.steps} for each of {self.factors}")
        values = self._values[_array(indices)]
        steps = times.cpu().expand(len(values), -1, -1).numpy()
        values = np.repeat(values[:, None], steps.shape[1], 1)
        for k, name in enumerate(self.factors):
            values[..., GRID.number(name)] += MOVES[name] * steps[..., k] / self.steps
        return self._images(values.reshape(-1, values.shape[-1])).unflatten(0, steps.shape[:2])

    def draw(self, batch_size, frames_per_step, generator, part, beginning=0):
        rows, factor = shares(batch_size, len(self.factors), part)
        indices = torch.randint(len(self), (batch_size,), generator=generator, device=generator.device).cpu()[rows]
        times = self._random_times(batch_size, frames_per_step, generator, beginning).cpu()[rows]
        moving = torch.nn.functional.one_hot(factor, len(self.factors))
        return self.composed(indices, times[..., None] * moving[:, None]), times.to(self.device), factor.to(self.device)

    def _images(self, values):
        return as_floats(self._rooms.at(values).to(self.device))


def _array(indices):
    return indices.cpu().numpy() if isinstance(indices, Tensor) else indices
