"""Errors per factor beside their references, for one method and for several."""

import numpy as np
from matplotlib.patheffects import withStroke

from flowlib.viz.checks import as_array, as_labels
from flowlib.viz.style import CARD, INK, factor_colors, new_figure

ERROR_BAR = {"ecolor": INK, "elinewidth": 1, "capsize": 2.5}
GREY = "#b9bdc2"
HALO = [withStroke(linewidth=3, foreground=CARD)]  # a reference stays visible where it crosses a dark bar
REFERENCES = (("no_motion", "--", "no motion"), ("decoder_limit", ":", "decoder's limit"))


def bars_with_references(
    values, names, *, error=None, no_motion=None, decoder_limit=None, ylabel="equivariance error", title=None
):
    """One bar per factor, `values` (K,), in the factor's colour, beside the two references of M16.

    `error` (K,): half-lengths of the error bars. `no_motion` (K,): what standing still costs. `decoder_limit`
    (K,): the share of the error that the decoder leaves to any flow. Raises FlowlibError when the lengths differ.
    """
    values = as_array(values, "values", 1)
    names = as_labels(names, len(values), "names")
    figure, axes = new_figure(height=3.2)
    place = np.arange(len(names))
    axes.bar(
        place,
        values,
        0.55,
        color=factor_colors(names),
        yerr=_like(error, values, "error"),
        error_kw=ERROR_BAR,
    )
    for name, style, label in REFERENCES:
        levels = _like({"no_motion": no_motion, "decoder_limit": decoder_limit}[name], values, name)
        if levels is not None:
            axes.hlines(
                levels,
                place - 0.4,
                place + 0.4,
                color=INK,
                linestyle=style,
                linewidth=1.5,
                label=label,
                path_effects=HALO,
            )
    axes.set_xticks(place, names)
    axes.set_ylabel(ylabel)
    axes.set_ylim(bottom=0)
    axes.grid(axis="x", visible=False)
    _legend_above(axes, title)
    return figure


def method_bars(
    values, names, *, error=None, no_motion=None, decoder_limit=None, highlight=None, xlabel="", title=None
):
    """Methods compared factor by factor: `values` {method: (K,)}, one panel per factor, one horizontal bar
    per method.

    The methods in `highlight` (default: the last one) take the factor's colour, the others stay grey. `error`
    {method: (K,)}, `no_motion` (K,) and `decoder_limit` (K,) as in `bars_with_references`.
    """
    methods = list(values)
    table = np.stack([_like(values[m], names, f"values[{m!r}]") for m in methods])
    errors = None if error is None else np.stack([_like(error[m], names, f"error[{m!r}]") for m in methods])
    highlight = [methods[-1]] if highlight is None else list(highlight)
    figure, axes = new_figure(
        1,
        len(names),
        height=0.27 * len(methods) + 1.15 + (0.3 if title else 0),
        title=title,
        sharey=True,
        squeeze=False,
    )
    place = np.arange(len(methods))[::-1]
    for k, (panel, name, color) in enumerate(zip(axes[0], names, factor_colors(names))):
        colors = [color if method in highlight else GREY for method in methods]
        panel.barh(
            place,
            table[:, k],
            0.66,
            color=colors,
            xerr=None if errors is None else errors[:, k],
            error_kw=ERROR_BAR,
        )
        for reference, (_, style, label) in zip((no_motion, decoder_limit), REFERENCES):
            if reference is not None:
                panel.axvline(
                    _like(reference, names, label)[k],
                    color=INK,
                    linestyle=style,
                    linewidth=1.4,
                    label=label,
                    path_effects=HALO,
                )
        panel.set_title(name, color=color)
        panel.set_yticks(place, methods)
        panel.grid(axis="y", visible=False)
        panel.set_xlim(0, 1.06 * panel.dataLim.x1)
        panel.set_xlabel(xlabel)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    if labels:
        figure.legend(handles, labels, loc="outside lower right", ncols=2)
    return figure


def _like(values, reference, name):
    """`values` as an array as long as `reference`; None stays None."""
    if values is None:
        return None
    array = as_array(values, name, 1)
    as_labels(array, len(reference), name)
    return array


def _legend_above(axes, title):
    """The legend in one line between the title and the axes."""
    has_legend = bool(axes.get_legend_handles_labels()[1])
    if has_legend:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=6, borderaxespad=0.2)
    if title:
        axes.set_title(title, pad=22 if has_legend else None)
