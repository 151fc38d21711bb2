"""What rooms and the studio share: values of factors that are checked, the colours of hues, and smaller pictures."""

import numpy as np
from jaxtyping import Float, UInt8

from flowlib.errors import FlowlibError


def checked_values(values, names, ranges) -> Float[np.ndarray, "n K"]:
    """Values (n, K) of the K factors `names`. Raises FlowlibError for other shapes, for NaN, and outside of `ranges`, name → (low, high)."""
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != len(names) or not np.isfinite(values).all():
        raise FlowlibError(f"values of shape {values.shape}: give finite numbers (n, {len(names)}), one for each of {', '.join(names)}")
    for name, (low, high) in ranges.items():
        column = values[:, names.index(name)]
        if len(column) and not low - 1e-9 <= column.min() <= column.max() <= high + 1e-9:
            raise FlowlibError(f"{name} {column.min():g} … {column.max():g}: give {low:g} … {high:g}")
    return values


def pure_hues(hues: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n 3"]:
    """Red, green and blue, 0 … 1, of hues in turns (any number: they go around), at full saturation and brightness."""
    sixths = (hues % 1.0)[..., None] * 6.0
    return np.clip(np.abs((sixths + np.array([0.0, 4.0, 2.0])) % 6.0 - 3.0) - 1.0, 0.0, 1.0)


def shrunk(layers: UInt8[np.ndarray, "*n S S"], size: int) -> UInt8[np.ndarray, "*n s s"]:
    """Pictures of S² pixels as size² ones, each the rounded mean of a square. Raises FlowlibError where the squares would not be whole."""
    side = layers.shape[-1]
    if size < 1 or side % size:
        raise FlowlibError(f"size = {size}: give {side}, or a whole part of it such as {side // 2}")
    if size == side:
        return layers
    part = side // size
    total = layers.reshape(*layers.shape[:-2], size, part, size, part).sum((-3, -1), dtype=np.int32)
    return ((2 * total + part**2) // (2 * part**2)).astype(np.uint8)
