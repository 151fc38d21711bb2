"""Methods beside each other: a dot and an interval for each, best first; and two methods image by image."""

import numpy as np

from flowlib.errors import FlowlibError
from flowlib.viz.checks import as_array, same_shape
from flowlib.viz.palette import INK, MUTED, color_of
from flowlib.viz.style import HALO, finish, new_figure


def ranked_methods(values, *, lower_is_better=True, highlight=(), reference=None, xlabel="", form="{:.0f}", title=None):
    """Methods in the order of their mean, the best on top: a dot at the mean of `values` {method: (S,)}, one value
    per seed, on a line from the smallest to the largest.

    The methods in `highlight` are coloured, the others grey; the mean stands beside each in the format `form`.
    `reference` (label, number) is a dashed line. Raises FlowlibError for no methods, and for a highlighted one that is
    not there.
    """
    if not values:
        raise FlowlibError("values is empty; pass {method: one value per seed}")
    missing = sorted(set(highlight) - set(values))
    if missing:
        raise FlowlibError(f"highlight names {missing}, but the methods are {list(values)}")
    seeds = {method: as_array(one, f"values[{method!r}]", 1) for method, one in values.items()}
    order = sorted(seeds, key=lambda method: seeds[method].mean(), reverse=not lower_is_better)
    figure, axes = new_figure(height=0.3 * len(order) + 1.0 + (0.3 if title else 0))
    for place, method in enumerate(order):
        color = color_of("posterior" if method in highlight else "reference")
        _dot_and_interval(axes, seeds[method], len(order) - 1 - place, color, form)
    legend = None
    if reference is not None:
        axes.axvline(reference[1], color=INK, linestyle="--", linewidth=1.2, label=reference[0])
        legend = {"loc": "lower right", "bbox_to_anchor": (1, 1), "borderaxespad": 0.2}
    axes.set_yticks(range(len(order))[::-1], order)
    axes.margins(x=0.12)
    better = f"{xlabel} ({'less' if lower_is_better else 'more'} is better)".strip()
    finish(axes, title, grid="x", legend=legend, xlabel=better, ylim=(-0.6, len(order) - 0.4))
    return figure


def _dot_and_interval(axes, seeds, height, color, form):
    axes.plot([seeds.min(), seeds.max()], [height, height], color=color, linewidth=2.2, alpha=0.55)
    axes.plot(seeds, np.full(len(seeds), height), "|", color=color, markersize=7, markeredgewidth=1.2)
    axes.plot(seeds.mean(), height, "o", color=color, markersize=6.5)
    look = {"va": "center", "fontsize": 8, "color": INK, "path_effects": HALO}
    axes.annotate(form.format(seeds.mean()), (seeds.max(), height), (7, 0), textcoords="offset points", **look)


def paired_points(a, b, names, *, unit="", title=None):
    """One point per image: the value of method `names[0]` to the right, `a` (n,), that of `names[1]` upwards, `b` (n,),
    and the line on which the two are equal.

    Raises FlowlibError when the numbers of images differ.
    """
    a, b = as_array(a, "a", 1), as_array(b, "b", 1)
    same_shape(a, b, ("a", "b"))
    figure, axes = new_figure(height=3.9, width=4.6)
    low, high = min(0.0, 1.03 * min(a.min(), b.min())), 1.03 * max(a.max(), b.max())
    axes.plot([low, high], [low, high], color=INK, linewidth=1.2, linestyle="--", label="equal")
    axes.scatter(a, b, s=7, color=color_of("posterior"), alpha=0.35, linewidths=0)
    xlabel, ylabel = (f"{name}{unit and f', {unit}'}" for name in names)
    legend = {"loc": "upper left", "labelcolor": MUTED}
    finish(axes, title, legend=legend, xlim=(low, high), ylim=(low, high), aspect="equal", xlabel=xlabel, ylabel=ylabel)
    return figure
