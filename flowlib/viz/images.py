"""Grids of small images, drawn pixel by pixel as one mosaic: sharp, fast, and small as a file."""

import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image

from flowlib.viz.checks import as_images, as_labels, same_shape
from flowlib.viz.picture import Picture
from flowlib.viz.style import CARD, DPI, INK, MUTED, PAGE_WIDTH, factor_colors, use_style

GAP = 2  # image pixels between neighbours
LETTER = 0.075  # inches, the mean width of a letter of the labels


def image_grid(images, row_labels=None, column_labels=None, title=None, *, width=PAGE_WIDTH, max_scale=8):
    """Images (R, C, c, H, W) in [0, 1] as a grid of R rows and C columns with labels.

    Every image pixel becomes an equal square of at most `max_scale` screen pixels. Raises FlowlibError for
    NaN, values outside [0, 1], or a wrong number of labels.
    """
    images = as_images(images, "images", 5)
    row_labels = as_labels(row_labels, images.shape[0], "row_labels")
    column_labels = as_labels(column_labels, images.shape[1], "column_labels")
    rows = [(label, INK) for label in row_labels] if row_labels else None
    return _grid(images, np.zeros(len(images)), rows, None, column_labels, title, width, max_scale)


def flow_grid(
    true_frames,
    decoded_frames,
    factor_names,
    title=None,
    *,
    column_labels=None,
    row_names=("true", "decoded"),
    width=PAGE_WIDTH,
):
    """For each factor a pair of rows, the true frames above the decoded ones, over t = 0 … T.

    `true_frames`, `decoded_frames`: (K, T+1, c, H, W) in [0, 1]; `factor_names`: K names, which take their
    colours.
    """
    same_shape(true_frames, decoded_frames, ("true_frames", "decoded_frames"))
    true = as_images(true_frames, "true_frames", 5)
    decoded = as_images(decoded_frames, "decoded_frames", 5)
    names = as_labels(factor_names, len(true), "factor_names")
    images = np.stack([true, decoded], 1).reshape(-1, *true.shape[1:])
    space = np.where(np.arange(len(images)) % 2 == 0, 5 * GAP, 0)
    space[0] = 0
    rows = [(name, MUTED) for name in row_names] * len(true)
    steps = column_labels or [f"t = {t}" if t == 0 else str(t) for t in range(true.shape[1])]
    steps = as_labels(steps, true.shape[1], "column_labels")
    return _grid(images, space, rows, list(zip(names, factor_colors(names))), steps, title, width, 8)


def mosaic(images, space, gap=GAP, color=CARD):
    """Images (R, C, H, W, 3) on one canvas of `color`; `space` (R,) are extra pixels above each row.

    Returns the canvas and the top edge of every row.
    """
    count, columns, height, width, _ = images.shape
    tops = (np.arange(count) * (height + gap) + np.cumsum(space)).astype(int)
    canvas = np.empty((tops[-1] + height, columns * (width + gap) - gap, 3))
    canvas[:] = to_rgb(color)
    for r in range(count):
        for c in range(columns):
            left = c * (width + gap)
            canvas[tops[r] : tops[r] + height, left : left + width] = images[r, c]
    return canvas, tops


def _enlarge(canvas, room, max_scale):
    """Whole multiples of the pixels where there is room for two or more, else smoothly to the full `room`."""
    if room >= 2:
        scale = int(min(room, max_scale))
        return np.repeat(np.repeat(canvas, scale, 0), scale, 1)
    size = int(room * canvas.shape[1]), max(1, int(room * canvas.shape[0]))
    image = Image.fromarray(np.round(255 * canvas).astype(np.uint8))
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS)) / 255


def _grid(images, space, rows, groups, columns, title, width, max_scale):
    """Draw a mosaic with labels: `rows` and `groups` are lists of (text, colour), a group spans two rows."""
    use_style()
    canvas, tops = mosaic(images, space)
    side, across = images.shape[2], images.shape[3] + GAP
    letters = max((len(text) for text, _ in rows), default=0) if rows else 0
    left = 0.12 + (LETTER * letters + 0.08 if rows else 0) + (0.26 if groups else 0)
    top = 0.12 + (0.2 if columns else 0) + (0.3 if title else 0)
    pixels = _enlarge(canvas, (width - left - 0.12) * DPI / canvas.shape[1], max_scale)
    inches_high, inches_wide = pixels.shape[0] / DPI, pixels.shape[1] / DPI
    height = top + inches_high + 0.12
    figure = Picture(figsize=(width, height))
    figure.colors = None
    axes = figure.add_axes([left / width, 0.12 / height, inches_wide / width, inches_high / height])
    axes.imshow(
        pixels, interpolation="nearest", aspect="auto", extent=(0, canvas.shape[1], canvas.shape[0], 0)
    )
    axes.set_axis_off()
    points = {"textcoords": "offset points", "annotation_clip": False}
    for (text, color), y in zip(rows or [], tops + side / 2):
        axes.annotate(text, (0, y), (-5, 0), va="center", ha="right", fontsize=8, color=color, **points)
    for g, (text, color) in enumerate(groups or []):
        y = (tops[2 * g] + tops[2 * g + 1] + side) / 2
        axes.annotate(
            text,
            (0, y),
            (-72 * (left - 0.2), 0),
            va="center",
            ha="center",
            rotation=90,
            fontsize=9,
            fontweight="bold",
            color=color,
            **points,
        )
    for c, text in enumerate(columns or []):
        axes.annotate(
            text,
            (c * across + images.shape[3] / 2, 0),
            (0, 4),
            va="bottom",
            ha="center",
            fontsize=8,
            color=MUTED,
            **points,
        )
    if title:
        figure.text(
            0.12 / width, 1 - 0.12 / height, title, va="top", ha="left", fontsize=9.5, fontweight="bold"
        )
    return figure
