"""The parallelogram of two flows: what is drawn lies where the vectors are."""

import numpy as np
import pytest

from flowlib.book.commutator import commutator_plot, displacement_plane
from flowlib.errors import FlowlibError
from flowlib.viz import FACTOR_COLORS


def test_the_plane_keeps_lengths_and_angles_of_the_displacements():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 7))
    plane = displacement_plane(a, b)
    assert np.allclose(plane.T @ plane, np.eye(2))
    flat = np.stack([a, b]) @ plane
    assert np.allclose(flat @ flat.T, [[a @ a, a @ b], [a @ b, b @ b]])
    assert flat[0, 0] > 0 and flat[1, 1] > 0


def test_the_ends_are_drawn_apart_by_the_gap_in_the_plane():
    z = np.array([1.0, 2.0, 3.0])
    x, y, up = np.eye(3)
    one = np.stack([z, z + 2 * x, z + 2 * x + y + 0.5 * x + up])
    other = np.stack([z, z + y, z + 2 * x + y])
    axes = commutator_plot(one, other, ["scale", "hue"]).axes[0]
    dashed = next(line for line in axes.lines if line.get_label() == "gap").get_xydata()
    assert np.allclose(dashed, [[2.5, 1], [2, 1]])
    legs = {line.get_label(): line for line in axes.lines}
    assert legs["scale"].get_color() == FACTOR_COLORS["scale"] and np.allclose(legs["scale"].get_xydata(), [[0, 0], [2, 0]])
    assert legs["hue"].get_color() == FACTOR_COLORS["hue"]


def test_flows_that_commute_close_the_figure():
    z, a, b = np.zeros(4), np.eye(4)[0], np.eye(4)[0] + np.eye(4)[2]
    axes = commutator_plot(np.stack([z, a, a + b]), np.stack([z, b, a + b]), ["scale", "rotation"]).axes[0]
    dashed = next(line for line in axes.lines if line.get_label() == "gap").get_xydata()
    assert np.allclose(dashed[0], dashed[1]) and np.allclose(dashed[0], [2, 1])


@pytest.mark.parametrize("one, other, message", [
    (np.eye(3), np.eye(4), "shape"),
    (np.eye(4), np.eye(4)[::-1], "4 points"),
    (np.array([[0.0, 0], [1, 0], [2, 0]]), np.array([[0.0, 0], [2, 0], [3, 0]]), "parallel"),
])  # fmt: skip
def test_mistakes_are_named(one, other, message):
    with pytest.raises(FlowlibError, match=message):
        commutator_plot(one, other, ["scale", "hue"])
