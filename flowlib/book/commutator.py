"""Two flows in both orders: a parallelogram that closes only where they commute (chapter 11)."""

import numpy as np

from flowlib.errors import FlowlibError
from flowlib.viz.checks import as_array, same_shape
from flowlib.viz.palette import INK, factor_colors
from flowlib.viz.style import finish, new_figure


def commutator_plot(one, other, names, *, axes=None, title=None):
    """The path z → φ₁ → φ₂, `one` (2 n + 1, d), and the path z → φ₂ → φ₁, `other` (same), seen in the plane of the two first legs'
    displacements; each leg has n steps and its factor's colour, and a dashed line joins the ends.

    Dots mark the ends. What of the gap lies outside the plane is not seen. Returns the figure, or `axes` when they are given.
    """
    one, other = as_array(one, "one", 2), as_array(other, "other", 2)
    same_shape(one, other, ("one", "other"))
    if len(one) % 2 == 0 or len(one) < 3:
        raise FlowlibError(f"paths of {len(one)} points: pass a start and as many steps of one flow as of the other")
    half = len(one) // 2
    plane = displacement_plane(one[half] - one[0], other[half] - other[0])
    figure, axes = (None, axes) if axes is not None else new_figure(height=3.6, width=5.4)
    colors = factor_colors(names)
    for path, order in ((one, (0, 1)), (other, (1, 0))):
        flat = (path - one[0]) @ plane
        for leg, k in zip((flat[: half + 1], flat[half:]), order):
            axes.plot(*leg.T, ".-", color=colors[k], markersize=5, label=names[k] if path is one else None)
        axes.plot(*flat[-1], "o", color=INK, markersize=6)
    ends = (np.stack([one[-1], other[-1]]) - one[0]) @ plane
    axes.plot(*ends.T, "--", color=INK, linewidth=1.3, label="gap")
    axes.plot(0, 0, "o", color="white", markeredgecolor=INK, markersize=7)
    axes.margins(0.08)
    beside = {"loc": "center left", "bbox_to_anchor": (1, 0.5)}
    finish(axes, title, legend=beside, aspect="equal", xlabel=f"along {names[0]}", ylabel=f"{names[1]}, across it")
    return figure or axes


def displacement_plane(first, second):
    """Orthonormal directions (d, 2) that span two displacements (d,): the first one's own, and the rest of the second's.

    Raises FlowlibError where the two are parallel or one is zero.
    """
    along = first / max(np.linalg.norm(first), 1e-300)
    rest = second - (second @ along) * along
    if np.linalg.norm(first) == 0 or np.linalg.norm(rest) < 1e-6 * np.linalg.norm(second) or not second.any():
        raise FlowlibError("the two displacements span no plane: one is zero, or they are parallel")
    return np.stack([along, rest / np.linalg.norm(rest)], 1)
