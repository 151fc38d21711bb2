"""Differences between methods, against the formulas written out."""

import math
from statistics import fmean, stdev, variance

import pytest
from scipy.special import betainc

from flowlib.errors import FlowlibError
from flowlib.experiments.differences import Difference, difference, paired_p, welch_p


def rows(*seeds):
    return [{"seed": seed, "metrics": {"values": values}} for seed, values in enumerate(seeds)]


def taken(metrics):
    return metrics["values"]


def p_written_out(a, b):
    """Welch's statistic and the Welch–Satterthwaite degrees of freedom; Student's tail by the incomplete beta function."""
    one, other = variance(a) / len(a), variance(b) / len(b)
    t = (fmean(a) - fmean(b)) / math.sqrt(one + other)
    freedom = (one + other) ** 2 / (one**2 / (len(a) - 1) + other**2 / (len(b) - 1))
    return betainc(freedom / 2, 0.5, freedom / (freedom + t**2))


def test_welch_against_the_formula():
    a, b = [1.0, 2.0, 4.0], [3.0, 3.5, 9.0, 4.0]
    assert welch_p(a, b) == pytest.approx(p_written_out(a, b), rel=1e-9)
    assert welch_p(a, a) == pytest.approx(1.0)


def test_pairs_against_the_formula():
    """Student's t of the differences, whatever the order of the seeds; the seeds that one side lacks are left out."""
    ours, theirs = {0: 1.0, 1: 5.0, 2: 9.0, 7: 99.0}, {2: 8.4, 0: 0.6, 1: 4.4}
    gaps = [0.4, 0.6, 0.6]
    t = fmean(gaps) / math.sqrt(variance(gaps) / 3)
    assert paired_p(ours, theirs) == pytest.approx(betainc(1, 0.5, 2 / (2 + t**2)), rel=1e-9)
    assert welch_p([1.0, 5.0, 9.0], [0.6, 4.4, 8.4]) > 0.8 > 0.05 > paired_p(ours, theirs)
    with pytest.raises(FlowlibError, match="1 seeds in common"):
        paired_p({0: 1.0, 1: 2.0}, {0: 1.0, 2: 2.0})


def test_a_difference_pairs_runs_of_one_seed():
    ours, theirs = rows([0.0, 2.0], [4.0, 6.0], [8.0, 10.0]), rows([0.0, 1.0], [4.0, 5.2], [8.0, 9.0])
    found, turned = difference(ours, theirs, taken), difference(ours, theirs[::-1], taken)
    assert found.p_paired == turned.p_paired == pytest.approx(paired_p({0: 1.0, 1: 5.0, 2: 9.0}, {0: 0.5, 1: 4.6, 2: 8.5}))
    assert found.p_paired < 0.01 < found.p


def test_the_pairs_are_told_of_where_the_two_tests_disagree():
    of = lambda p, pairs: Difference(1.0, 0.1, p, pairs).chance  # noqa: E731
    assert of(0.2, 0.3) == "p = 0.200" and of(0.02, 0.03) == "p = 0.020" and of(0.0002, 0.003) == "p < 0.001"
    assert of(0.2, 0.03) == "p = 0.200, pairs 0.030" and of(0.0002, 0.06) == "p < 0.001, pairs 0.060"


def test_ours_minus_theirs_image_by_image():
    found = difference(rows([10.0, 20.0, 31.0], [12.0, 22.0, 33.0]), rows([1.0, 13.0, 20.0], [1.0, 11.0, 20.0]), taken)
    each = [10.0, 9.0, 12.0]
    assert found.mean == pytest.approx(fmean(each)) and found.standard_error == pytest.approx(stdev(each) / math.sqrt(3))


def test_clear_needs_images_and_seeds():
    ours, apart, wide = (
        rows([0.0, 1.0], [0.1, 1.1], [0.2, 1.2]),
        rows([9.0, 10.1], [9.1, 10.0], [9.2, 10.3]),
        rows([9.0, 10.1], [0.1, 1.1], [0.2, 1.3]),
    )
    assert difference(ours, apart, taken).clear and difference(apart, ours, taken).clear
    assert not difference(ours, wide, taken).clear, "three standard errors over images, but the seeds overlap"
    uneven = rows([0.0, 99.0], [0.1, 99.1], [0.2, 99.2])
    assert not difference(ours, uneven, taken).clear, "seeds far apart, but two images that disagree"


def test_one_seed_is_no_test():
    with pytest.raises(FlowlibError, match="at least two"):
        difference(rows([1.0, 2.0]), rows([2.0, 3.0]), taken)


@pytest.mark.parametrize("mean, p, clear", [(3.5, 0.01, True), (2.5, 0.01, False), (-3.5, 0.01, True), (3.5, 0.06, False)])
def test_clear_is_more_than_three_standard_errors_and_p_below_a_twentieth(mean, p, clear):
    assert Difference(mean, 1.0, p, p).clear == clear


@pytest.mark.parametrize("ours, theirs, message", [
    ([[1.0]], [[2.0]], "on 1 images"), ([[1.0, 2.0, 3.0]], [[2.0, 4.0]], "2 and 3 images"), ([[]], [[]], "on 0 images"),
])  # fmt: skip
def test_images_that_cannot_be_paired(ours, theirs, message):
    with pytest.raises(FlowlibError, match=message):
        difference(rows(*ours * 2), rows(*theirs * 2), taken)
