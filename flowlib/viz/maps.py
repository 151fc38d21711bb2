"""What a map does to the plane: the image of a square grid, in which stretched, shrunk and folded cells are seen."""

import numpy as np
from matplotlib.collections import LineCollection

from flowlib.errors import FlowlibError
from flowlib.viz.plane import _extent, _points, _tensor
from flowlib.viz.style import color_of


def mapped_grid(axes, step_map, extent=None, *, lines=17, role="posterior", cell=None):
    """The image of a square grid of `lines` × `lines` lines under `step_map`: (N, 2) to (N, 2); returns the axes.

    `extent`: the grid before the map (default: the axes' limits). `cell` = (left, right, bottom, top): a rectangle whose image is
    filled. Where the map is not injective, lines of the image cross that were apart.
    """
    left, right, bottom, top = _extent(extent, axes)
    along = np.linspace(0, 1, 121)
    across = np.linspace(0, 1, lines)
    curves = [np.stack([np.full_like(along, left + (right - left) * c), bottom + (top - bottom) * along], -1) for c in across]
    curves += [np.stack([left + (right - left) * along, np.full_like(along, bottom + (top - bottom) * c)], -1) for c in across]
    moved = _apply(step_map, np.concatenate(curves)).reshape(len(curves), len(along), 2)
    axes.add_collection(LineCollection(moved, colors=color_of(role), linewidths=0.7, alpha=0.6, zorder=1.2))
    if cell is not None:
        axes.fill(*_apply(step_map, _outline(cell)).T, color=color_of("target"), alpha=0.75, linewidth=0, zorder=1.4)
    return axes


def _apply(step_map, points):
    image = _points(step_map(_tensor(points)), "step_map(z)")
    if len(image) != len(points):
        raise FlowlibError(f"step_map returned shape {image.shape} for points {points.shape}; it must return one point for each")
    return image


def _outline(cell, count=20):
    """The edge of a rectangle (left, right, bottom, top), counter-clockwise, 4·count points."""
    left, right, bottom, top = _extent(cell)
    s = np.linspace(0, 1, count, endpoint=False)
    corners = np.array([[left, bottom], [right, bottom], [right, top], [left, top]])
    return np.concatenate([a + s[:, None] * (b - a) for a, b in zip(corners, np.roll(corners, -1, axis=0))])
