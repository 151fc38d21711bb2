"""Where a ray origin + t · direction is inside slabs, tubes and balls: intervals of t, as pairs (first, last) of arrays.

Only +, −, ×, ÷ and √ of doubles: IEEE 754 rounds these alike everywhere, so the pictures are the same bytes on every machine.
A vector is a tuple of three arrays or numbers, y is up.
"""

import numpy as np

FAR = 1e9


def dot(a, b):
    """a · b, in one order of the sums."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def minus(a, b):
    """a − b."""
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def slab(origin, direction, low, high):
    """The interval of t inside low ≤ coordinate ≤ high."""
    inverse = 1.0 / np.where(direction == 0, 1e-12, direction)
    first, second = (low - origin) * inverse, (high - origin) * inverse
    return np.minimum(first, second), np.maximum(first, second)


def tube(origin, direction, radius):
    """The interval of t inside the endless upright cylinder around the y axis."""
    a = direction[0] * direction[0] + direction[2] * direction[2] + 1e-18
    b = origin[0] * direction[0] + origin[2] * direction[2]
    c = origin[0] * origin[0] + origin[2] * origin[2] - radius * radius
    return between_roots(a, b, c)


def ball(origin, direction, radius):
    """The interval of t inside the ball around the origin of the coordinates."""
    return between_roots(dot(direction, direction), dot(origin, direction), dot(origin, origin) - radius * radius)


def between_roots(a, b, c):
    """Where a t² + 2 b t + c < 0; an empty interval where it is nowhere."""
    inside = b * b - a * c
    root = np.sqrt(np.maximum(inside, 0.0))
    return np.where(inside > 0, (-b - root) / a, FAR), np.where(inside > 0, (-b + root) / a, -FAR)


def common(*intervals):
    """The interval that is in all of them."""
    first, last = intervals[0]
    for low, high in intervals[1:]:
        first, last = np.maximum(first, low), np.minimum(last, high)
    return first, last


def entered(interval):
    """The t > 0 at which an interval begins, FAR where it is empty or begins behind."""
    first, last = interval
    return np.where((first < last) & (first > 0), first, FAR)
