"""Grids of small images, drawn pixel by pixel as one mosaic: sharp, fast, and small as a file."""

import numpy as np
from PIL import Image

from flowlib.viz.checks import as_images, as_labels, same_shape
from flowlib.viz.palette import INK, MUTED, factor_colors
from flowlib.viz.picture import NotebookFigure, mosaic
from flowlib.viz.style import DPI, PAGE_WIDTH, use_style

LETTER = 0.075  # inches, the mean width of a letter of the labels
MARGIN = 0.12  # inches
PAIR = 10  # image pixels between the pairs of rows of a flow grid


def image_grid(images, row_labels=None, column_labels=None, title=None, *, width=PAGE_WIDTH, max_scale=8):
    """Images (R, C, c, H, W) in [0, 1] as a grid of R rows and C columns with labels.

    Every image pixel becomes an equal square of at most `max_scale` screen pixels. Raises FlowlibError for
    NaN, values outside [0, 1], or a wrong number of labels.
    """
    images = as_images(images, "images", 5)
    rows = as_labels(row_labels, images.shape[0], "row_labels") or []
    columns = as_labels(column_labels, images.shape[1], "column_labels")
    return _grid(images, np.zeros(len(images)), [(row, INK) for row in rows], [], columns, title, width, max_scale)


def flow_grid(true_frames, decoded_frames, factor_names, title=None, *, column_labels=None, row_names=("true", "decoded"), width=PAGE_WIDTH):
    """For each factor a pair of rows, the true frames above the decoded ones, over t = 0 … T.

    `true_frames`, `decoded_frames`: (K, T+1, c, H, W) in [0, 1]; `factor_names`: K names, which take their colours.
    """
    same_shape(true_frames, decoded_frames, ("true_frames", "decoded_frames"))
    true, decoded = as_images(true_frames, "true_frames", 5), as_images(decoded_frames, "decoded_frames", 5)
    names = as_labels(factor_names, len(true), "factor_names")
    images = np.stack([true, decoded], 1).reshape(-1, *true.shape[1:])
    space = PAIR * (np.arange(len(images)) % 2 == 0)
    space[0] = 0
    steps = column_labels or [f"t = {t}" if t == 0 else str(t) for t in range(true.shape[1])]
    steps = as_labels(steps, true.shape[1], "column_labels")
    rows = [(name, MUTED) for name in row_names] * len(true)
    return _grid(images, space, rows, list(zip(names, factor_colors(names))), steps, title, width, 8)


def _grid(images, space, rows, pairs, columns, title, width, max_scale):
    """Draw a mosaic with labels: `rows` and `pairs` (of rows) are lists of (text, colour)."""
    use_style()
    canvas, tops = mosaic(images, space)
    high, wide = canvas.shape[:2]
    letters = max((len(text) for text, _ in rows), default=0)
    left = MARGIN + (LETTER * letters + 0.08 if rows else 0) + (0.26 if pairs else 0)
    top = MARGIN + (0.2 if columns else 0) + (0.3 if title else 0)
    pixels = _enlarge(canvas, (width - left - MARGIN) * DPI / wide, max_scale)
    inches = pixels.shape[1] / DPI, pixels.shape[0] / DPI
    height = top + inches[1] + MARGIN
    figure = NotebookFigure(figsize=(width, height))
    figure.colors = None
    axes = figure.add_axes([left / width, MARGIN / height, inches[0] / width, inches[1] / height])
    axes.imshow(pixels, interpolation="nearest", aspect="auto", extent=(0, wide, high, 0))
    axes.set_axis_off()

    def write(text, place, offset, **look):
        axes.annotate(text, place, offset, textcoords="offset points", annotation_clip=False, **look)

    middles = tops + images.shape[2] / 2
    for (text, color), y in zip(rows, middles):
        write(text, (0, y), (-5, 0), va="center", ha="right", fontsize=8, color=color)
    bold = {"fontsize": 9, "fontweight": "bold", "rotation": 90, "va": "center", "ha": "center"}
    for (text, color), y in zip(pairs, middles.reshape(-1, 2).mean(1) if pairs else []):
        write(text, (0, y), (-72 * (left - 0.2), 0), color=color, **bold)
    centres = np.linspace(images.shape[3] / 2, wide - images.shape[3] / 2, images.shape[1])
    for text, x in zip(columns or [], centres):
        write(text, (x, 0), (0, 4), va="bottom", ha="center", fontsize=8, color=MUTED)
    if title:
        figure.text(MARGIN / width, 1 - MARGIN / height, title, va="top", ha="left", fontsize=9.5, fontweight="bold")
    return figure


def _enlarge(canvas, room, max_scale):
    """Whole multiples of the pixels where there is room for two or more, else smoothly to the full `room`."""
    if room >= 2:
        scale = int(min(room, max_scale))
        return np.repeat(np.repeat(canvas, scale, 0), scale, 1)
    size = int(room * canvas.shape[1]), max(1, int(room * canvas.shape[0]))
    image = Image.fromarray(np.round(255 * canvas).astype(np.uint8))
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS)) / 255
