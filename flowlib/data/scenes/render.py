"""A ray-caster for one room: how much of its floor's, wall's and object's colour each pixel shows, and how much white.

With direct light alone an image is linear in the colours of its regions. So a geometry is rendered once, as four weights a pixel, and
every colouring of it is a sum (`flowlib.data.scenes.rooms`). No sums in an order that a processor chooses, no library's sine: see `intervals`.
"""

import functools

import numpy as np
from jaxtyping import UInt8

from flowlib.data.scenes.intervals import FAR, dot, minus
from flowlib.data.scenes.raycast import pixels
from flowlib.data.scenes.solids import Solid

SIDE, SAMPLES = 64, 4  # pixels a side; samples a pixel, each way
LAYERS = ("floor", "wall", "object", "white")
WALL, SKIRTING = 4.2, 0.26  # two walls at x = −WALL and z = −WALL with white skirting boards
CAMERA = (8.4, 3.3, 0.92, 0.285)  # distance along the floor, height, height looked at, half the view's width at distance 1
LIGHT, LIGHT_SIDE = (1.2, 8.0, 5.0), 2.6  # the middle of a square lamp, and its side
AMBIENT, DIRECT, OBJECT, GLOSS = 0.40, 0.60, 0.72, 0.40  # light from all sides; from the lamp, on the room and on the object; its gleam


def render(shape: str, scale: float, degrees: float) -> UInt8[np.ndarray, "4 64 64"]:
    """The weights of LAYERS, 255 for a full one. degrees : the camera's way around the room, −30 … 30."""
    solid = Solid.of(shape, scale)
    origin, rays, ground, room_t, lamp = _room(degrees)
    hit = solid.body.entry(origin, rays)
    front = np.flatnonzero(hit < room_t)
    light, gloss = _object(solid, origin, [ray[front] for ray in rays], hit[front])
    shade = np.sqrt(np.minimum(_shaded(solid, ground, lamp), 1.0))  # as displays have it: the square root of the light
    layers = [np.where(ground["region"] == region, shade, 0.0) for region in range(2)] + [np.zeros_like(shade)]
    layers.append(np.where(ground["region"] == 2, shade * 0.95, 0.0))
    for layer, value in zip(layers, (0.0, 0.0, np.sqrt(np.minimum(light, 1.0)), gloss)):
        layer[front] = value
    return np.stack([pixels(layer, SIDE, SAMPLES) for layer in layers])


@functools.lru_cache(maxsize=2)
def _room(degrees):
    """What is the same for every object: (camera, rays, points of the room, their t, lamp points) at one orientation."""
    places = (np.arange(SIDE * SAMPLES) + 0.5) * (2.0 / (SIDE * SAMPLES)) - 1.0
    across, up = (axis.reshape(-1) for axis in np.broadcast_arrays(places[None, :], -places[:, None]))
    distance, height, looked_at, half = CAMERA
    sine, cosine = sine_cosine(45.0 + degrees)
    origin = (distance * sine, height, distance * cosine)
    length = (distance * distance + (height - looked_at) * (height - looked_at)) ** 0.5
    level, drop = distance / length, (height - looked_at) / length
    # forward (−level·sine, −drop, −level·cosine), right (cosine, 0, −sine), upwards (−drop·sine, level, −drop·cosine)
    x = -level * sine + across * half * cosine - up * half * drop * sine
    y = -drop + up * half * level
    z = -level * cosine - across * half * sine - up * half * drop * cosine
    norm = np.sqrt(dot((x, y, z), (x, y, z)))
    rays = (x / norm, y / norm, z / norm)
    t, ground = _ground(origin, rays)
    return origin, rays, ground, t, _lamp(len(norm))


def _lamp(count):
    """Four points of the lamp for each sample; the sixteen samples of a pixel share out an 8 × 8 raster, so that shadows are soft."""
    place = np.arange(count)
    column, row = place % (SIDE * SAMPLES) % SAMPLES, place // (SIDE * SAMPLES) % SAMPLES
    cell = LIGHT_SIDE / (2 * SAMPLES)
    return [
        (LIGHT[0] + (column + SAMPLES * i + 0.5 - SAMPLES) * cell, LIGHT[1], LIGHT[2] + (row + SAMPLES * j + 0.5 - SAMPLES) * cell)
        for i in range(2) for j in range(2)
    ]  # fmt: skip


def _ground(origin, rays):
    """Where rays meet floor or walls: t, and points with their region (0 floor, 1 wall, 2 skirting) and normal."""
    ts = [
        np.where(ray < -1e-9, (place - start) / np.where(ray < -1e-9, ray, -1.0), FAR)
        for ray, start, place in ((rays[1], origin[1], 0.0), (rays[0], origin[0], -WALL), (rays[2], origin[2], -WALL))
    ]
    t = np.minimum(ts[0], np.minimum(ts[1], ts[2]))
    which = np.where(t == ts[0], 0, np.where(t == ts[1], 1, 2))
    point = tuple(start + t * ray for start, ray in zip(origin, rays))
    region = np.where(which == 0, 0, np.where(point[1] < SKIRTING, 2, 1))
    return t, {"point": point, "which": which, "region": region}


def _shaded(solid, ground, lamp):
    """The light that floor and walls return, with a soft shadow of the object and dark where it touches the floor."""
    x, y, z = ground["point"]
    which = ground["which"]
    ambient = AMBIENT * (1.0 - 0.95 * _occlusion(solid, x, y, z, which)) * _corners(x, y, z, which)
    direct = 0.0
    for place in lamp:
        to = minus(place, ground["point"])
        cosine = np.where(which == 0, to[1], np.where(which == 1, to[0], to[2]))
        cosine = cosine / np.sqrt(dot(to, to))
        direct = direct + np.where(solid.body.entry(ground["point"], to) < FAR, 0.0, cosine)
    return ambient + DIRECT * 0.25 * direct


def _occlusion(solid, x, y, z, which):
    """How much of the sky of a floor point an equal ball hides."""
    middle = 0.5 * solid.height
    square = x * x + z * z + middle * middle
    radius = 1.12 * solid.radius
    return np.where(which == 0, np.minimum(middle * radius * radius / (square * np.sqrt(square)), 1.0), 0.0)


def _corners(x, y, z, which):
    """Less light near the edges where floor and walls meet."""
    away = [(y, which != 0), (x + WALL, which != 1), (z + WALL, which != 2)]
    dark = 1.0
    for distance, other in away:
        dark = dark * np.where(other, 1.0 - 0.35 / (1.0 + 2.0 * distance * distance), 1.0)
    return dark


def _object(solid, origin, rays, t):
    """The light that the object returns in its own colour, and in white."""
    point = tuple(start + t * ray for start, ray in zip(origin, rays))
    facing = solid.body.normal(point)
    to = minus(LIGHT, point)
    far = np.sqrt(dot(to, to))
    to = [part / far for part in to]
    cosine = np.maximum(dot(facing, to), 0.0)
    ambient = AMBIENT * (0.62 + 0.38 * facing[1]) * (0.72 + 0.28 * np.minimum(point[1] / solid.height, 1.0))
    half = minus(to, rays)
    gleam = np.maximum(dot(facing, half) / np.sqrt(dot(half, half)), 0.0)
    for _ in range(5):  # to the power of 32
        gleam = gleam * gleam
    return ambient + OBJECT * cosine, GLOSS * gleam


def sine_cosine(degrees: float) -> tuple[float, float]:
    """By their series, for |degrees| < 180: the same bits everywhere, which libraries do not promise."""
    angle = degrees * (3.141592653589793 / 180.0)
    sine = cosine = 0.0
    term = 1.0
    for n in range(1, 40, 2):
        cosine += term
        term *= angle / n
        sine += term
        term *= -angle / (n + 1)
    return sine, cosine
