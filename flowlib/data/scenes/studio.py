"""Studio: a robot arm and three solids on a table, under a lamp, of the kind of Falcor3D and Isaac3D; rendered when asked for."""

import functools
import math

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from flowlib.data.grid import Grid
from flowlib.data.scenes.primitives import Ball, Box, Capsule, Cylinder, Plane
from flowlib.data.scenes.raycast import cast, shade
from flowlib.data.scenes.values import checked_values, pure_hues
from flowlib.errors import FlowlibError

HUES = ("object_hue", "wall_hue")
RANGES = {  # lowest and highest value on the grid; hues are in turns and go around
    "light_intensity": (0.25, 0.85), "light_x": (-2.4, 2.4), "light_y": (3.1, 5.0), "light_z": (-0.9, 2.1),
    "camera_x": (-1.5, 1.5), "camera_y": (1.9, 3.4), "camera_z": (5.2, 6.8),
    "object_hue": (0.0, 1.0), "wall_hue": (0.0, 1.0), "robot_x": (-0.2, 1.1), "robot_y": (1.45, 2.3),
}  # fmt: skip
GRID = Grid(tuple(RANGES), tuple(6 if name in HUES else 4 for name in RANGES), cyclic=HUES)
FLOOR, WALL, TABLE, OBJECT, ARM, JOINT = range(6)  # regions
PLAIN = {FLOOR: (0.62, 0.54, 0.47), TABLE: (0.93, 0.89, 0.82), ARM: (0.34, 0.37, 0.45), JOINT: (0.90, 0.91, 0.94)}
TINTS = {OBJECT: (0.80, 0.98), WALL: (0.38, 0.92)}  # saturation and brightness
TARGET = (0.0, 1.45, 0.0)  # that the camera looks at
TOP, SHOULDER, LINK, DEPTH = 1.0, (-1.4, 1.42), 1.4, -0.1  # the table's height; the arm's first joint (x, y), its two parts' length, and its z
STUDIO = (
    Plane(FLOOR, 1, 0.0, 1.0), Plane(WALL, 2, -3.0, 1.0), Plane(WALL, 0, -4.0, 1.0), Plane(WALL, 0, 4.0, -1.0),
    Box(TABLE, (0.0, TOP - 0.07, 0.0), (1.95, 0.07, 1.15)),
    Box(TABLE, (-1.7, TOP / 2 - 0.07, 0.0), (0.06, TOP / 2 - 0.07, 1.0)), Box(TABLE, (1.7, TOP / 2 - 0.07, 0.0), (0.06, TOP / 2 - 0.07, 1.0)),
    Ball(OBJECT, (-0.45, TOP + 0.34, 0.62), 0.34), Box(OBJECT, (0.85, TOP + 0.27, 0.55), (0.27, 0.27, 0.27)),
    Cylinder(OBJECT, (0.35, TOP, -0.72), 0.27, 0.75), Cylinder(ARM, (SHOULDER[0], TOP, DEPTH), 0.28, 0.30),
)  # fmt: skip


class Studio:
    """The images by number, as `Falcor3D` has them, or at any values in between.

    size : the pictures' side in pixels
    """

    grid, channels = GRID, 3

    def __init__(self, size: int = 64):
        if size < 1:
            raise FlowlibError(f"size = {size}: give 1 or more pixels")
        self.size = size

    def __len__(self):
        return len(GRID)

    def read(self, indices) -> UInt8[Tensor, "n 3 s s"]:
        """The images with these numbers, in their order."""
        return self.at(values_of(GRID.digits(np.asarray(indices, dtype=np.int64))))

    def at(self, values: Float[np.ndarray, "n 11"]) -> UInt8[Tensor, "n 3 s s"]:
        """Images at any values of the factors, within RANGES; hues may be any number of turns.

        Raises FlowlibError for other values. What a camera sees of the arm is remembered, the last 64 of them.
        """
        values = checked_values(values, GRID.names, {name: limits for name, limits in RANGES.items() if name not in HUES})
        images = [self._image(*row) for row in values.tolist()]
        return torch.from_numpy(np.stack(images) if images else np.empty((0, 3, self.size, self.size), np.uint8))

    def _image(self, intensity, light_x, light_y, light_z, camera_x, camera_y, camera_z, object_hue, wall_hue, robot_x, robot_y):
        seen = look((camera_x, camera_y, camera_z), (robot_x, robot_y), self.size)
        return shade(seen, (light_x, light_y, light_z), intensity, colours(object_hue, wall_hue), glossy=(OBJECT, ARM, JOINT))


def values_of(digits) -> Float[np.ndarray, "n 11"]:
    """The factors' values at places of the grid (n, 11): from the lowest to the highest in equal steps; hues all around."""
    low, high = np.array(list(RANGES.values())).T
    steps = np.array([size if name in HUES else size - 1 for name, size in zip(GRID.names, GRID.sizes)])
    return low + (high - low) * digits / steps


def grid_values(name: str) -> list[float]:
    """All values of one factor on the grid."""
    place = GRID.number(name)
    return values_of(np.repeat(np.arange(GRID.sizes[place])[:, None], len(GRID.names), 1))[:, place].tolist()


@functools.lru_cache(maxsize=64)
def look(camera: tuple, hand: tuple, size: int):
    """The `GBuffer` of a camera (x, y, z) and an arm whose hand is at (x, y)."""
    return cast(camera, TARGET, STUDIO + arm(*hand), size)


def arm(x: float, y: float) -> tuple:
    """The arm that reaches (x, y): two equal parts in an upright plane, the elbow above the straight way (inverse kinematics)."""
    across, up = x - SHOULDER[0], y - SHOULDER[1]
    square = across * across + up * up
    high = math.sqrt(LINK * LINK / square - 0.25)  # of the elbow, beside the middle of the way, in units of its length
    elbow = (SHOULDER[0] + across / 2 - high * up, SHOULDER[1] + up / 2 + high * across, DEPTH)
    shoulder, hand = (*SHOULDER, DEPTH), (x, y, DEPTH)
    return (
        Capsule(ARM, shoulder, elbow, 0.13), Capsule(ARM, elbow, hand, 0.10),
        Ball(JOINT, shoulder, 0.20), Ball(JOINT, elbow, 0.18), Ball(JOINT, hand, 0.17),
    )  # fmt: skip


def colours(object_hue: float, wall_hue: float) -> Float[np.ndarray, "6 3"]:
    """Red, green and blue, 0 … 1, of every region (HSV, hues in turns)."""
    tints = {region: tinted(hue, *TINTS[region]) for region, hue in ((OBJECT, object_hue), (WALL, wall_hue))}
    return np.array([(PLAIN | tints)[region] for region in range(6)])


def tinted(hue, saturation: float, brightness: float):
    """Red, green and blue, 0 … 1, of hues in turns (*n): (*n, 3)."""
    return brightness * (1.0 - saturation * (1.0 - pure_hues(np.array(hue))))
