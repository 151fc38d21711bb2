"""The figure style of the book: colours by role, one width, a light card that reads on any page."""

import matplotlib as mpl
from cycler import cycler
from matplotlib.colors import LinearSegmentedColormap, to_rgb

from flowlib.errors import FlowlibError
from flowlib.viz.palette import CARD, COLORS, CYCLE, FACTOR_COLORS, INK, MUTED, RULE
from flowlib.viz.picture import Picture

PAGE_WIDTH = 7.2  # inches; the text column of the site
DPI = 144  # two pixels per point: sharp on a phone, and still small as a palette PNG

STYLE = {
    "figure.facecolor": CARD, "figure.dpi": DPI, "savefig.dpi": DPI, "savefig.facecolor": CARD,
    "axes.facecolor": CARD, "axes.edgecolor": MUTED, "axes.labelcolor": INK, "axes.linewidth": 0.7,
    "axes.grid": True, "axes.axisbelow": True, "grid.color": RULE, "grid.linewidth": 0.7,
    "axes.spines.top": False, "axes.spines.right": False,
    "axes.titlesize": 9.5, "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.titlecolor": INK,
    "axes.titlepad": 7, "axes.labelsize": 9, "axes.labelpad": 4, "axes.prop_cycle": cycler(color=CYCLE),
    "font.family": "DejaVu Sans", "font.size": 9, "mathtext.fontset": "dejavusans", "text.color": INK,
    "xtick.color": MUTED, "ytick.color": MUTED, "xtick.labelsize": 8, "ytick.labelsize": 8,
    "xtick.major.size": 0, "ytick.major.size": 0, "xtick.minor.size": 0, "ytick.minor.size": 0,
    "lines.linewidth": 1.6, "lines.markersize": 4, "lines.solid_capstyle": "round",
    "legend.frameon": False, "legend.fontsize": 8, "legend.handlelength": 1.6,
    "figure.titlesize": 10.5, "figure.titleweight": "bold", "image.cmap": "cividis",
    "figure.constrained_layout.h_pad": 0.08, "figure.constrained_layout.w_pad": 0.08,
}  # fmt: skip


def use_style():
    """Set matplotlib's defaults to the book's style; `new_figure` does it by itself."""
    mpl.rcParams.update(STYLE)


def new_figure(rows=1, cols=1, height=None, *, width=PAGE_WIDTH, title=None, **subplots):
    """A figure in the book's style and its axes: `figure, axes = new_figure(1, 2)`.

    `height` and `width` in inches; the default height keeps each panel a little wider than high. `axes` is
    one Axes for 1 × 1, else an array as `Figure.subplots` returns it (further keywords go there). The figure
    shows itself in a notebook.
    """
    use_style()
    if height is None:
        height = max(2.2, 0.94 * width / cols) * rows if cols > 1 else 3.4 * rows
    figure = Picture(figsize=(width, height), layout="constrained")
    if title:
        figure.suptitle(title, x=0.012, ha="left")
    return figure, figure.subplots(rows, cols, **subplots)


def color_of(role):
    """The colour of a role of `COLORS` or of a factor's name; any other colour of matplotlib is itself."""
    for table in (COLORS, FACTOR_COLORS):
        if role in table:
            return table[role]
    try:
        to_rgb(role)
    except ValueError as cause:
        raise FlowlibError(
            f"colour {role!r} is unknown; use a role of {sorted(COLORS)}, a factor of "
            f"{sorted(FACTOR_COLORS)}, or a colour such as '#005dc8'"
        ) from cause
    return role


def factor_colors(names):
    """One colour for each factor name: fixed for scale, rotation and hue, else in order from the cycle."""
    free = [color for color in CYCLE if color not in {FACTOR_COLORS.get(name) for name in names}]
    colors, used = [], 0
    for name in names:
        if name in FACTOR_COLORS:
            colors.append(FACTOR_COLORS[name])
        else:
            colors.append(free[used % len(free)])
            used += 1
    return colors


def role_map(role):
    """A colour map from the card's background to the colour of `role`, for densities."""
    return LinearSegmentedColormap.from_list(f"card_{role}", [CARD, color_of(role)])


def signed_map():
    """A diverging colour map, blue below zero and orange above, for potentials and residuals."""
    return LinearSegmentedColormap.from_list(
        "signed", ["#003a80", "#005dc8", "#9dbbe0", CARD, "#f2bd94", "#de640d", "#8a3a00"]
    )
