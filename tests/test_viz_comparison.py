"""Two methods, image by image: each point where its two values are."""

import numpy as np
import pytest

from flowlib import viz
from flowlib.errors import FlowlibError


def test_points_have_the_first_method_to_the_right_and_a_line_of_equality():
    axes = viz.paired_points([1, 2, 3], [1, 1, 4], ("VAE", "flow"), unit="pixels").axes[0]
    assert axes.collections[0].get_offsets().tolist() == [[1, 1], [2, 1], [3, 4]]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("VAE, pixels", "flow, pixels")
    assert np.array_equal(axes.lines[0].get_xdata(), axes.lines[0].get_ydata())


def test_values_below_zero_lie_inside():
    values = np.random.default_rng(0).uniform(-170, -130, (2, 50))
    axes = viz.paired_points(*values, ("one", "other")).axes[0]
    (low, high), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    assert low < values.min() and high > values.max() and (low, high) == (bottom, top)


def test_mistakes_are_named():
    with pytest.raises(FlowlibError, match=r"\(2,\).*\(3,\)"):
        viz.paired_points([1, 2], [1, 2, 3], ("a", "b"))
