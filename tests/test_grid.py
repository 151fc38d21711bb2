"""Sequences over full factorial data: proved over all indices of the published sizes, one factor moves and nothing else."""

import itertools

import numpy as np
import pytest

from flowlib.data.grid import Grid
from flowlib.errors import FlowlibError

SMALL = Grid(("hue", "size", "turn"), (4, 3, 5), cyclic=("hue",))


def test_the_last_factor_varies_fastest():
    """The numbering, by counting."""
    counted = list(itertools.product(range(4), range(3), range(5)))
    assert SMALL.digits(np.arange(len(SMALL))).tolist() == [list(one) for one in counted]
    assert SMALL.indices(np.array(counted)).tolist() == list(range(60))


@pytest.mark.parametrize("grid", [SMALL], ids=["small"])
def test_a_sequence_moves_one_factor_and_nothing_else(grid):
    only_one_digit_changes(grid)


def only_one_digit_changes(grid):
    """From every image, for every factor: digit k grows by one a step, around where it is cyclic, and all others stay.

    An independent reading of the numbers: digits by division, without the grid's own functions.
    """
    everything = np.arange(len(grid))
    for place, (name, size) in enumerate(zip(grid.names, grid.sizes)):
        stride = int(np.prod(grid.sizes[place + 1 :], dtype=int))
        value = everything // stride % size
        for steps in {1, size - 1}:
            begins = value < grid.starts(name, steps)
            assert begins.all() if name in grid.cyclic else begins.sum() == len(grid) // size * (size - steps)
            found = grid.moved(everything[begins], name, np.arange(steps + 1))
            for t in range(steps + 1):
                wanted = (value[begins] + t) % size
                assert (found[:, t] // stride % size == wanted).all()
                # what is left when this digit is taken out is what it was
                assert (found[:, t] - wanted * stride == everything[begins] - value[begins] * stride).all()
                assert t == 0 or (found[:, t] != everything[begins]).all()


def test_each_sequence_at_times_of_its_own():
    found = SMALL.moved(np.array([0, 16]), "turn", np.array([[0, 4], [0, 2]]))
    assert found.tolist() == [[0, 4], [16, 18]]


def test_only_cyclic_factors_wrap_around():
    last = np.array([len(SMALL) - 1])
    assert SMALL.digits(SMALL.moved(last, "hue", np.array([1])))[0, 0].tolist() == [0, 2, 4]
    for name in ("size", "turn"):
        with pytest.raises(FlowlibError, match=f"{name} ends at"):
            SMALL.moved(last, name, np.array([1]))


def test_what_does_not_exist_is_refused():
    for indices in (np.array([60]), np.array([-1])):
        with pytest.raises(FlowlibError, match="numbered 0 … 59"):
            SMALL.digits(indices)
    with pytest.raises(FlowlibError, match="give 1 … 3"):
        SMALL.starts("hue", 4)
    with pytest.raises(FlowlibError, match="unknown factor 'tilt'"):
        SMALL.number("tilt")
    with pytest.raises(FlowlibError, match="each name once"):
        Grid(("a", "a"), (2, 2))
    with pytest.raises(FlowlibError, match="size ≥ 1"):
        Grid(("a",), (0,))
    with pytest.raises(FlowlibError, match="not among"):
        Grid(("a", "b"), (2, 2), cyclic=("c",))


@pytest.mark.parametrize("factor", [-1, 2, "c"])
def test_a_factor_that_is_not_there(factor):
    grid = Grid(("a", "b"), (3, 4))
    assert [grid.number(one) for one in ("a", "b", 0, 1)] == [0, 1, 0, 1]
    with pytest.raises(FlowlibError, match="unknown factor .*choose one of a, b"):
        grid.number(factor)
