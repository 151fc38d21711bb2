"""The colours of the book, and images reduced to few colours without losing those."""

from types import MappingProxyType

import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image

CARD = "#fcfcfa"  # every figure brings this background with it
INK = "#303439"
MUTED = "#6a7078"
RULE = "#e3e3de"

# Found by a search: at least 3:1 against the card, and far apart in normal vision and under simulated
# deuteranopia, protanopia and tritanopia (tests/test_viz_style.py states the bound).
COLORS = MappingProxyType(
    {
        "data": "#303439",
        "target": "#de640d",
        "posterior": "#005dc8",
        "prior": "#993e8f",
        "true": "#009e5c",
        "reference": "#8d9197",
    }
)
CYCLE = ("#02428c", "#d07716", "#017a49", "#b7749b", "#2d98e2", "#68580d", "#5c1413", "#2a2141")
FACTOR_COLORS = MappingProxyType({"scale": CYCLE[0], "rotation": CYCLE[1], "hue": CYCLE[2]})

RAMP = 5  # shades between the card and a colour of text, as smoothed letters have them


def with_palette(image, colors=256):
    """An RGB image with a palette of at most `colors`: exact where it has no more of them.

    Otherwise the most frequent ones stay exact, the letters' colours stay near (from 128 on), and the others
    come from a median cut, which alone would shift thin text towards whatever fills the areas.
    """
    pixels = np.asarray(image.convert("RGB")).astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    found, inverse, counts = np.unique(pixels, return_inverse=True, return_counts=True)
    if len(found) <= colors:
        index, table = np.arange(len(found)), _unpack(found)
    else:
        table = _few(found, counts, colors)
        index = _nearest(_unpack(found), table)
    result = Image.fromarray(index.astype(np.uint8)[inverse.reshape(pixels.shape)])
    result.putpalette(table.ravel().tolist())
    return result


def _few(found, counts, colors):
    """A table (≤ colors, 3) for many colours: frequent ones, shades of the letters, and a median cut."""
    order = np.argsort(-counts, kind="stable")
    kept = _unpack(found[order[: colors // 3]])
    if colors >= 128:
        kept = np.unique(np.concatenate([kept, _shades()]), axis=0)
    rest = Image.fromarray(_unpack(found[order[colors // 3 :]])[None])
    cut = rest.quantize(colors - len(kept), Image.Quantize.MEDIANCUT).getpalette()
    return np.concatenate([kept, np.array(cut, np.uint8).reshape(-1, 3)])[:colors]


def _shades():
    weights = np.linspace(0, 1, RAMP + 1)[1:, None, None]
    letters = np.array([to_rgb(color) for color in (INK, MUTED, *CYCLE[:3])])
    return np.round(255 * (weights * letters + (1 - weights) * to_rgb(CARD))).astype(np.uint8).reshape(-1, 3)


def _nearest(pixels, table):
    """For each colour (n, 3) the index of the nearest in `table`."""
    a, b = pixels.astype(np.float32), table.astype(np.float32)
    return ((b * b).sum(1) - 2 * a @ b.T).argmin(1)


def _unpack(codes):
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], -1).astype(np.uint8)
