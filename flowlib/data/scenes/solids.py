"""The four solids that stand on the floor at the origin (y is up): where a ray enters them, and their normals.

As in `intervals`, only +, −, ×, ÷ and √: the same bytes on every machine.
"""

from dataclasses import dataclass

import numpy as np

from flowlib.data.scenes.intervals import ball, common, entered, slab, tube

SHAPES = ("cube", "cylinder", "sphere", "capsule")


@dataclass(frozen=True)
class Solid:
    """shape : one of SHAPES;  radius : of the round ones, or half the cube's side;  height : from the floor up."""

    shape: str
    radius: float
    height: float

    @classmethod
    def of(cls, shape: str, scale: float):
        """The solid of a shape at a scale; at scale 1 about 2 units high."""
        radius, height = {"cube": (0.82, 1.64), "cylinder": (0.85, 1.75), "sphere": (1.0, 2.0), "capsule": (0.66, 2.3)}[shape]
        return cls(shape, radius * scale, height * scale)


def entry(solid: Solid, origin, direction):
    """The t > 0 at which origin + t · direction enters the solid, FAR where it misses. Directions need no unit length."""
    if solid.shape == "cube":
        sides = [slab(origin[i], direction[i], -solid.radius, solid.radius) for i in (0, 2)]
        return entered(common(slab(origin[1], direction[1], 0.0, solid.height), *sides))
    if solid.shape == "sphere":
        return entered(ball(_above(origin, solid.radius), direction, solid.radius))
    if solid.shape == "cylinder":
        return entered(common(tube(origin, direction, solid.radius), slab(origin[1], direction[1], 0.0, solid.height)))
    low, high = solid.radius, solid.height - solid.radius
    middle = entered(common(tube(origin, direction, solid.radius), slab(origin[1], direction[1], low, high)))
    ends = [entered(ball(_above(origin, y), direction, solid.radius)) for y in (low, high)]
    return np.minimum(middle, np.minimum(*ends))


def normal(solid: Solid, point):
    """The outward unit normal at a point of the surface."""
    x, y, z = point
    zero = np.zeros_like(x)
    if solid.shape == "sphere":
        return x / solid.radius, (y - solid.radius) / solid.radius, z / solid.radius
    if solid.shape == "capsule":
        nearest = np.clip(y, solid.radius, solid.height - solid.radius)
        return x / solid.radius, (y - nearest) / solid.radius, z / solid.radius
    top = y > solid.height * (1 - 1e-9)
    if solid.shape == "cylinder":
        return np.where(top, zero, x / solid.radius), np.where(top, 1.0, zero), np.where(top, zero, z / solid.radius)
    along_x = np.abs(x) > np.abs(z)
    return (
        np.where(~top & along_x, np.sign(x), zero), np.where(top, 1.0, zero), np.where(~top & ~along_x, np.sign(z), zero),
    )  # fmt: skip


def _above(point, y):
    """A point as (0, y, 0) sees it."""
    return point[0], point[1] - y, point[2]
