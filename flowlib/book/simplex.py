"""Distributions over three outcomes as points of a triangle, each corner the certainty of one outcome (chapter 9)."""

import numpy as np

from flowlib.errors import FlowlibError
from flowlib.viz.checks import as_array, as_labels
from flowlib.viz.palette import MUTED, factor_colors
from flowlib.viz.style import finish

CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 3**0.5 / 2]])
TOLERANCE = 1e-3


def triangle_points(weights):
    """The barycentric map: weights (N, 3), each row summing to 1, ↦ Σ_k y_k corner_k, (N, 2).

    Raises FlowlibError for rows that are no distribution.
    """
    weights = as_array(weights, "weights", 2)
    if weights.shape[1] != 3:
        raise FlowlibError(f"weights have shape {weights.shape}; a triangle shows distributions over 3 outcomes, (N, 3)")
    if weights.min() < -TOLERANCE or np.abs(weights.sum(1) - 1).max() > TOLERANCE:
        raise FlowlibError("a row of weights is no distribution: give numbers ≥ 0 that sum to 1")
    return weights @ CORNERS


def triangle(axes, weights, names, *, size=9, alpha=0.5, title=None):
    """Draw samples y (N, 3) in the triangle whose corners are called `names`; returns the axes.

    Each point has the colour of its largest weight, as the factors are coloured.
    """
    names, points = as_labels(names, 3, "names"), triangle_points(weights)
    colors = factor_colors(names)
    largest = as_array(weights, "weights").argmax(1)
    axes.fill(*CORNERS.T, facecolor="none", edgecolor=MUTED, linewidth=0.9)
    axes.scatter(*points.T, s=size, c=[colors[k] for k in largest], alpha=alpha, linewidths=0, clip_on=False)
    look = {"textcoords": "offset points", "ha": "center", "fontweight": "bold", "fontsize": 8.5, "annotation_clip": False}
    for name, corner, color, (shift, va) in zip(names, CORNERS, colors, [(-7, "top"), (-7, "top"), (7, "bottom")]):
        axes.annotate(name, corner, (0, shift), va=va, color=color, **look)
    axes.set_axis_off()
    return finish(axes, title, aspect="equal", xlim=(-0.06, 1.06), ylim=(-0.13, 1.0))
