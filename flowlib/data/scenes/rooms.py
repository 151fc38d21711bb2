"""Rooms: 480 000 images of an object in a room, of the kind of Shapes3D, composed when they are asked for."""

import functools

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from flowlib.data.grid import Grid
from flowlib.data.scenes.render import SIDE, render
from flowlib.data.scenes.solids import SHAPES
from flowlib.data.scenes.store import ORIENTATIONS, SCALES, geometries
from flowlib.data.scenes.values import checked_values, pure_hues, shrunk
from flowlib.errors import FlowlibError

GRID = Grid(
    ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation"), (10, 10, 10, 8, 4, 15),
    cyclic=("floor_hue", "wall_hue", "object_hue"),
)  # fmt: skip
COLOURS = ((0.55, 0.93), (0.38, 1.0), (0.86, 1.0))  # saturation and brightness of floor, wall and object
CHUNK = 64  # images composed at a time, so that they stay in the processor's cache


class Rooms:
    """The images by number, as `Shapes3D` has them, or at any values in between.

    folder : where the rendered geometries are kept (None: in the cache); made on the first use, in under a minute
    size : the pictures' side, 64 or a whole part of it: layers are then averaged over squares
    """

    grid, channels = GRID, 3

    def __init__(self, folder=None, size: int = SIDE):
        self._geometries, self.size = shrunk(geometries(folder), size), size

    def __len__(self):
        return len(GRID)

    def read(self, indices) -> UInt8[Tensor, "n 3 s s"]:
        """The images with these numbers, in their order."""
        digits = GRID.digits(np.asarray(indices, dtype=np.int64))
        return self._composed(_colours(digits[:, :3] / 10), self._geometries[np.asarray(indices) % len(self._geometries)])

    def at(self, values: Float[np.ndarray, "n 6"]) -> UInt8[Tensor, "n 3 s s"]:
        """Images at any values of the factors.

        values : hues of floor, wall and object in turns (any number: they go around), scale 0.75 … 1.25, shape 0 … 3 (whole), orientation
            −30 … 30 degrees. Scales and orientations between those of the grid are rendered, about 50 ms each, and remembered.
        """
        ranges = {"scale": (SCALES[0], SCALES[-1]), "shape": (0, len(SHAPES) - 1), "orientation": (ORIENTATIONS[0], ORIENTATIONS[-1])}
        values = checked_values(values, GRID.names, ranges)
        if (values[:, 4] % 1).any():
            raise FlowlibError(f"shapes {values[:, 4]}: give whole numbers, of {', '.join(SHAPES)}")
        weights = [self._geometry(*row) for row in values[:, 3:].tolist()]
        return self._composed(_colours(values[:, :3]), np.stack(weights) if weights else self._geometries[:0])

    def _geometry(self, scale, shape, degrees):
        """Weights from the store where the values are on the grid, else rendered."""
        step, turn = (scale - SCALES[0]) * 14, (degrees - ORIENTATIONS[0]) * 7 / 30
        if abs(step - round(step)) < 1e-6 and abs(turn - round(turn)) < 1e-6:
            return self._geometries[(round(step) * len(SHAPES) + int(shape)) * len(ORIENTATIONS) + round(turn)]
        return shrunk(_between(SHAPES[int(shape)], scale, degrees), self.size)

    def _composed(self, colours: Int[np.ndarray, "n 3 3"], weights: UInt8[np.ndarray, "n 4 s s"]) -> UInt8[Tensor, "n 3 s s"]:
        """Σ of the regions' colours by their weights, plus white; whole numbers throughout."""
        images = np.empty((len(weights), 3, self.size, self.size), np.uint8)
        for first in range(0, len(weights), CHUNK):
            rows = slice(first, first + CHUNK)
            weight, colour = weights[rows].astype(np.int32), colours[rows].astype(np.int32)[..., None, None]
            for channel in range(3):
                total = weight[:, 3] * 255 + 127
                for region in range(3):
                    total += weight[:, region] * colour[:, region, channel]
                images[rows, channel] = np.minimum(total // 255, 255)
        return torch.from_numpy(images)


@functools.lru_cache(maxsize=4096)
def _between(shape, scale, degrees):
    return render(shape, scale, degrees)


def _colours(hues: Float[np.ndarray, "n 3"]) -> Int[np.ndarray, "n 3 3"]:
    """Red, green and blue, 0 … 255, of the hues of floor, wall and object (HSV, in turns)."""
    saturation, brightness = (np.array(column)[:, None] for column in zip(*COLOURS))
    return np.floor(255.0 * brightness * (1.0 - saturation * (1.0 - pure_hues(hues))) + 0.5).astype(np.int64)
