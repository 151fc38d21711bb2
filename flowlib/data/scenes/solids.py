"""The four solids that stand on the floor at the origin (y is up): where a ray enters them, and their normals.

Only +, −, ×, ÷ and √ of doubles: IEEE 754 rounds these alike everywhere, so the pictures are the same bytes on every machine.
A vector is a tuple of three arrays or numbers.
"""

from dataclasses import dataclass

import numpy as np

FAR = 1e9
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
        sides = [_slab(origin[i], direction[i], -solid.radius, solid.radius) for i in (0, 2)]
        return _entry(_common(_slab(origin[1], direction[1], 0.0, solid.height), *sides))
    if solid.shape == "sphere":
        return _entry(_ball(origin, direction, solid.radius, solid.radius))
    if solid.shape == "cylinder":
        return _entry(_common(_tube(origin, direction, solid.radius), _slab(origin[1], direction[1], 0.0, solid.height)))
    low, high = solid.radius, solid.height - solid.radius
    middle = _entry(_common(_tube(origin, direction, solid.radius), _slab(origin[1], direction[1], low, high)))
    ends = [_entry(_ball(origin, direction, y, solid.radius)) for y in (low, high)]
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


def _slab(origin, direction, low, high):
    """The interval of t inside low ≤ coordinate ≤ high."""
    inverse = 1.0 / np.where(direction == 0, 1e-12, direction)
    first, second = (low - origin) * inverse, (high - origin) * inverse
    return np.minimum(first, second), np.maximum(first, second)


def _tube(origin, direction, radius):
    """The interval of t inside the endless upright cylinder."""
    a = direction[0] * direction[0] + direction[2] * direction[2] + 1e-18
    b = origin[0] * direction[0] + origin[2] * direction[2]
    c = origin[0] * origin[0] + origin[2] * origin[2] - radius * radius
    return _between_roots(a, b, c)


def _ball(origin, direction, y, radius):
    """The interval of t inside the ball around (0, y, 0)."""
    up = origin[1] - y
    a = direction[0] * direction[0] + direction[1] * direction[1] + direction[2] * direction[2]
    b = origin[0] * direction[0] + up * direction[1] + origin[2] * direction[2]
    c = origin[0] * origin[0] + up * up + origin[2] * origin[2] - radius * radius
    return _between_roots(a, b, c)


def _between_roots(a, b, c):
    """Where a t² + 2 b t + c < 0; an empty interval where it is nowhere."""
    inside = b * b - a * c
    root = np.sqrt(np.maximum(inside, 0.0))
    return np.where(inside > 0, (-b - root) / a, FAR), np.where(inside > 0, (-b + root) / a, -FAR)


def _common(*intervals):
    first, last = intervals[0]
    for low, high in intervals[1:]:
        first, last = np.maximum(first, low), np.minimum(last, high)
    return first, last


def _entry(interval):
    first, last = interval
    return np.where((first < last) & (first > 0), first, FAR)
