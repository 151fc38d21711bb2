"""Transport in the plane: particles, densities, velocities and paths, each drawn on given axes, which are returned."""

import numpy as np
import torch
from matplotlib.collections import LineCollection

from flowlib.errors import FlowlibError
from flowlib.viz.checks import as_array, as_plan, as_points
from flowlib.viz.palette import CARD, INK, color_of, role_map, signed_map
from flowlib.viz.style import finish


def plane_axes(axes, extent=None, *, title=None, labels=True):
    """Make `axes` a plane z₁, z₂ of equal units; `extent` = (left, right, bottom, top), or a half-width."""
    axes.set_aspect("equal", adjustable="box")
    if extent is not None:
        left, right, bottom, top = as_extent(extent)
        axes.set(xlim=(left, right), ylim=(bottom, top))
    if labels:
        axes.set(xlabel="$z_1$", ylabel="$z_2$")
    return finish(axes, title)


def particles(axes, z, role="data", *, size=9, alpha=0.6, label=None, marker="o"):
    """Points z (B, 2) in the colour of `role`."""
    axes.scatter(*as_points(z).T, s=size, color=color_of(role), alpha=alpha, label=label, marker=marker, linewidths=0)
    return axes


def density_contours(axes, log_density, role="target", *, extent=None, resolution=120, levels=6, fill=True, label=None):
    """Level lines of exp(log_density), with `log_density(z)` from points (N, 2), a tensor, to (N,).

    The levels enclose equal fractions of the probability that the picture holds (highest-density regions), so
    they can be compared between densities of any height. `extent` defaults to the axes' present limits.
    """
    x, y, values = _on_grid(axes, log_density, extent, resolution)
    weights = np.exp(values - values.max())
    ordered = np.sort(weights.ravel())[::-1]
    inside = np.cumsum(ordered) / ordered.sum()
    fractions = np.linspace(0.95, 0.1, levels)
    heights = np.unique([ordered[np.searchsorted(inside, f).clip(max=ordered.size - 1)] for f in fractions])
    if fill:
        bounds = [*heights, weights.max() * 1.001]
        axes.contourf(x, y, weights, bounds, cmap=role_map(role), vmin=-0.15, vmax=2.2, zorder=0.5)
    axes.contour(x, y, weights, heights, colors=[color_of(role)], linewidths=0.9, alpha=0.75, zorder=0.6)
    if label:
        axes.plot([], [], color=color_of(role), linewidth=1.2, label=label)
    return axes


def field_image(axes, function, *, extent=None, resolution=120, limit=None, lines=9, colorbar=None):
    """A signed function of the plane (a potential, a residual): blue below zero, orange above, with level lines.

    `function(z)` from points (N, 2) to (N,); `limit` is the value of the darkest colour (default: the largest
    magnitude); `colorbar`: a label, or None for no bar.
    """
    x, y, values = _on_grid(axes, function, extent, resolution)
    limit = limit or np.abs(values).max() or 1.0
    look = {"cmap": signed_map(), "vmin": -limit, "vmax": limit, "interpolation": "bilinear", "zorder": 0.4}
    image = axes.imshow(values, extent=(x[0], x[-1], y[0], y[-1]), origin="lower", aspect=axes.get_aspect(), **look)
    if lines and np.ptp(values) > 0:
        axes.contour(x, y, values, lines, colors=[INK], linewidths=0.5, alpha=0.35, zorder=0.5)
    if colorbar is not None:
        bar = axes.figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02, aspect=26)
        bar.outline.set_visible(False)
        bar.ax.set_title(colorbar, fontsize=8, fontweight="normal", loc="center", pad=5)
    return finish(axes, grid=None)


def arrows(axes, velocity, t=0.0, *, extent=None, count=15, role="reference", scale=None, alpha=0.9, where=None):
    """The velocity field on a `count` × `count` grid: `velocity(z, t)` from points (N, 2) to (N, 2).

    `scale`: length on the plane of a unit velocity (default: the longest arrow spans one cell of the grid).
    `where(z)` → (N,) of booleans leaves arrows out, for instance where there is no mass.
    """
    left, right, bottom, top = as_extent(extent, axes)
    half = 0.5 * (right - left) / count
    grid = np.meshgrid(np.linspace(left + half, right - half, count), np.linspace(bottom + half, top - half, count))
    z = np.stack([g.ravel() for g in grid], -1)
    v = _one_each(velocity(_tensor(z), t), z, "velocity(z, t)", "vector")
    if where is not None:
        keep = as_array(where(_tensor(z)), "where(z)", 1).astype(bool)
        z, v = z[keep], v[keep]
    scale = scale or 1.9 * half / (np.linalg.norm(v, axis=1).max(initial=0) or 1.0)
    head = {"headwidth": 3.6, "headlength": 4.2, "headaxislength": 3.8, "width": 0.0042}
    look = {"angles": "xy", "scale_units": "xy", "scale": 1, "pivot": "mid", "zorder": 1.5}
    axes.quiver(*z.T, *(scale * v).T, color=color_of(role), alpha=alpha, **head, **look)
    return axes


def trajectories(axes, path, role="posterior", *, alpha=0.5, width=0.9, ends=True, start_role="data", end_role="target"):
    """The paths of particles, `path` (B, S, 2): thin lines, first and last points marked when `ends`."""
    path = as_array(path, "path", 3)
    if path.shape[-1] != 2:
        raise FlowlibError(f"path has shape {path.shape}, but (B, S, 2) is needed; use latent_paths beyond two dimensions")
    axes.add_collection(LineCollection(path, colors=color_of(role), alpha=alpha, linewidths=width, zorder=1.6))
    if ends:
        for points, end in ((path[:, 0], start_role), (path[:, -1], end_role)):
            axes.scatter(*points.T, s=10, color=color_of(end), edgecolors=CARD, linewidths=0.4, zorder=1.8)
    axes.autoscale_view()
    return axes


def coupling(axes, x, y, plan, *, roles=("data", "target"), threshold=1e-3, size=22):
    """A transport plan (n, m) between points x (n, 2) and y (m, 2): lines as heavy as the mass they carry."""
    x, y = as_points(x, "x"), as_points(y, "y")
    plan = as_plan(plan, x, y)
    share = plan / plan.max()
    pairs = np.argwhere(share > threshold)
    weights = share[tuple(pairs.T)]
    look = {"linewidths": 1.4 * weights, "alpha": 0.15 + 0.5 * weights}
    axes.add_collection(LineCollection([(x[i], y[j]) for i, j in pairs], colors=color_of("posterior"), **look))
    particles(axes, x, roles[0], size=size, alpha=1)
    return particles(axes, y, roles[1], size=size, alpha=1)


def mapped_grid(axes, step_map, extent=None, *, lines=17, role="posterior", cell=None):
    """The image of a square grid of `lines` × `lines` lines under `step_map`: (N, 2) to (N, 2).

    `extent`: the grid before the map (default: the axes' limits). `cell` = (left, right, bottom, top): a rectangle whose image is
    filled. Where the map is not injective, lines of the image cross that were apart.
    """
    left, right, bottom, top = as_extent(extent, axes)
    across, along = np.meshgrid(np.linspace(0, 1, lines), np.linspace(0, 1, 121), indexing="ij")
    unit = np.concatenate([np.stack([across, along], -1), np.stack([along, across], -1)])  # (2 lines, 121, 2)
    moved = _mapped(step_map, [left, bottom] + unit.reshape(-1, 2) * [right - left, top - bottom])
    axes.add_collection(LineCollection(moved.reshape(unit.shape), colors=color_of(role), linewidths=0.7, alpha=0.6, zorder=1.2))
    if cell is not None:
        axes.fill(*_mapped(step_map, _outline(cell)).T, color=color_of("target"), alpha=0.75, linewidth=0, zorder=1.4)
    return axes


def as_extent(extent, axes=None):
    """(left, right, bottom, top) from four numbers, from a half-width, or from the limits of `axes`."""
    if extent is None:
        return (*axes.get_xlim(), *axes.get_ylim())
    extent = np.atleast_1d(np.asarray(extent, float))
    if extent.size == 1:
        extent = extent[0] * np.array([-1, 1, -1, 1])
    if extent.size != 4 or extent[0] >= extent[1] or extent[2] >= extent[3]:
        raise FlowlibError(f"extent {extent.tolist()} is not (left, right, bottom, top); use for example 3 or (-3, 3, -3, 3)")
    return tuple(extent)


def _tensor(z):
    return torch.as_tensor(z, dtype=torch.get_default_dtype())


def _one_each(values, points, name, what):
    """A function's values (N, 2) at points (N, 2), checked."""
    values = as_points(values, name)
    if len(values) != len(points):
        called = name.partition("(")[0]
        raise FlowlibError(f"{called} returned shape {values.shape} for points {points.shape}; it must return one {what} for each point")
    return values


def _mapped(step_map, points):
    return _one_each(step_map(_tensor(points)), points, "step_map(z)", "point")


def _outline(cell, count=20):
    """The edge of a rectangle (left, right, bottom, top), counter-clockwise, 4·count points."""
    left, right, bottom, top = as_extent(cell)
    s = np.linspace(0, 1, count, endpoint=False)
    corners = np.array([[left, bottom], [right, bottom], [right, top], [left, top]])
    return np.concatenate([a + s[:, None] * (b - a) for a, b in zip(corners, np.roll(corners, -1, axis=0))])


def _on_grid(axes, function, extent, resolution):
    """The grid's coordinates x, y and the function's values (resolution, resolution), rows along y."""
    left, right, bottom, top = as_extent(extent, axes)
    x, y = np.linspace(left, right, resolution), np.linspace(bottom, top, resolution)
    z = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    values = as_array(function(_tensor(z)), "the function on the grid", 1, count=len(z))
    return x, y, values.reshape(resolution, resolution)
