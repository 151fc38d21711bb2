"""The 480 geometries of the rooms: rendered once into the cache (under a minute), verified by checksum, made again where damaged."""

import sys
from itertools import product

import numpy as np
from jaxtyping import UInt8

from flowlib.data.cache import cached
from flowlib.data.scenes.render import LAYERS, SIDE, render
from flowlib.data.scenes.solids import SHAPES

SCALES = tuple(0.75 + step / 14 for step in range(8))  # 0.75 … 1.25
ORIENTATIONS = tuple(-30.0 + 30.0 * step / 7 for step in range(15))  # −30 … 30 degrees
SHAPE = (len(SCALES) * len(SHAPES) * len(ORIENTATIONS), len(LAYERS), SIDE, SIDE)
SHA256 = "c54107ebb82c0f48cec6048e1dcfdffd78df996ca4c3a9eeb9838202bff070fe"


def geometries(folder=None) -> UInt8[np.ndarray, "..."]:
    """The weights of all geometries (480, 4, 64, 64), numbered by scale, shape and orientation, the last fastest.

    folder : of the cache. Raises FlowlibError where it cannot be written, and where this machine computes other bytes.
    """
    return np.frombuffer(cached("rooms", SHA256, lambda: _render_all().tobytes(), folder), np.uint8).reshape(SHAPE)


def _render_all():
    print("rendering 480 rooms, once (under a minute) …", file=sys.stderr, flush=True)
    found = np.empty(SHAPE, np.uint8)
    # by orientation first: what does not depend on the object is then computed once for each
    for o, (s, scale), (k, shape) in product(range(len(ORIENTATIONS)), enumerate(SCALES), enumerate(SHAPES)):
        found[(s * len(SHAPES) + k) * len(ORIENTATIONS) + o] = render(shape, scale, ORIENTATIONS[o])
    return found
