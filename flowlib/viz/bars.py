"""Errors per factor beside their references, for one method and for several."""

import numpy as np

from flowlib.viz.checks import as_array, as_labels
from flowlib.viz.palette import GREY, INK, factor_colors
from flowlib.viz.style import HALO, finish, new_figure

ERROR_BAR = {"ecolor": INK, "elinewidth": 1, "capsize": 2.5}
REFERENCES = {"no motion": "--", "decoder's limit": ":"}  # M16; label → line style


def bars_with_references(values, names, *, error=None, no_motion=None, decoder_limit=None, ylabel="equivariance error", title=None):
    """One bar per factor, `values` (K,), in the factor's colour, beside the two references of M16.

    `error` (K,): half-lengths of the error bars. `no_motion` (K,): what standing still costs. `decoder_limit`
    (K,): the share of the error that the decoder leaves to any flow. Raises FlowlibError when the lengths differ.
    """
    values = as_array(values, "values", 1)
    names = as_labels(names, len(values), "names")
    figure, axes = new_figure(height=3.2)
    place = np.arange(len(names))
    error = None if error is None else as_array(error, "error", 1, count=len(values))
    axes.bar(place, values, 0.55, color=factor_colors(names), yerr=error, error_kw=ERROR_BAR)
    for label, levels in _references(no_motion, decoder_limit, values):
        look = {"linestyle": REFERENCES[label], "linewidth": 1.5, "path_effects": HALO}
        axes.hlines(levels, place - 0.4, place + 0.4, color=INK, label=label, **look)
    axes.set_xticks(place, names)
    finish(axes, grid="y", ylabel=ylabel, ylim=(0, None))
    above = bool(axes.get_legend_handles_labels()[1])  # in one line between the title and the axes
    if above:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=6, borderaxespad=0.2)
    if title:
        axes.set_title(title, pad=22 if above else None)
    return figure


def method_bars(values, names, *, error=None, no_motion=None, decoder_limit=None, highlight=None, xlabel="", title=None):
    """Methods compared factor by factor: `values` {method: (K,)}, one panel per factor, one horizontal bar per method.

    The methods in `highlight` (default: the last one) take the factor's colour, the others stay grey. `error`
    {method: (K,)}, `no_motion` (K,) and `decoder_limit` (K,) as in `bars_with_references`.
    """
    methods = list(values)
    table = np.stack([as_array(values[method], f"values[{method!r}]", 1, count=len(names)) for method in methods])
    errors = None if error is None else np.stack([as_array(error[method], f"error[{method!r}]", 1, count=len(names)) for method in methods]).T
    highlight = [methods[-1]] if highlight is None else list(highlight)
    height = 0.27 * len(methods) + 1.15 + (0.3 if title else 0)
    figure, axes = new_figure(1, len(names), height=height, title=title, sharey=True, squeeze=False)
    place = np.arange(len(methods))[::-1]
    for k, (panel, name, color) in enumerate(zip(axes[0], names, factor_colors(names))):
        colors = [color if method in highlight else GREY for method in methods]
        panel.barh(place, table[:, k], 0.66, color=colors, xerr=None if errors is None else errors[k], error_kw=ERROR_BAR)
        for label, levels in _references(no_motion, decoder_limit, names):
            panel.axvline(levels[k], color=INK, linestyle=REFERENCES[label], linewidth=1.4, label=label, path_effects=HALO)
        panel.set_title(name, color=color)
        panel.set_yticks(place, methods)
        finish(panel, grid="x", xlim=(0, 1.06 * panel.dataLim.x1), xlabel=xlabel)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    if labels:
        figure.legend(handles, labels, loc="outside lower right", ncols=2)
    return figure


def _references(no_motion, decoder_limit, like):
    """(label, levels (K,)) of the references that are given."""
    given = zip(REFERENCES, (("no_motion", no_motion), ("decoder_limit", decoder_limit)))
    return [(label, as_array(levels, name, 1, count=len(like))) for label, (name, levels) in given if levels is not None]
