"""A density that moves on a line: one picture of space and time, with the paths of its particles (chapter 3)."""

import numpy as np

from flowlib.errors import FlowlibError
from flowlib.viz.checks import as_array
from flowlib.viz.palette import color_of, role_map
from flowlib.viz.style import finish


def space_time_density(axes, edges, density, role="posterior", *, paths=9, peak=None, title=None):
    """A film `density` (N + 1, n) on the cells between `edges` (n + 1,): space rightwards, time upwards from 0 to 1.

    The darker, the denser; `peak` is the density of the darkest colour (default: the film's largest). The `paths`
    lines keep equal amounts of mass to their left: on a line the particles of a smooth flow cannot overtake, so
    these are particles' paths. Raises FlowlibError where edges and density do not fit.
    """
    edges, density = as_array(edges, "edges", 1), as_array(density, "density", 2)
    if len(edges) != density.shape[1] + 1:
        raise FlowlibError(f"edges have {len(edges)} entries; a density of shape {density.shape} needs {density.shape[1] + 1}")
    space = edges[0], edges[-1]
    colors = {"cmap": role_map(role), "vmin": 0, "vmax": 1.35 * (peak or density.max())}
    axes.imshow(density, extent=(*space, 0, 1), origin="lower", aspect="auto", interpolation="bilinear", zorder=0.4, **colors)
    lines, times = equal_mass_paths(edges, density, paths), np.linspace(0, 1, len(density))
    axes.plot(lines, times, color=color_of(role), linewidth=1.1, zorder=1)
    return finish(axes, title, grid=None, xlabel="$x$", ylabel="time $t$", xlim=space, ylim=(0, 1))


def equal_mass_paths(edges, density, count):
    """Positions (N + 1, count) of the points of a film with (i + ½) / count of the mass to their left."""
    mass = np.cumsum(density * np.diff(edges), axis=1)
    below = np.concatenate([np.zeros((len(mass), 1)), mass / mass[:, -1:]], axis=1)
    levels = (np.arange(count) + 0.5) / count
    return np.stack([np.interp(levels, row, edges) for row in below])
