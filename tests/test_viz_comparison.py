"""Comparisons show every method where its numbers are, in the order that the direction of the measure asks for."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from flowlib import viz
from flowlib.errors import FlowlibError

ERRORS = {"VAE": [5.0, 6.0, 7.0], "flow": [1.0, 3.0, 2.0], "roll": [9.0]}


def _rows(figure):
    """Method → (height, mean, smallest, largest, colour), read off the drawing."""
    axes = figure.axes[0]
    names = dict(zip(axes.get_yticks(), (text.get_text() for text in axes.get_yticklabels())))
    found = {}
    for line in axes.lines:
        if line.get_marker() == "o":
            found[names[line.get_ydata()[0]]] = [line.get_ydata()[0], line.get_xdata()[0], to_hex(line.get_color())]
    for line in axes.lines:
        if line.get_marker() == "None" and line.get_linestyle() == "-":
            found[names[line.get_ydata()[0]]][2:2] = list(line.get_xdata())
    return found


def test_the_smallest_error_stands_on_top_with_mean_and_range():
    rows = _rows(viz.ranked_methods(ERRORS, highlight=["flow"]))
    assert [name for name, _ in sorted(rows.items(), key=lambda row: -row[1][0])] == ["flow", "VAE", "roll"]
    assert rows["flow"][1:4] == [2, 1, 3] and rows["VAE"][1:4] == [6, 5, 7] and rows["roll"][1:4] == [9, 9, 9]
    assert rows["flow"][4] == viz.COLORS["posterior"] and rows["VAE"][4] == rows["roll"][4] != rows["flow"][4]


def test_where_more_is_better_the_largest_stands_on_top_and_the_axis_says_so():
    figure = viz.ranked_methods(ERRORS, lower_is_better=False, xlabel="nats", reference=("chance", 4))
    rows = _rows(figure)
    assert rows["roll"][0] > rows["VAE"][0] > rows["flow"][0]
    assert figure.axes[0].get_xlabel() == "nats (more is better)"
    dashed = [line for line in figure.axes[0].lines if line.get_linestyle() == "--"]
    assert [line.get_xdata()[0] for line in dashed] == [4] and dashed[0].get_label() == "chance"


def test_the_means_are_written_beside_the_intervals():
    texts = [text.get_text() for text in viz.ranked_methods(ERRORS, form="{:.1f} px").axes[0].texts]
    assert sorted(texts) == ["2.0 px", "6.0 px", "9.0 px"]


def test_points_have_the_first_method_to_the_right_and_a_line_of_equality():
    axes = viz.paired_points([1, 2, 3], [1, 1, 4], ("VAE", "flow"), unit="pixels").axes[0]
    assert axes.collections[0].get_offsets().tolist() == [[1, 1], [2, 1], [3, 4]]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("VAE, pixels", "flow, pixels")
    assert np.array_equal(axes.lines[0].get_xdata(), axes.lines[0].get_ydata())


def test_mistakes_are_named():
    with pytest.raises(FlowlibError, match="'GAN'"):
        viz.ranked_methods(ERRORS, highlight=["GAN"])
    with pytest.raises(FlowlibError, match="empty"):
        viz.ranked_methods({})
    with pytest.raises(FlowlibError, match=r"\(2,\).*\(3,\)"):
        viz.paired_points([1, 2], [1, 2, 3], ("a", "b"))
