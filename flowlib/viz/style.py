"""The figure style of the book: one width, one font, a light card that reads on any page."""

import matplotlib as mpl
from cycler import cycler
from matplotlib.patheffects import withStroke

from flowlib.viz.palette import CARD, CYCLE, INK, MUTED, RULE
from flowlib.viz.picture import NotebookFigure

PAGE_WIDTH = 7.2  # inches; the text column of the site
DPI = 144  # two pixels per point: sharp on a phone, and still small as a palette PNG
HALO = [withStroke(linewidth=3, foreground=CARD)]  # a line or a letter stays visible where it crosses a dark bar

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
    figure = NotebookFigure(figsize=(width, height), layout="constrained")
    if title:
        figure.suptitle(title, x=0.012, ha="left")
    return figure, figure.subplots(rows, cols, **subplots)


def finish(axes, title=None, *, grid="both", legend=None, **settings):
    """Set a panel's title, labels and limits (`settings`: keywords of `Axes.set`); returns the axes.

    `grid`: along which axis it stays ('x', 'y', 'both', or None);  `legend`: where it stands (keywords of `Axes.legend`)
    """
    axes.set(**settings)
    for axis in {"both": "", None: "xy", "x": "y", "y": "x"}[grid]:
        axes.grid(axis=axis, visible=False)
    if legend:
        axes.legend(**legend)
    if title:
        axes.set_title(title)
    return axes
