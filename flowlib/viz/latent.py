"""Latent spaces of any dimension, seen in their first two principal directions."""

import numpy as np
from matplotlib.collections import LineCollection

from flowlib.errors import FlowlibError
from flowlib.viz.checks import as_array, as_labels
from flowlib.viz.style import CARD, INK, MUTED, color_of, factor_colors, new_figure


def principal_plane(points):
    """The first two principal directions of points (N, d): the mean (d,), the directions (d, 2), the share of
    variance (2,).

    Each direction's largest component is positive, so that the picture does not flip from run to run.
    """
    points = as_array(points, "points", 2)
    if points.shape[1] < 2 or len(points) < 3:
        raise FlowlibError(
            f"points have shape {points.shape}; at least 3 points of 2 dimensions are needed for a plane"
        )
    mean = points.mean(0)
    _, spread, directions = np.linalg.svd(points - mean, full_matrices=False)
    directions = directions[:2]
    largest = np.abs(directions).argmax(1)
    directions = directions * np.sign(directions[[0, 1], largest])[:, None]
    return mean, directions.T, spread[:2] ** 2 / max((spread**2).sum(), 1e-300)


def latent_paths(paths, factor, factor_names, *, background=None, axes=None, title=None):
    """Paths of latents (S, B, d), coloured by the factor (B,) that moves them, in their first two principal
    directions.

    `background` (N, d): other codes as faint points (they enter the principal directions too). The start is a
    ring, the end a dot. Returns the figure, or `axes` when they are given.
    """
    paths = as_array(paths, "paths", 3)
    factor = as_array(factor, "factor", 1).astype(int)
    as_labels(factor, paths.shape[1], "factor")
    if factor.min() < 0 or factor.max() >= len(factor_names):
        raise FlowlibError(
            f"factor has values {sorted(set(factor.tolist()))}, but factor_names has names for "
            f"0 … {len(factor_names) - 1}"
        )
    cloud = paths.reshape(-1, paths.shape[-1])
    other = None if background is None else as_array(background, "background", 2)
    mean, plane, share = principal_plane(cloud if other is None else np.concatenate([cloud, other]))
    figure, axes = (None, axes) if axes is not None else new_figure(height=4)
    if other is not None:
        axes.scatter(*((other - mean) @ plane).T, s=5, color=color_of("reference"), alpha=0.25, linewidths=0)
    flat = (paths - mean) @ plane
    for k, (name, color) in enumerate(zip(factor_names, factor_colors(factor_names))):
        lines = flat[:, factor == k]
        axes.add_collection(
            LineCollection(lines.swapaxes(0, 1), colors=color, linewidths=1.3, alpha=0.8, label=name)
        )
        axes.scatter(*lines[0].T, s=13, facecolor=CARD, edgecolor=color, linewidths=1, zorder=3)
        axes.scatter(*lines[-1].T, s=13, color=color, edgecolors=CARD, linewidths=0.4, zorder=3)
    axes.autoscale_view()
    _name(axes, share, title)
    axes.legend(loc="best")
    return figure or axes


def latent_scatter(codes, classes=None, *, names=None, axes=None, title=None):
    """Codes (N, d) in their first two principal directions, coloured by `classes` (N,) and named."""
    codes = as_array(codes, "codes", 2)
    mean, plane, share = principal_plane(codes)
    flat = (codes - mean) @ plane
    figure, axes = (None, axes) if axes is not None else new_figure(height=4)
    if classes is None:
        axes.scatter(*flat.T, s=7, color=color_of("posterior"), alpha=0.5, linewidths=0)
    else:
        classes = as_array(classes, "classes", 1).astype(int)
        as_labels(classes, len(codes), "classes")
        labels = sorted(set(classes.tolist()))
        names = as_labels(names if names is not None else labels, len(labels), "names")
        for label, name, color in zip(labels, names, factor_colors(names)):
            points = flat[classes == label]
            axes.scatter(*points.T, s=7, color=color, alpha=0.45, linewidths=0)
            axes.annotate(
                name,
                np.median(points, 0),
                ha="center",
                va="center",
                fontsize=10,
                fontweight="bold",
                color=INK,
                bbox={"boxstyle": "circle,pad=0.25", "fc": CARD, "ec": color, "lw": 1.4, "alpha": 0.9},
            )
    _name(axes, share, title)
    return figure or axes


def _name(axes, share, title):
    for set_label, which, part in (
        (axes.set_xlabel, "first", share[0]),
        (axes.set_ylabel, "second", share[1]),
    ):
        set_label(
            f"{which} principal direction ({100 * part:.0f} % of the variance)", color=MUTED, fontsize=8
        )
    if title:
        axes.set_title(title)
