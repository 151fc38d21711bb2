"""A matplotlib Figure that shows itself in a notebook as a small PNG, with or without pyplot."""

import base64
import io
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from flowlib.errors import FlowlibError
from flowlib.files import write_file
from flowlib.viz.palette import with_palette


class Picture(Figure):
    """A Figure outside pyplot's global state: nothing to close, no backend, shown once.

    `colors`: the size of the palette that it is saved with, or None where images must keep their colours.
    """

    colors = 256

    def _repr_mimebundle_(self, include=None, exclude=None):
        png = base64.b64encode(png_bytes(self)).decode("ascii")
        size = {"width": round(96 * self.get_figwidth())}  # a height too would distort it on phones
        return {"image/png": png, "text/plain": repr(self)}, {"image/png": size}

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


def encode(image, kind="png", colors=256, quality=80):
    """A PIL image as bytes: a PNG of at most `colors` (None: exact), or a JPEG or WebP of `quality`."""
    out = io.BytesIO()
    if kind == "png":
        exact = image.mode == "L" or colors is None and image.getcolors(256) is None
        image = image if exact else with_palette(image, colors or 256)
        image.save(out, "PNG", optimize=True)
    elif kind in ("jpeg", "webp"):
        image.save(out, kind.upper(), quality=quality)
    else:
        raise FlowlibError(f"image kind {kind!r} is unknown; use 'png', 'jpeg' or 'webp'")
    return out.getvalue()


def png_bytes(figure, dpi=None):
    """The figure as a PNG with the palette that it asks for: a half to a fifth of true colour."""
    return encode(pixels_of(figure, dpi), "png", getattr(figure, "colors", 256))


def write_bytes(path, content):
    """Write bytes as a whole file (`flowlib.files`), in a folder that is made if it is missing. Returns the path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, lambda temporary: temporary.write_bytes(content))
    return path
