"""Planes, balls, boxes, upright cylinders and capsules: where a ray enters them, and their outward normals.

As in `intervals`, only +, −, ×, ÷ and √: the same bytes on every machine.
`region` says which colour a primitive has.
"""

from dataclasses import dataclass

import numpy as np

from flowlib.data.scenes.intervals import FAR, ball, between_roots, common, dot, entered, minus, slab, tube


@dataclass(frozen=True)
class Plane:
    """The points whose coordinate `axis` is `place`; facing ±1 : the side that is seen."""

    region: int
    axis: int
    place: float
    facing: float

    def entry(self, origin, direction):
        """The t > 0 at which origin + t · direction meets it from its front, FAR where it does not."""
        towards = direction[self.axis] * self.facing < 0
        t = (self.place - origin[self.axis]) / np.where(towards, direction[self.axis], 1.0)
        return np.where(towards & (t > 0), t, FAR)

    def normal(self, point):
        """Its unit normal, at every point."""
        return tuple(np.full_like(point[0], self.facing if axis == self.axis else 0.0) for axis in range(3))


@dataclass(frozen=True)
class Ball:
    """The points within `radius` of `centre`."""

    region: int
    centre: tuple[float, float, float]
    radius: float

    def entry(self, origin, direction):
        """The t > 0 at which a ray that begins outside enters, FAR where it misses."""
        return entered(ball(minus(origin, self.centre), direction, self.radius))

    def normal(self, point):
        """The outward unit normal at a point of the surface."""
        return tuple(part / self.radius for part in minus(point, self.centre))


@dataclass(frozen=True)
class Box:
    """The points within `half` of `centre` along every axis."""

    region: int
    centre: tuple[float, float, float]
    half: tuple[float, float, float]

    def entry(self, origin, direction):
        """The t > 0 at which a ray that begins outside enters, FAR where it misses."""
        away = minus(origin, self.centre)
        return entered(common(*(slab(away[i], direction[i], -self.half[i], self.half[i]) for i in range(3))))

    def normal(self, point):
        """The outward unit normal at a point of the surface: of the face that is nearest."""
        place = [part / half for part, half in zip(minus(point, self.centre), self.half)]
        face = np.argmax(np.abs(np.stack(place)), 0)
        return tuple(np.where(face == axis, np.sign(place[axis]), 0.0) for axis in range(3))


@dataclass(frozen=True)
class Cylinder:
    """Upright: `foot` is the middle of its lower end."""

    region: int
    foot: tuple[float, float, float]
    radius: float
    height: float

    def entry(self, origin, direction):
        """The t > 0 at which a ray that begins outside enters, FAR where it misses."""
        away = minus(origin, self.foot)
        return entered(common(tube(away, direction, self.radius), slab(away[1], direction[1], 0.0, self.height)))

    def normal(self, point):
        """The outward unit normal at a point of the surface."""
        x, y, z = minus(point, self.foot)
        end = np.where(y > self.height * (1 - 1e-9), 1.0, np.where(y < self.height * 1e-9, -1.0, 0.0))
        return np.where(end == 0, x / self.radius, 0.0), end, np.where(end == 0, z / self.radius, 0.0)


@dataclass(frozen=True)
class Capsule:
    """The points within `radius` of the segment from `start` to `end`."""

    region: int
    start: tuple[float, float, float]
    end: tuple[float, float, float]
    radius: float

    def entry(self, origin, direction):
        """The t > 0 at which a ray that begins outside enters, FAR where it misses."""
        axis, away = minus(self.end, self.start), minus(origin, self.start)
        length, along, begun = dot(axis, axis), dot(direction, axis), dot(away, axis)
        a = np.maximum(dot(direction, direction) - along * along / length, 1e-18)
        b = dot(away, direction) - begun * along / length
        c = dot(away, away) - begun * begun / length - self.radius * self.radius
        middle = entered(common(between_roots(a, b, c), slab(begun, along, 0.0, length)))
        ends = [entered(ball(minus(origin, end), direction, self.radius)) for end in (self.start, self.end)]
        return np.minimum(middle, np.minimum(*ends))

    def normal(self, point):
        """The outward unit normal at a point of the surface."""
        axis, away = minus(self.end, self.start), minus(point, self.start)
        along = np.clip(dot(away, axis) / dot(axis, axis), 0.0, 1.0)
        return tuple((part - along * step) / self.radius for part, step in zip(away, axis))
