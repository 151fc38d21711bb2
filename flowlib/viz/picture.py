"""A matplotlib Figure that shows itself in a notebook as a small PNG, with or without pyplot."""

import base64
import io
import os
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from flowlib.errors import FlowlibError


class Picture(Figure):
    """A Figure outside pyplot's global state: nothing to close, no backend, shown once."""

    def _repr_mimebundle_(self, include=None, exclude=None):
        png = base64.b64encode(png_bytes(self)).decode("ascii")
        width = round(96 * self.get_figwidth())
        return {"image/png": png, "text/plain": repr(self)}, {
            "image/png": {"width": width}
        }  # a height would distort on phones

    def __repr__(self):
        count = len(self.axes)
        return f"<Picture with {count} {'panel' if count == 1 else 'panels'}>"

    def save(self, path):
        """Write the figure to `path` (PNG), to a temporary name first and then renamed; returns the path."""
        return write_bytes(path, png_bytes(self))


def pixels_of(figure, dpi=None):
    """The figure as an RGB image of PIL, `dpi` dots per inch (default: the figure's own)."""
    before = figure.dpi
    figure.dpi = dpi or before
    try:
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        rgba = np.asarray(canvas.buffer_rgba()).copy()
    finally:
        figure.dpi = before
    return Image.fromarray(rgba).convert("RGB")


def with_palette(image, colors=256):
    """An RGB image with a palette of at most `colors`: the most frequent colours exactly, the rest by median
    cut.

    Median cut alone shifts the colour of thin text and lines towards whatever fills the areas.
    """
    pixels = np.asarray(image.convert("RGB")).astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    found, inverse, counts = np.unique(pixels, return_inverse=True, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    exact = order if len(order) <= colors else order[: colors // 2]
    rest = order[len(exact) :]
    index, table = np.empty(len(found), np.uint8), _unpack(found[exact]).ravel().tolist()
    index[exact] = np.arange(len(exact))
    if len(rest):
        others = Image.fromarray(_unpack(found[rest])[None]).quantize(
            colors - len(exact), Image.Quantize.MEDIANCUT
        )
        index[rest] = len(exact) + np.asarray(others)[0]
        table += others.getpalette()
    result = Image.fromarray(index[inverse.reshape(pixels.shape)], "L")
    result.putpalette(table[: 3 * 256])
    return result


def _unpack(codes):
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], -1).astype(np.uint8)


def encode(image, kind="png", colors=256, quality=80):
    """A PIL image as bytes: a PNG with a palette of `colors`, or a JPEG or WebP of `quality`."""
    out = io.BytesIO()
    if kind == "png":
        image = image if image.mode == "L" else with_palette(image, colors)
        image.save(out, "PNG", optimize=True)
    elif kind in ("jpeg", "webp"):
        image.save(
            out, kind.upper(), quality=quality, **({"optimize": True} if kind == "jpeg" else {"method": 6})
        )
    else:
        raise FlowlibError(f"image kind {kind!r} is unknown; use 'png', 'jpeg' or 'webp'")
    return out.getvalue()


def png_bytes(figure, dpi=None, colors=256):
    """The figure as a PNG with a palette of `colors`, three to five times smaller than in true colour."""
    return encode(pixels_of(figure, dpi), "png", colors)


def write_bytes(path, content):
    """Write bytes under a temporary name, then rename: nobody sees half a file. Returns the path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
