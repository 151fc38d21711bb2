"""Chapter 12's errors, against sums done by hand."""

import numpy as np
import pytest
from test_factorial import GRID, Digits

from flowlib.book import scene_errors
from flowlib.data.factorial import FactorialSequences


def row(seed, hue, turn, **more):
    return {"seed": seed, "metrics": {"equivariance": {"hue": hue, "turn": turn}, "references": more}}


def test_errors_of_each_motion():
    found = row(0, [1, 3], [5, 7], linear={"hue": [2, 2], "turn": [4, 8]})["metrics"]
    assert scene_errors.errors(found, ["hue", "turn"]) == [3, 5] and scene_errors.errors(found, ["turn"], "linear") == [4, 8]
    rows = [row(0, [1, 3], [5, 7]), row(1, [3, 5], [7, 9])]
    assert scene_errors.mean_error(rows, ["hue"]) == 3 and scene_errors.mean_error(rows, ["hue", "turn"]) == 5


def test_differences_to_a_reference():
    methods = {"flow": [row(s, [1, 2, 3], [4, 4, 4]) for s in (0, 1)], "VAE": [row(s, [3, 4, 5], [4, 5, 6 + s]) for s in (0, 1)]}
    ((hue, turn),) = scene_errors.against(methods, "flow", ["hue", "turn"]).values()
    assert hue.mean == 2 and hue.standard_error == 0
    assert turn.mean == pytest.approx((0 + 1 + 2.5) / 3) and turn.standard_error == pytest.approx(np.std([0, 1, 2.5], ddof=1) / 3**0.5)


def test_a_corner_left_out():
    entering = {"hue": np.array([True, True, False]), "turn": np.array([True, False, False])}
    control = [row(s, [10, 20, 30], [40, 50, 60]) for s in (0, 1)] + [row(2, [99, 99, 99], [99, 99, 99])]
    rows = [row(0, [11, 24, 30], [43, 51, 60]), row(1, [13, 26, 30], [45, 51, 63])]
    found = scene_errors.left_out(rows, control, entering)
    # inside: (hue, image 0) +2, (hue, 1) +5, (turn, 0) +4; the two of image 0 together: gaps 3 and 5
    assert found["inside"] == pytest.approx((70 / 3, (12 + 25 + 44) / 3, np.std([3, 5], ddof=1) / 2**0.5))
    # outside: (hue, 2) 0, (turn, 1) +1, (turn, 2) +1.5; image 1: 1, image 2: 0.75
    assert found["outside"] == pytest.approx((140 / 3, (30 + 51 + 61.5) / 3, np.std([1, 0.75], ddof=1) / 2**0.5))


def test_what_training_has_shown_too():
    """Ten sequences of each factor, drawn again and again: how often is a frame of a test sequence among theirs?"""
    rng, order = np.random.default_rng(0), np.random.default_rng(1).permutation(len(GRID))
    train, test = (FactorialSequences(Digits(), members=part) for part in (order[12:], order[:12]))
    tested, shares = [test.lines(k) for k in range(3)], []
    for _ in range(300):
        shown = []
        for k in range(3):
            lines = train.lines(k)[rng.integers(len(train), size=10)]
            shown += [lines[:, 0], lines[np.arange(10), rng.integers(1, lines.shape[1], 10)]]
        shares.append(np.isin(np.concatenate([one.ravel() for one in tested]), np.concatenate(shown)).mean())
    share, same = scene_errors.overlap(train, test, 10)
    assert share == pytest.approx(np.mean(shares), abs=0.02)
    there = [{tuple(line) for line in train.lines(k).tolist()} for k in range(3)]
    assert list(same.values()) == [np.mean([tuple(line) in there[k] for line in tested[k].tolist()]) for k in range(3)]
    assert same["hue"] == 0 and same["shape"] == 1


def test_which_sequences_enter():
    source = FactorialSequences(Digits(), steps=2, members=[0, 44, 89])
    found = scene_errors.inside(source, ("shape", "turn"), ("hue", "turn"))
    assert [len(GRID.names), *map(len, found.values())] == [3, 3, 3]
    assert found["hue"].tolist() == [False, True, True]  # (2, 2, 4) and (5, 2, 4)
    assert found["turn"].tolist() == [False, True, True]  # from turn 4 mod 3 = 1 to 3, with shape 2
