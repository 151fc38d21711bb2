"""Latent spaces of any dimension, seen in their first two principal directions."""

import numpy as np
from matplotlib.collections import LineCollection

from flowlib.errors import FlowlibError
from flowlib.viz.checks import as_array
from flowlib.viz.palette import CARD, MUTED, color_of, factor_colors
from flowlib.viz.style import finish, new_figure


def principal_plane(points):
    """The first two principal directions of points (N, d): the mean (d,), the directions (d, 2), the share of variance (2,).

    Each direction's largest component is positive, so that the picture does not flip from run to run.
    """
    points = as_array(points, "points", 2)
    if points.shape[1] < 2 or len(points) < 3:
        raise FlowlibError(f"points have shape {points.shape}; at least 3 points of 2 dimensions are needed for a plane")
    mean = points.mean(0)
    _, spread, directions = np.linalg.svd(points - mean, full_matrices=False)
    directions = directions[:2]
    largest = np.abs(directions).argmax(1)
    directions = directions * np.sign(directions[[0, 1], largest])[:, None]
    return mean, directions.T, spread[:2] ** 2 / max((spread**2).sum(), 1e-300)


def latent_paths(paths, factor, factor_names, *, background=None, axes=None, title=None):
    """Paths of latents (B, S, d), coloured by the factor (B,) that moves them, in their first two principal directions.

    `background` (N, d): other codes as faint points (they enter the principal directions too). The start is a
    ring, the end a dot. Returns the figure, or `axes` when they are given.
    """
    paths = as_array(paths, "paths", 3)
    factor = as_array(factor, "factor", 1, count=len(paths)).astype(int)
    if factor.min() < 0 or factor.max() >= len(factor_names):
        seen = sorted(set(factor.tolist()))
        raise FlowlibError(f"factor has values {seen}, but factor_names has names for 0 … {len(factor_names) - 1}")
    codes = paths.reshape(-1, paths.shape[-1])
    others = codes[:0] if background is None else as_array(background, "background", 2)
    mean, plane, share = principal_plane(np.concatenate([codes, others]))
    figure, axes = (None, axes) if axes is not None else new_figure(height=4)
    if len(others):
        axes.scatter(*((others - mean) @ plane).T, s=5, color=color_of("reference"), alpha=0.25, linewidths=0)
    flat = (paths - mean) @ plane
    for k, (name, color) in enumerate(zip(factor_names, factor_colors(factor_names))):
        lines = flat[factor == k]
        axes.add_collection(LineCollection(lines, colors=color, linewidths=1.3, alpha=0.8, label=name))
        axes.scatter(*lines[:, 0].T, s=13, facecolor=CARD, edgecolor=color, linewidths=1, zorder=3)
        axes.scatter(*lines[:, -1].T, s=13, color=color, edgecolors=CARD, linewidths=0.4, zorder=3)
    axes.autoscale_view()
    for set_label, which, part in zip((axes.set_xlabel, axes.set_ylabel), ("first", "second"), share):
        set_label(f"{which} principal direction ({100 * part:.0f} % of the variance)", color=MUTED, fontsize=8)
    finish(axes, title, legend={"loc": "best"})
    return figure or axes
