"""MIG and DCI on codes whose scores are known by construction (M20)."""

import numpy as np
import pytest

from flowlib.errors import FlowlibError
from flowlib.evaluation import dci, mig
from flowlib.evaluation.disentanglement import dci_scores, mutual_information

SIZES = (4, 5)


def grid(copies=40):
    """All combinations of two factors, equally often, in a fixed random order (independent factors)."""
    pairs = np.array([(a, b) for a in range(SIZES[0]) for b in range(SIZES[1])] * copies)
    return np.random.RandomState(0).permutation(pairs)


def test_a_code_that_is_the_factors_scores_one():
    factors = grid()
    assert mig(factors.astype(float), factors) == pytest.approx(1, abs=1e-9)
    found = dci(factors.astype(float), factors)
    assert found.disentanglement > 0.99 and found.completeness > 0.99 and found.informativeness == 1


def test_another_seed_grows_another_forest():
    factors, noise = grid(), np.random.RandomState(1).normal(size=(len(grid()), 3))
    same, again, other = (dci(noise, factors, seed=seed, trees=5) for seed in (0, 0, 1))
    assert same == again and same.disentanglement != other.disentanglement


def test_information_equals_the_entropy_and_is_in_nats():
    factors = grid()
    information = mutual_information(factors.astype(float), factors)
    assert np.allclose(information, np.diag(np.log(SIZES)), atol=1e-9)


def test_a_redundant_code_has_no_gap():
    """Each factor twice: the best and the second-best coordinate agree, MIG is 0; disentangled but not complete."""
    factors = grid()
    code = np.concatenate([factors, factors], 1).astype(float)
    assert mig(code, factors) == pytest.approx(0, abs=1e-9)
    found = dci(code, factors)
    assert found.disentanglement > 0.99 and found.completeness < 0.7


def test_a_turned_code_scores_badly_though_it_knows_everything():
    factors = grid() / np.array(SIZES)
    turned = factors @ np.array([[1, 1], [-1, 1]]) / 2**0.5
    labels = grid()
    assert mig(turned, labels) < 0.2
    assert dci(turned, labels).informativeness > 0.95 and dci(turned, labels).disentanglement < 0.3


def test_gap_by_hand():
    """One coordinate knows the factor, the other only its parity: gap = log 4 − log 2, over log 4."""
    factor = np.repeat(np.arange(4), 50)[:, None]
    assert mig(np.concatenate([factor, factor % 2], 1), factor) == pytest.approx(0.5)


def test_scores_of_an_importance_matrix_by_hand():
    assert dci_scores(np.eye(3)) == (pytest.approx(1), pytest.approx(1))
    assert dci_scores(np.ones((3, 3))) == (pytest.approx(0, abs=1e-12), pytest.approx(0, abs=1e-12))
    disentanglement, completeness = dci_scores(np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 0.0]]))
    assert disentanglement == pytest.approx(0.5)
    shares = np.array([2 / 3, 1 / 3])
    first = 1 + (shares * np.log(shares)).sum() / np.log(3)
    assert completeness == pytest.approx((first + 1) / 2)


def test_bad_input_is_named():
    with pytest.raises(FlowlibError, match="same n"):
        mig(np.zeros((3, 2)), np.zeros((4, 2), int))
    with pytest.raises(FlowlibError, match="factors that vary"):
        mig(np.random.rand(9, 2), np.zeros((9, 1), int))


def test_informativeness_is_measured_on_codes_that_the_forest_never_saw():
    random = np.random.RandomState(0)
    assert dci(random.rand(400, 3), random.randint(0, 4, (400, 1))).informativeness < 0.4


def test_codes_are_cut_into_as_many_bins_as_asked():
    codes = np.arange(20.0)[:, None]
    assert mutual_information(codes, np.arange(20)[:, None], bins=4)[0, 0] == pytest.approx(np.log(4))


def test_gaps_are_relative_to_each_factors_own_entropy():
    """The first of two factors is half known: (1/2 + 1) / 2, although their entropies differ."""
    factors = np.array([(a, b) for a in range(4) for b in range(2)] * 40)
    codes = np.stack([factors[:, 0] // 2, factors[:, 1]], 1)
    assert mig(codes, factors) == pytest.approx((0.5 + 1) / 2)


def test_a_factor_that_no_coordinate_knows_has_no_completeness_to_average():
    assert dci_scores(np.array([[1.0, 0.0], [0.0, 0.0]]))[1] == pytest.approx(1)
