"""Pictures as bytes: figures that show themselves in a notebook, and frames of images and figures."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from flowlib.atomic_io import write_file
from flowlib.viz.checks import as_array, as_images
from flowlib.viz.palette import CARD

FRAME_DPI = 112  # a little below a still figure's: a slider holds many
GAP_COLOR = "#8a9098"  # between images in a row: seen on light and on dark pages


class NotebookFigure(Figure):
    """A Figure outside pyplot's global state: nothing to close, no backend, shown once.

    `colors`: the size of the palette that it is saved with, or None where images must keep their colours.
    """

    colors = 256

    def _repr_mimebundle_(self, include=None, exclude=None):
        size = {"width": round(96 * self.get_figwidth())}  # a height too would distort it on phones
        return {"image/png": as_text(png_bytes(self)), "text/plain": repr(self)}, {"image/png": size}

    def __repr__(self):
        count = len(self.axes)
        return f"<Picture with {count} {'panel' if count == 1 else 'panels'}>"

    def save(self, path):
        """Write the figure to `path` (PNG), to a temporary name first and then renamed; returns the path."""
        return write_bytes(path, png_bytes(self))


@dataclass(frozen=True)
class Frame:
    """One picture as a PNG, and its size (width, height); `pixelated` when it came from an image array."""

    content: bytes
    size: tuple
    pixelated: bool


def make_frame(frame, *, dpi=FRAME_DPI, colors=64):
    """Encode a figure or an image; `colors` bounds a figure's palette."""
    image, pixelated = to_pil(frame, dpi)
    exact = pixelated or getattr(frame, "colors", 256) is None
    return Frame(encode(image, None if exact else colors), image.size, pixelated)


def to_pil(frame, dpi=None):
    """A Figure, a PIL image or an array in [0, 1] as a PIL image, and whether it is an array of raw pixels.

    Arrays: one image (c, H, W) or (H, W), a row of images (n, c, H, W), or a grid (R, C, c, H, W).
    """
    if isinstance(frame, Figure):
        return pixels_of(frame, dpi), False
    if isinstance(frame, Image.Image):
        return frame.convert("RGB"), False
    array = as_array(frame, "frame", (2, 3, 4, 5), finite=False)
    array = array[None] if array.ndim == 2 else array
    images = as_images(array, "frame", (3, 4, 5))
    if images.ndim > 3:
        grid = images if images.ndim == 5 else images[None]
        images, _ = mosaic(grid, np.zeros(len(grid)), gap=1, color=GAP_COLOR)
    levels = np.round(255 * images).astype(np.uint8)
    return Image.fromarray(levels[..., 0] if array.shape[0] == 1 and array.ndim == 3 else levels), True


def mosaic(images, space, gap=2, color=CARD):
    """Images (R, C, H, W, 3) on one canvas of `color`; `space` (R,) are extra pixels above each row.

    Returns the canvas and the top edge of every row.
    """
    count, columns, height, width, _ = images.shape
    tops = (np.arange(count) * (height + gap) + np.cumsum(space)).astype(int)
    canvas = np.empty((tops[-1] + height, columns * (width + gap) - gap, 3))
    canvas[:] = to_rgb(color)
    for (r, c), image in zip(np.ndindex(count, columns), images.reshape(-1, height, width, 3)):
        left = c * (width + gap)
        canvas[tops[r] : tops[r] + height, left : left + width] = image
    return canvas, tops


def pixels_of(figure, dpi=None):
    """The figure as an RGB image of PIL, `dpi` dots per inch (default: the figure's own)."""
    before = figure.dpi
    figure.dpi = dpi or before
    try:
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return Image.fromarray(np.asarray(canvas.buffer_rgba()).copy()).convert("RGB")
    finally:
        figure.dpi = before


def encode(image, colors=256):
    """A PIL image as the bytes of a PNG of at most `colors` (None: exact); its palette by maximum coverage, so that colours in few pixels, as of a
    colour bar, keep theirs, then two rounds of k-means."""
    exact = image.mode == "L" or colors is None and image.getcolors(256) is None  # more colours than a palette holds
    if not exact:
        image = image.quantize(colors or 256, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE)
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def png_bytes(figure, dpi=None):
    """The figure as a PNG with the palette that it asks for: a half to a fifth of true colour."""
    return encode(pixels_of(figure, dpi), getattr(figure, "colors", 256))


def as_text(content):
    """Bytes as base64 text."""
    return base64.b64encode(content).decode("ascii")


def write_bytes(path, content):
    """Write bytes as a whole file (`flowlib.atomic_io`), in a folder that is made if it is missing. Returns the path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, lambda temporary: temporary.write_bytes(content))
    return path
