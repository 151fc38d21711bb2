"""What README and chapter 12 say in words about the comparison on scenes holds for the committed results."""

from statistics import fmean

import pytest

from flowlib.book import scene_errors
from flowlib.config import ROOM
from flowlib.data import Rooms
from flowlib.experiments import tables

FLOW, HUES = "flow, k given", [name for name in ROOM if name in Rooms.grid.cyclic]
LINES = [name for name in ROOM if name not in HUES]


@pytest.fixture(scope="module")
def rooms():
    return tables.by_method(tables.read_results("rooms"))


def each(rows, name):
    """The error of every seed."""
    return [fmean(row["metrics"]["equivariance"][name]) for row in rows]


def test_the_flow_is_not_below_every_baseline_on_factors_that_are_not_cyclic(rooms):
    assert all(max(each(rooms["SlowVAE"], name)) < min(each(rooms[FLOW], name)) for name in LINES)


def test_there_every_method_errs_by_more_than_no_motion(rooms):
    assert all(
        scene_errors.mean_error(rows, [name]) > scene_errors.mean_error(rows, [name], "no_motion") for rows in rooms.values() for name in LINES
    )


def test_on_floor_hue_the_flow_is_below_every_mean_displacement(rooms):
    rivals = ("VAE", "FactorVAE", "SlowVAE")
    assert all(max(each(rooms[FLOW], "floor_hue")) < min(each(rooms[label], "floor_hue")) for label in rivals)


def test_on_hues_a_linear_operator_moves_every_code_better(rooms):
    for rows in rooms.values():
        assert scene_errors.mean_error(rows, HUES, "linear") < scene_errors.mean_error(rows, HUES)


def test_the_linear_operator_on_slow_codes_errs_least_of_all(rooms):
    best = scene_errors.mean_error(rooms["SlowVAE"], ROOM, "linear")
    assert all(best < scene_errors.mean_error(rows, ROOM, kind) for rows in rooms.values() for kind in ("own", "displaced"))


def test_k_is_not_recognised(rooms):
    assert fmean(row["metrics"]["recognition"]["accuracy"] for row in rooms["flow, k inferred"]) < 0.5


def test_on_floor_hue_a_linear_operator_on_the_flows_own_code_is_below_the_flow(rooms):
    assert scene_errors.mean_error(rooms[FLOW], ["floor_hue"], "linear") < scene_errors.mean_error(rooms[FLOW], ["floor_hue"])
