"""Two methods beside each other, image by image."""

from flowlib.viz.checks import as_array, same_shape
from flowlib.viz.palette import INK, MUTED, color_of
from flowlib.viz.style import finish, new_figure


def paired_points(a, b, names, *, unit="", title=None):
    """One point per image: the value of method `names[0]` to the right, `a` (n,), that of `names[1]` upwards, `b` (n,),
    and the line on which the two are equal.

    Raises FlowlibError when the numbers of images differ.
    """
    a, b = as_array(a, "a", 1), as_array(b, "b", 1)
    same_shape(a, b, ("a", "b"))
    figure, axes = new_figure(height=3.9, width=4.6)
    low, high = 1.03 * min(0.0, a.min(), b.min()), 1.03 * max(0.0, a.max(), b.max())
    axes.plot([low, high], [low, high], color=INK, linewidth=1.2, linestyle="--", label="equal")
    axes.scatter(a, b, s=7, color=color_of("posterior"), alpha=0.35, linewidths=0)
    xlabel, ylabel = (f"{name}{unit and f', {unit}'}" for name in names)
    legend = {"loc": "upper left", "labelcolor": MUTED}
    finish(axes, title, legend=legend, xlim=(low, high), ylim=(low, high), aspect="equal", xlabel=xlabel, ylabel=ylabel)
    return figure
