"""From a figure or an image array to the bytes of one frame."""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from flowlib.errors import FlowlibError
from flowlib.viz.checks import as_array, as_images
from flowlib.viz.images import mosaic
from flowlib.viz.picture import encode, pixels_of

FRAME_DPI = 112  # a little below a still figure's: a slider holds many
GAP_COLOR = "#8a9098"  # between images in a row: seen on light and on dark pages


@dataclass(frozen=True)
class Frame:
    """The bytes of one picture, its media type and size; `pixelated` when it came from an image array."""

    content: bytes
    media_type: str
    size: tuple
    pixelated: bool


def to_pil(frame, dpi=None):
    """A Figure, a PIL image or an array in [0, 1] as a PIL image, and whether it is an array of raw pixels.

    Arrays: one image (c, H, W) or (H, W), a row of images (n, c, H, W), or a grid (R, C, c, H, W).
    """
    if isinstance(frame, Figure):
        return pixels_of(frame, dpi), False
    if isinstance(frame, Image.Image):
        return frame.convert("RGB"), False
    array = as_array(frame, "frame", (2, 3, 4, 5), finite=False)
    if array.ndim == 2:
        array = array[None]
    images = as_images(array, "frame", (3, 4, 5))
    if images.ndim > 3:
        grid = images if images.ndim == 5 else images[None]
        images, _ = mosaic(grid, np.zeros(len(grid)), gap=1, color=GAP_COLOR)
    grey = images.ndim == 3 and array.ndim == 3 and array.shape[0] == 1
    bytes_ = np.round(255 * images).astype(np.uint8)
    return Image.fromarray(bytes_[..., 0] if grey else bytes_), True


def make_frame(frame, *, dpi=FRAME_DPI, kind="png", colors=64, quality=80):
    """Encode one frame; `colors` bounds a figure's palette, `quality` is for 'jpeg' and 'webp'."""
    image, pixelated = to_pil(frame, dpi)
    exact = pixelated or getattr(frame, "colors", 256) is None
    content = encode(image, kind, None if exact else colors, quality)
    return Frame(content, f"image/{kind}", image.size, pixelated)


def make_frames(frames, **options):
    """Encode several frames, which must have one size: FlowlibError names the first that differs."""
    frames = list(frames)
    if not frames:
        raise FlowlibError("there are no frames; pass at least one figure or image")
    made = [make_frame(frame, **options) for frame in frames]
    for index, frame in enumerate(made):
        if frame.size != made[0].size:
            raise FlowlibError(
                f"frame {index} is {frame.size} pixels, frame 0 is {made[0].size}; make all of one size"
            )
    return made
