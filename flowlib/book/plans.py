"""Transport plans and dual prices: the plan between two lines, and the cells that prices cut the plane into (chapter 2)."""

import numpy as np
from matplotlib.colors import to_rgb

from flowlib.viz.checks import as_array, as_plan, as_points
from flowlib.viz.palette import CARD, CYCLE, color_of, role_map
from flowlib.viz.plane import as_extent
from flowlib.viz.style import finish


def plan_image(axes, plan, x, y, role="posterior"):
    """A plan (n, m) between points of two lines, x (n,) across and y (m,) up: the darker, the more mass.

    Points may come in any order. The darkest colour is the plan's largest entry.
    """
    x, y = as_array(x, "x", 1), as_array(y, "y", 1)
    plan = as_plan(plan, x, y)
    across, up = np.argsort(x), np.argsort(y)
    axes.grid(visible=False)  # before pcolormesh, which minds it
    axes.pcolormesh(x[across], y[up], plan[np.ix_(across, up)].T, cmap=role_map(role), vmin=0, shading="nearest", rasterized=True)
    return finish(axes, xlabel="source $x$", ylabel="target $y$")


def price_cells(axes, y, g, *, extent=None, resolution=240, numbers=True):
    """The Laguerre cells {z : ‖z − y_j‖² − g_j is smallest} of points y (m, 2) at prices g (m,), one colour each.

    `extent` defaults to the axes' present limits; `numbers` writes j + 1 beside each point.
    """
    y = as_points(y, "y")
    g = as_array(g, "g", 1, count=len(y))
    left, right, bottom, top = extent = as_extent(extent, axes)
    z = np.stack(np.meshgrid(np.linspace(left, right, resolution), np.linspace(bottom, top, resolution)), -1)
    cell = (((z[:, :, None] - y) ** 2).sum(-1) - g).argmin(-1)
    colors = np.array([to_rgb(CYCLE[j % len(CYCLE)]) for j in range(len(y))])
    tints = 0.45 * colors + 0.55 * np.array(to_rgb(CARD))
    look = {"interpolation": "nearest", "aspect": axes.get_aspect(), "zorder": 0.4}
    axes.imshow(tints[cell], extent=extent, origin="lower", **look)
    axes.scatter(*y.T, s=46, color=color_of("target"), edgecolors=CARD, linewidths=1.2, zorder=3)
    for j, point in enumerate(y if numbers else []):
        axes.annotate(str(j + 1), point, (5, 4), textcoords="offset points", fontsize=9, fontweight="bold", zorder=3)
    return finish(axes, grid=None)
