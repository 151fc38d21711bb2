"""Distributions over three outcomes in a triangle."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from flowlib import viz
from flowlib.book.simplex import triangle, triangle_points
from flowlib.errors import FlowlibError

NAMES = ["scale", "rotation", "hue"]


def test_certainty_is_a_corner_and_ignorance_the_centre():
    found = triangle_points([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1 / 3, 1 / 3, 1 / 3]])
    assert found == pytest.approx(np.array([[0, 0], [1, 0], [0.5, 0.8660254], [0.5, 0.2886751]]), abs=1e-6)


def test_corners_are_equally_far_from_each_other():
    corners = triangle_points(np.eye(3))
    assert [np.linalg.norm(corners[a] - corners[b]) for a, b in ((0, 1), (1, 2), (2, 0))] == pytest.approx([1, 1, 1])


def test_a_point_has_the_colour_of_its_largest_weight():
    _, axes = viz.new_figure()
    weights = torch.tensor([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]], requires_grad=True)
    drawn = triangle(axes, weights, NAMES, title="τ = 1").collections[-1]
    wanted = [to_rgb(viz.FACTOR_COLORS[name]) for name in ("rotation", "hue")]
    assert drawn.get_facecolor()[:, :3] == pytest.approx(np.array(wanted))
    assert np.asarray(drawn.get_offsets()) == pytest.approx(triangle_points(weights))
    assert [text.get_text() for text in axes.texts] == NAMES and axes.get_title(loc="left") == "τ = 1"


@pytest.mark.parametrize("weights, why", [
    ([[0.5, 0.5]], "3 outcomes"), ([[0.5, 0.2, 0.2]], "sum to 1"), ([[1.5, -0.5, 0]], "sum to 1"), ([[np.nan, 0, 1]], "NaN|finite"),
])  # fmt: skip
def test_what_is_no_distribution_is_refused(weights, why):
    with pytest.raises(FlowlibError, match=why):
        triangle_points(weights)


def test_two_names_are_refused():
    with pytest.raises(FlowlibError, match="names"):
        triangle(viz.new_figure()[1], [[1, 0, 0]], ["scale", "hue"])
