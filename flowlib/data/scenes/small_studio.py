"""The part of the studio in which four factors stay where they are: its geometries are rendered once, and coloured when asked for."""

import sys
from itertools import product

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from flowlib.data.cache import cached
from flowlib.data.grid import Grid
from flowlib.data.scenes import studio
from flowlib.data.scenes.raycast import direct, gleam, pixels, returned
from flowlib.data.scenes.studio import ARM, JOINT, OBJECT, PLAIN, WALL
from flowlib.data.scenes.values import shrunk

STILL = {"light_y": 1, "light_z": 2, "camera_y": 1, "camera_z": 1}  # values on the studio's grid
MOVING = tuple(name for name in studio.GRID.names if name not in STILL)
GRID = Grid(MOVING, tuple(studio.GRID.sizes[studio.GRID.number(name)] for name in MOVING), cyclic=studio.HUES)
GEOMETRY = ("camera_x", "robot_x", "robot_y", "light_x", "light_intensity")  # what colours do not change, in the order of the store
SIDE, LAYERS = 64, 5  # red, green and blue of what has a colour of its own, and how bright the solids and the wall show theirs
SHAPE = (*(GRID.sizes[GRID.number(name)] for name in GEOMETRY), LAYERS, SIDE, SIDE)
SHA256 = "d7082386b178049795675ea269dc284d94c2079bd5c975ce9799d691e91b4fe0"


class SmallStudio:
    """The images by number, 36 864 of them: at 64 pixels a side those of `Studio` with its values STILL, but for roundings and the brightest gleams.

    folder : where the rendered geometries are kept (None: in the cache); made on the first use, in a few seconds
    size : the pictures' side, 64 or a whole part of it: layers are then averaged over squares, which is smoother than `Studio(size)`
    """

    grid, channels = GRID, 3

    def __init__(self, folder=None, size: int = SIDE):
        self._layers, self.size = shrunk(geometries(folder), size), size

    def __len__(self):
        return len(GRID)

    def read(self, indices) -> UInt8[Tensor, "n 3 s s"]:
        """The images with these numbers, in their order."""
        digits = GRID.digits(np.asarray(indices, dtype=np.int64))
        layers = self._layers[tuple(digits[:, GRID.number(name)] for name in GEOMETRY)].astype(np.int32)
        images = np.empty((len(layers), 3, self.size, self.size), np.uint8)
        for channel, (solids, wall) in enumerate(_colours(digits)):
            painted = layers[:, 3] * solids[:, None, None] + layers[:, 4] * wall[:, None, None]
            images[:, channel] = np.minimum(layers[:, channel] + (painted + 127) // 255, 255)
        return torch.from_numpy(images)


def _colours(digits) -> Int[np.ndarray, "3 2 n"]:
    """Red, green and blue, 0 … 255, of the solids and the wall."""
    hues = [digits[:, GRID.number(name)] / GRID.sizes[GRID.number(name)] for name in studio.HUES]
    tints = np.stack([studio.tinted(hue, *studio.TINTS[region]) for hue, region in zip(hues, (OBJECT, WALL))])
    return np.floor(255.0 * np.moveaxis(tints, -1, 0) + 0.5).astype(np.int32)


def geometries(folder=None) -> UInt8[np.ndarray, "..."]:
    """The layers of all geometries, SHAPE, numbered by GEOMETRY. Raises FlowlibError as `cached` does."""
    return np.frombuffer(cached("small-studio", SHA256, lambda: _render_all().tobytes(), folder), np.uint8).reshape(SHAPE)


def _render_all():
    print("rendering the small studio, once (a few seconds) …", file=sys.stderr, flush=True)
    found = np.empty(SHAPE, np.uint8)
    values = {name: studio.grid_values(name) for name in studio.GRID.names}
    still = {name: values[name][place] for name, place in STILL.items()}
    for c, x, y in product(*map(range, SHAPE[:3])):
        camera = values["camera_x"][c], still["camera_y"], still["camera_z"]
        seen = studio.look(camera, (values["robot_x"][x], values["robot_y"][y]), SIDE)
        for place, light_x in enumerate(values["light_x"]):
            lamp = light_x, still["light_y"], still["light_z"]
            cosine, gleaming = direct(seen, lamp), gleam(seen, lamp, (OBJECT, ARM, JOINT))
            found[c, x, y, place] = [_layers(seen, *returned(seen, cosine, gleaming, one)) for one in values["light_intensity"]]
    return found


def _layers(seen, bright, white):
    """(LAYERS, SIDE, SIDE): what has a colour of its own, and white, in red, green and blue; then solids and wall."""
    own = np.array([PLAIN.get(region, (0.0, 0.0, 0.0)) for region in range(6)])
    plain = [np.minimum(own[seen.region, channel] * bright + white, 1.0) for channel in range(3)]
    tinted = [np.where(seen.region == region, bright, 0.0) for region in (OBJECT, WALL)]
    return np.stack([pixels(samples, SIDE) for samples in plain + tinted])
