"""Distributions over three outcomes as points of a triangle, each corner the certainty of one outcome."""

import numpy as np
import torch

from flowlib.errors import FlowlibError
from flowlib.viz.checks import as_array, as_labels
from flowlib.viz.style import INK, MUTED, factor_colors

CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 3**0.5 / 2]])
TOLERANCE = 1e-3


def triangle_points(weights):
    """The barycentric map: weights (N, 3), each row summing to 1, ↦ Σ_k y_k corner_k, (N, 2).

    Raises FlowlibError for rows that are no distribution.
    """
    weights = as_array(weights, "weights", 2)
    if weights.shape[1] != 3:
        raise FlowlibError(f"weights have shape {weights.shape}; a triangle shows distributions over 3 outcomes, (N, 3)")
    if weights.min(initial=0) < -TOLERANCE or np.abs(weights.sum(1) - 1).max(initial=0) > TOLERANCE:
        raise FlowlibError("a row of weights is no distribution: give numbers ≥ 0 that sum to 1")
    return weights @ CORNERS


def triangle(axes, weights, names, *, size=9, alpha=0.5, title=None):
    """Draw samples y (N, 3) in the triangle whose corners are called `names`; returns the axes.

    Each point has the colour of its largest weight, as the factors are coloured.
    """
    names, points = as_labels(names, 3, "names"), triangle_points(weights)
    colors = factor_colors(names)
    largest = np.asarray(torch.as_tensor(weights).detach().argmax(-1))
    axes.fill(*CORNERS.T, facecolor="none", edgecolor=MUTED, linewidth=0.9)
    axes.scatter(*points.T, s=size, c=[colors[k] for k in largest], alpha=alpha, linewidths=0, clip_on=False)
    for k, (name, corner) in enumerate(zip(names, CORNERS)):
        above = k == 2
        axes.annotate(
            name, corner, (0, 7 if above else -7), textcoords="offset points", ha="center",
            va="bottom" if above else "top", color=colors[k], fontweight="bold", fontsize=8.5, annotation_clip=False,
        )  # fmt: skip
    axes.set(aspect="equal", xlim=(-0.06, 1.06), ylim=(-0.13, 1.0))
    axes.set_axis_off()
    if title:
        axes.set_title(title, color=INK)
    return axes
