"""Curves: training, quantities along a flow, densities over a line; and small tables of numbers."""

import numpy as np

from flowlib.errors import FlowlibError
from flowlib.viz.checks import as_array, as_labels
from flowlib.viz.palette import CARD, COLORS, CYCLE, INK, MUTED, color_of, factor_colors, role_map
from flowlib.viz.style import finish, new_figure


def loss_curves(history, steps=None, *, smooth=None, columns=3, log=(), title=None):
    """One small panel for each named term of `history` (name → values (N,)) over the training `steps` (N,).

    The raw values are drawn faintly, their running mean over `smooth` values (default N/30) boldly. Names listed in `log` get a
    logarithmic axis. NaN values are left out as gaps. Raises FlowlibError when the lengths differ.
    """
    if not history:
        raise FlowlibError("history is empty; pass a dictionary such as {'loss': values}")
    values = {name: as_array(series, f"history[{name!r}]", 1, finite=False) for name, series in history.items()}
    length = len(next(iter(values.values())))
    steps = np.arange(length) if steps is None else as_array(steps, "steps", 1)
    for name, series in values.items():
        if len(series) != len(steps):
            what = f"history[{name!r}] has {len(series)} values, but there are {len(steps)} steps"
            raise FlowlibError(f"{what}; pass one value for each step")
    columns = min(columns, len(values))
    rows = -(-len(values) // columns)
    figure, axes = new_figure(rows, columns, height=2.2 * rows + (0.3 if title else 0), title=title, squeeze=False)
    colors = (COLORS["posterior"], *CYCLE[1:])
    for n, (panel, (name, series)) in enumerate(zip(axes.flat, values.items())):
        color = colors[n % len(colors)]
        panel.plot(steps, series, color=color, alpha=0.3, linewidth=0.8)
        panel.plot(steps, running_mean(series, smooth or max(1, length // 30)), color=color)
        finish(panel, name, yscale="log" if name in log else "linear")
    for panel in axes[-1]:
        panel.set_xlabel("training step")
    for panel in axes.flat[len(values) :]:
        panel.remove()
    return figure


def running_mean(values, window):
    """Centred mean over `window` neighbours, fewer at the ends; NaN values are skipped."""
    values = np.asarray(values, float)
    valid = np.isfinite(values)
    kernel = np.ones(min(window, len(values)))
    total = np.convolve(np.where(valid, values, 0), kernel, "same")
    count = np.convolve(valid.astype(float), kernel, "same")
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def curves_over_time(values, names, *, times=None, band=None, references=None, xlabel="t", ylabel="", title=None, log=False):
    """One curve per name, `values` (K, S) over `times` (S,), coloured as the factors are.

    `band` (K, S): half-width of a shaded band. `references`: {label: number or (S,)} drawn as dashed grey lines.
    """
    values = as_array(values, "values", 2)
    names = as_labels(names, len(values), "names")
    times = np.arange(values.shape[1]) if times is None else as_array(times, "times", 1, count=values.shape[1])
    half = None if band is None else as_array(band, "band", 2)
    figure, axes = new_figure(height=3)
    for k, (name, color) in enumerate(zip(names, factor_colors(names))):
        axes.plot(times, values[k], marker="os^Dv<>P"[k % 8], color=color, label=name, clip_on=False)
        if half is not None:
            axes.fill_between(times, values[k] - half[k], values[k] + half[k], color=color, alpha=0.15, linewidth=0)
    for style, (label, level) in zip(("--", ":", "-."), (references or {}).items()):
        axes.plot(times, np.broadcast_to(as_array(level, label), times.shape), style, color=MUTED, linewidth=1.3, label=label)
    scale, beside = "log" if log else "linear", {"loc": "center left", "bbox_to_anchor": (1, 0.5)}
    finish(axes, title, xlabel=xlabel, ylabel=ylabel, yscale=scale, legend=beside)
    return figure


def matrix_chart(values, row_labels, column_labels, *, form="{:.2f}", title=None, role="posterior", xlabel="", ylabel="", block=None):
    """A table of numbers (R, C) with each cell shaded by its value: confusions, commutators, scores. A gap after every `block` rows."""
    values = as_array(values, "values", 2)
    rows, columns = as_labels(row_labels, values.shape[0], "row_labels"), as_labels(column_labels, values.shape[1], "column_labels")
    figure, axes = new_figure(height=0.36 * len(values) + 1 + (0.3 if title else 0))
    shade = (values - values.min()) / (np.ptp(values) or 1.0)
    axes.imshow(shade, cmap=role_map(role), vmin=0, vmax=1, aspect="auto")
    for (r, c), value in np.ndenumerate(values):
        color = CARD if shade[r, c] > 0.7 else INK
        axes.text(c, r, form.format(value), ha="center", va="center", fontsize=8.5, color=color)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.spines[:].set_visible(False)
    for above in range(block or len(values), len(values), block or 1):
        axes.axhline(above - 0.5, color=CARD, linewidth=8)
    finish(axes, title, grid=None, xlabel=xlabel, ylabel=ylabel)
    return figure


def density_curves(axes, x, densities, *, fill=True):
    """Densities over a line on `axes`: `densities` is {role: (N,)} over `x` (N,); returns the axes."""
    x = as_array(x, "x", 1)
    for role, series in densities.items():
        series = as_array(series, f"densities[{role!r}]", 1, count=len(x))
        axes.plot(x, series, color=color_of(role), label=role)
        if fill:
            axes.fill_between(x, series, color=color_of(role), alpha=0.12, linewidth=0)
    return finish(axes, ylim=(0, None))
