"""Rooms: 480 000 images of an object in a room, of the kind of Shapes3D, composed when they are asked for."""

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from flowlib.data.grid import Grid
from flowlib.data.scenes.render import SIDE
from flowlib.data.scenes.store import geometries
from flowlib.data.scenes.values import pure_hues, shrunk

GRID = Grid(
    ("floor_hue", "wall_hue", "object_hue", "scale", "shape", "orientation"), (10, 10, 10, 8, 4, 15),
    cyclic=("floor_hue", "wall_hue", "object_hue"),
)  # fmt: skip
COLOURS = ((0.55, 0.93), (0.38, 1.0), (0.86, 1.0))  # saturation and brightness of floor, wall and object
CHUNK = 64  # images composed at a time, so that they stay in the processor's cache


class Rooms:
    """The images by number, as `Shapes3D` has them.

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


def _colours(hues: Float[np.ndarray, "n 3"]) -> Int[np.ndarray, "n 3 3"]:
    """Red, green and blue, 0 … 255, of the hues of floor, wall and object (HSV, in turns)."""
    saturation, brightness = (np.array(column)[:, None] for column in zip(*COLOURS))
    return np.floor(255.0 * brightness * (1.0 - saturation * (1.0 - pure_hues(hues))) + 0.5).astype(np.int64)
