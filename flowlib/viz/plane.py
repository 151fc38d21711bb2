"""Transport in the plane: particles, densities, velocities and paths, each drawn on given axes."""

import numpy as np
import torch
from matplotlib.collections import LineCollection

from flowlib.errors import FlowlibError
from flowlib.viz.checks import as_array, as_labels
from flowlib.viz.style import CARD, INK, color_of, role_map, signed_map


def plane_axes(axes, extent=None, *, title=None, labels=True):
    """Make `axes` a plane z₁, z₂ of equal units; `extent` = (left, right, bottom, top), or a half-width."""
    axes.set_aspect("equal", adjustable="box")
    if extent is not None:
        left, right, bottom, top = _extent(extent)
        axes.set(xlim=(left, right), ylim=(bottom, top))
    if labels:
        axes.set(xlabel="$z_1$", ylabel="$z_2$")
    if title:
        axes.set_title(title)
    return axes


def particles(axes, z, role="data", *, size=9, alpha=0.6, label=None, marker="o"):
    """Points z (B, 2) in the colour of `role`; returns the axes."""
    z = _points(z)
    axes.scatter(*z.T, s=size, color=color_of(role), alpha=alpha, label=label, marker=marker, linewidths=0)
    return axes


def density_contours(
    axes, log_density, role="target", *, extent=None, resolution=120, levels=6, fill=True, label=None
):
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
        axes.contourf(
            x,
            y,
            weights,
            [*heights, weights.max() * 1.001],
            cmap=role_map(role),
            vmin=-0.15,
            vmax=2.2,
            zorder=0.5,
        )
    axes.contour(x, y, weights, heights, colors=[color_of(role)], linewidths=0.9, alpha=0.75, zorder=0.6)
    if label:
        axes.plot([], [], color=color_of(role), linewidth=1.2, label=label)
    return axes


def field_image(axes, function, *, extent=None, resolution=120, limit=None, lines=9, colorbar=None):
    """A signed function of the plane (a potential, a residual): blue below zero, orange above, with level
    lines.

    `function(z)` from points (N, 2) to (N,); `limit` is the value of the darkest colour (default: the largest
    magnitude); `colorbar`: a label, or None for no bar.
    """
    x, y, values = _on_grid(axes, function, extent, resolution)
    axes.grid(visible=False)
    limit = limit or np.abs(values).max() or 1.0
    image = axes.imshow(
        values,
        extent=(x[0], x[-1], y[0], y[-1]),
        origin="lower",
        cmap=signed_map(),
        vmin=-limit,
        vmax=limit,
        interpolation="bilinear",
        aspect=axes.get_aspect(),
        zorder=0.4,
    )
    if lines and np.ptp(values) > 0:
        axes.contour(x, y, values, lines, colors=[INK], linewidths=0.5, alpha=0.35, zorder=0.5)
    if colorbar is not None:
        bar = axes.figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02, aspect=26)
        bar.outline.set_visible(False)
        bar.ax.set_title(colorbar, fontsize=8, fontweight="normal", loc="center", pad=5)
    return axes


def arrows(
    axes, velocity, t=0.0, *, extent=None, count=15, role="reference", scale=None, alpha=0.9, where=None
):
    """The velocity field on a `count` × `count` grid: `velocity(z, t)` from points (N, 2) to (N, 2).

    `scale`: length on the plane of a unit velocity (default: the longest arrow spans one cell of the grid).
    `where(z)` → (N,) of booleans leaves arrows out, for instance where there is no mass.
    """
    left, right, bottom, top = _extent(extent, axes)
    half = 0.5 * (right - left) / count
    grid = np.meshgrid(
        np.linspace(left + half, right - half, count), np.linspace(bottom + half, top - half, count)
    )
    z = np.stack([g.ravel() for g in grid], -1)
    v = _points(velocity(_tensor(z), t), "velocity(z, t)")
    if len(v) != len(z):
        raise FlowlibError(
            f"velocity returned shape {v.shape} for points {z.shape}; it must return one vector per point"
        )
    if where is not None:
        keep = as_array(where(_tensor(z)), "where(z)", 1).astype(bool)
        z, v = z[keep], v[keep]
    longest = np.linalg.norm(v, axis=1).max(initial=0) or 1.0
    scale = scale or 1.9 * half / longest
    axes.quiver(
        *z.T,
        *(scale * v).T,
        angles="xy",
        scale_units="xy",
        scale=1,
        color=color_of(role),
        alpha=alpha,
        width=0.0042,
        headwidth=3.6,
        headlength=4.2,
        headaxislength=3.8,
        pivot="mid",
        zorder=1.5,
    )
    return axes


def trajectories(
    axes, path, role="posterior", *, alpha=0.5, width=0.9, ends=True, start_role="data", end_role="target"
):
    """The paths of particles, `path` (S, B, 2): thin lines, first and last points marked when `ends`."""
    path = as_array(path, "path", 3)
    if path.shape[-1] != 2:
        raise FlowlibError(
            f"path has shape {path.shape}, but (S, B, 2) is needed; use latent_paths beyond two dimensions"
        )
    axes.add_collection(
        LineCollection(path.swapaxes(0, 1), colors=color_of(role), alpha=alpha, linewidths=width, zorder=1.6)
    )
    if ends:
        for points, end in ((path[0], start_role), (path[-1], end_role)):
            axes.scatter(*points.T, s=10, color=color_of(end), edgecolors=CARD, linewidths=0.4, zorder=1.8)
    axes.autoscale_view()
    return axes


def coupling(axes, x, y, plan, *, roles=("data", "target"), threshold=1e-3, size=22):
    """A transport plan (n, m) between points x (n, 2) and y (m, 2): lines as heavy as the mass they carry."""
    x, y, plan = _points(x, "x"), _points(y, "y"), as_array(plan, "plan", 2)
    if plan.shape != (len(x), len(y)):
        raise FlowlibError(
            f"plan has shape {plan.shape}, but {len(x)} points x and {len(y)} points y need "
            f"{(len(x), len(y))}"
        )
    share = plan / plan.max()
    pairs = np.argwhere(share > threshold)
    lines = [(x[i], y[j]) for i, j in pairs]
    weights = share[tuple(pairs.T)]
    axes.add_collection(
        LineCollection(
            lines, colors=color_of("posterior"), linewidths=1.4 * weights, alpha=0.15 + 0.5 * weights
        )
    )
    particles(axes, x, roles[0], size=size, alpha=1)
    particles(axes, y, roles[1], size=size, alpha=1)
    return axes


def _tensor(z):
    return torch.as_tensor(z, dtype=torch.get_default_dtype())


def _points(z, name="z"):
    z = as_array(z, name, 2)
    if z.shape[1] != 2:
        raise FlowlibError(
            f"{name} has shape {z.shape}, but points of the plane (B, 2) are needed; choose two columns first"
        )
    return z


def _extent(extent, axes=None):
    """(left, right, bottom, top) from four numbers, from a half-width, or from the limits of `axes`."""
    if extent is None:
        return (*axes.get_xlim(), *axes.get_ylim())
    extent = np.atleast_1d(np.asarray(extent, float))
    if extent.size == 1:
        extent = extent[0] * np.array([-1, 1, -1, 1])
    if extent.size != 4 or extent[0] >= extent[1] or extent[2] >= extent[3]:
        raise FlowlibError(
            f"extent {extent.tolist()} is not (left, right, bottom, top); use for example 3 or (-3, 3, -3, 3)"
        )
    return tuple(extent)


def _on_grid(axes, function, extent, resolution):
    """The grid's coordinates x, y and the function's values (resolution, resolution), rows along y."""
    left, right, bottom, top = _extent(extent, axes)
    x, y = np.linspace(left, right, resolution), np.linspace(bottom, top, resolution)
    z = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    values = as_array(function(_tensor(z)), "the function on the grid", 1)
    as_labels(values, len(z), "the function's values on the grid")
    return x, y, values.reshape(resolution, resolution)
