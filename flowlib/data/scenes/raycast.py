"""Deferred shading: rays are cast once into what each sample of a picture sees, and that is shaded for any lamp and colours."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from flowlib.data.scenes.intervals import FAR, dot, minus
from flowlib.data.scenes.primitives import Plane

SAMPLES = 2  # a pixel, each way
HALF_VIEW = 0.345  # half the picture's width at distance 1
AMBIENT, GLOSS = 0.34, 0.30  # light from all sides; the gleam of what is glossy
OFFSET = 1e-6  # rays to the lamp begin so far outside the surface


@dataclass(frozen=True)
class GBuffer:
    """What the samples see, ordered (row, column) with SAMPLES a pixel each way.

    point, normal : tuples of three arrays;  region : of the primitive that is seen;  view : unit vectors to the camera
    solids : what casts shadows;  size : the picture's side in pixels
    """

    point: tuple
    normal: tuple
    region: np.ndarray
    view: tuple
    solids: tuple
    size: int


def cast(camera, target, primitives, size: int) -> GBuffer:
    """What a camera sees that looks at a target: the first primitive along each ray. Some primitive has to be behind every pixel."""
    rays = _rays(camera, target, size)
    t, first = np.full(len(rays[0]), FAR), np.zeros(len(rays[0]), np.int64)
    for number, one in enumerate(primitives):
        found = one.entry(camera, rays)
        first[found < t] = number
        t = np.minimum(t, found)
    point = tuple(start + t * ray for start, ray in zip(camera, rays))
    normal = tuple(np.zeros_like(t) for _ in range(3))
    for number in np.unique(first):
        seen = np.flatnonzero(first == number)
        for whole, part in zip(normal, primitives[number].normal(tuple(axis[seen] for axis in point))):
            whole[seen] = part
    region = np.array([one.region for one in primitives])[first]
    solids = tuple(one for one in primitives if not isinstance(one, Plane))  # the lamp is inside the room: planes cast no shadow
    return GBuffer(point, normal, region, tuple(-ray for ray in rays), solids, size)


def _rays(camera, target, size):
    """Unit vectors (x, y, z), each (n,), through the samples' middles."""
    forward = _unit(minus(target, camera))
    right = _unit((-forward[2], 0.0, forward[0]))
    up = (-right[2] * forward[1], right[2] * forward[0] - right[0] * forward[2], right[0] * forward[1])
    places = ((np.arange(size * SAMPLES) + 0.5) * (2.0 / (size * SAMPLES)) - 1.0) * HALF_VIEW
    across, high = (axis.reshape(-1) for axis in np.broadcast_arrays(places[None, :], -places[:, None]))
    return _unit(tuple(forward[i] + across * right[i] + high * up[i] for i in range(3)))


def _unit(vector):
    length = np.sqrt(dot(vector, vector))
    return tuple(part / length for part in vector)


def direct(seen: GBuffer, lamp) -> Float[np.ndarray, " n"]:
    """The cosine at which a point lamp lights each sample (Lambert); 0 where the surface turns away, and in the shadow of a solid."""
    to = minus(lamp, seen.point)
    cosine = np.maximum(dot(seen.normal, to) / np.sqrt(dot(to, to)), 0.0)
    lit = np.flatnonzero(cosine)
    origin = tuple(point[lit] + OFFSET * normal[lit] for point, normal in zip(seen.point, seen.normal))
    to = minus(lamp, origin)
    for solid in seen.solids:
        blocked = solid.entry(origin, to) < 1.0
        cosine[lit[blocked]] = 0.0
    return cosine


def shade(seen: GBuffer, lamp, intensity: float, colours: Float[np.ndarray, "r 3"], glossy=()) -> UInt8[np.ndarray, "3 s s"]:
    """The picture under a point lamp.

    lamp : its place;  intensity : its light beside AMBIENT;  colours : red, green and blue of each region, 0 … 1;  glossy : regions that gleam
    """
    bright, white = returned(seen, direct(seen, lamp), gleam(seen, lamp, glossy), intensity)
    return np.stack([pixels(np.minimum(colours[seen.region, channel] * bright + white, 1.0), seen.size) for channel in range(3)])


def returned(seen: GBuffer, cosine, gleaming, intensity: float):
    """How bright each sample shows its colour, and white beside it: two arrays (n,), of `direct` and `gleam` of one lamp."""
    ambient = AMBIENT * (0.8 + 0.2 * seen.normal[1])
    bright = np.sqrt(np.minimum(ambient + intensity * cosine, 1.0))  # as displays have it: the square root of the light
    return bright, np.where(cosine > 0, intensity * GLOSS * gleaming, 0.0)


def gleam(seen: GBuffer, lamp, glossy) -> Float[np.ndarray, " n"]:
    """The cosine between normal and half-way vector to the power of 32 (Blinn, 1977) where a region is glossy, 0 elsewhere."""
    half = _unit(tuple(a + b for a, b in zip(_unit(minus(lamp, seen.point)), seen.view)))
    found = np.maximum(dot(seen.normal, half), 0.0)
    for _ in range(5):
        found = found * found
    return np.where(np.isin(seen.region, glossy), found, 0.0)


def pixels(values: Float[np.ndarray, " n"], size: int, samples: int = SAMPLES) -> UInt8[np.ndarray, "s s"]:
    """The mean of each pixel's samples, so many each way, in whole 255ths."""
    parts = values.reshape(size, samples, size, samples)
    total = sum(parts[:, i, :, j] for i in range(samples) for j in range(samples))
    return np.floor(total * (255.0 / samples**2) + 0.5).astype(np.uint8)
