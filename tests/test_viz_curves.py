"""Curves and bars show the numbers they are given."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.container import BarContainer

from flowlib import viz
from flowlib.errors import FlowlibError
from flowlib.viz.curves import running_mean

FACTORS = ["scale", "rotation", "hue"]


def test_running_mean_is_the_mean_of_the_neighbours_and_skips_nan():
    values = np.array([1.0, 2, 6, np.nan, 10])
    assert running_mean(values, 3).tolist() == [1.5, 3, 4, 8, 10]
    assert np.isnan(running_mean(np.array([np.nan, np.nan, np.nan, 1]), 1)).tolist() == [
        True,
        True,
        True,
        False,
    ]


def test_one_panel_for_each_loss():
    history = {name: torch.rand(50) for name in ("reconstruction", "KL", "Hamilton–Jacobi", "total")}
    figure = viz.loss_curves(history, torch.arange(0, 500, 10), log=["total"])
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(history)
    assert figure.axes[3].get_yscale() == "log" and figure.axes[0].get_yscale() == "linear"
    assert np.allclose(figure.axes[1].lines[0].get_ydata(), history["KL"])
    assert figure.axes[1].lines[0].get_xdata()[-1] == 490


def test_losses_of_other_length_are_named():
    with pytest.raises(FlowlibError, match="'KL'.*3 values.*4 steps"):
        viz.loss_curves({"KL": [1, 2, 3]}, [0, 1, 2, 3])
    with pytest.raises(FlowlibError, match="history is empty"):
        viz.loss_curves({})


def test_bars_stand_at_their_values_in_the_factors_colours_with_both_references():
    figure = viz.bars_with_references([3, 2, 1], FACTORS, error=[0.1, 0.2, 0.3], no_motion=[5, 6, 7], decoder_limit=[0.5, 0.4, 0.3])
    axes = figure.axes[0]
    assert [bar.get_height() for bar in axes.patches] == [3, 2, 1]
    assert [to_hex(bar.get_facecolor()) for bar in axes.patches] == viz.factor_colors(FACTORS)
    lines = {c.get_label(): [segment[0, 1] for segment in c.get_segments()] for c in axes.collections if c.get_label()[0] != "_"}
    assert lines == {"no motion": [5, 6, 7], "decoder's limit": [0.5, 0.4, 0.3]}
    assert [text.get_text() for text in axes.get_xticklabels()] == FACTORS
    assert np.allclose(ends(axes, 1), [(2.9, 3.1), (1.8, 2.2), (0.7, 1.3)])


def ends(axes, along):
    """Where the error bars of an axes begin and end."""
    bars = next(one for one in axes.containers if isinstance(one, BarContainer)).errorbar.lines[2][0]
    return np.stack([segment[:, along] for segment in bars.get_segments()])


def test_methods_stand_beside_each_other_factor_by_factor():
    values = {"VAE": [5, 6, 7], "flow": [1, 2, 3]}
    figure = viz.method_bars(values, FACTORS, no_motion=[8, 9, 10], error={"VAE": [0.1, 0.2, 0.3], "flow": [0.4, 0.5, 0.6]})
    assert [axes.get_title(loc="left") for axes in figure.axes] == FACTORS
    assert [[bar.get_width() for bar in axes.patches] for axes in figure.axes] == [[5, 1], [6, 2], [7, 3]]
    assert to_hex(figure.axes[2].patches[1].get_facecolor()) == viz.FACTOR_COLORS["hue"]
    assert to_hex(figure.axes[2].patches[0].get_facecolor()) not in viz.COLORS.values()
    assert [axes.lines[-1].get_xdata()[0] for axes in figure.axes] == [8, 9, 10], "every factor has its own reference"
    spans = [[(4.9, 5.1), (0.6, 1.4)], [(5.8, 6.2), (1.5, 2.5)], [(6.7, 7.3), (2.4, 3.6)]]
    assert np.allclose([ends(axes, 0) for axes in figure.axes], spans)
    top, bottom = (bar.get_y() for bar in figure.axes[0].patches)
    assert top > bottom, "the first method is on top"


def test_missing_values_are_named():
    with pytest.raises(FlowlibError, match="no_motion has 2 entries"):
        viz.bars_with_references([3, 2, 1], FACTORS, no_motion=[1, 2])
    with pytest.raises(FlowlibError, match="values.*NaN"):
        viz.bars_with_references([3, float("nan"), 1], FACTORS)
    with pytest.raises(FlowlibError, match="'VAE'"):
        viz.method_bars({"VAE": [1, 2]}, FACTORS)


def test_curves_over_time_take_the_factors_colours_and_references():
    values = np.arange(12.0).reshape(3, 4)
    axes = viz.curves_over_time(values, FACTORS, references={"no motion": 5, "limit": [1, 2, 3, 4]}, band=values / 10).axes[0]
    assert [line.get_color() for line in axes.lines[:3]] == viz.factor_colors(FACTORS)
    assert axes.lines[3].get_ydata().tolist() == [5] * 4 and axes.lines[4].get_ydata().tolist() == [1, 2, 3, 4]
    heights = [set(band.get_paths()[0].vertices[:, 1].round(6)) for band in axes.collections]
    assert heights == [set(np.concatenate([0.9 * row, 1.1 * row]).round(6)) for row in values]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [*FACTORS, "no motion", "limit"]


def test_matrix_chart_writes_every_number():
    axes = viz.matrix_chart([[1, 0.5, 0], [0, 0.25, 0.75]], "ab", FACTORS).axes[0]
    assert [text.get_text() for text in axes.texts] == ["1.00", "0.50", "0.00", "0.00", "0.25", "0.75"]
    assert {text.get_position(): text.get_text() for text in axes.texts} == {  # (column, row)
        (0, 0): "1.00", (1, 0): "0.50", (2, 0): "0.00", (0, 1): "0.00", (1, 1): "0.25", (2, 1): "0.75",
    }  # fmt: skip
    assert viz.matrix_chart(np.ones((2, 2)), "ab", "cd").axes, "a constant matrix is drawn too"
    shade = viz.matrix_chart([[0, 250], [500, 1000]], "ab", "cd").axes[0].images[0]
    assert shade.get_array().tolist() == [[0, 0.25], [0.5, 1]] and shade.get_clim() == (0, 1)


def test_matrix_chart_sets_blocks_of_rows_apart():
    axes = viz.matrix_chart(np.eye(6), "abcdef", "uvwxyz", block=2).axes[0]
    assert [line.get_ydata()[0] for line in axes.lines] == [1.5, 3.5]
    assert not viz.matrix_chart(np.eye(2), "ab", "cd").axes[0].lines


def test_density_curves_take_the_colour_of_their_role():
    _, axes = viz.new_figure()
    viz.density_curves(axes, [0, 1, 2], {"prior": [1, 2, 1], "posterior": [0, 3, 0]})
    assert [line.get_color() for line in axes.lines] == [viz.COLORS["prior"], viz.COLORS["posterior"]]
    with pytest.raises(FlowlibError, match="'prior'"):
        viz.density_curves(axes, [0, 1, 2], {"prior": [1, 2]})
