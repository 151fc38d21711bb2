"""MIG and DCI: does each coordinate of a code describe one factor (M20)? Coordinates are posterior means."""

from dataclasses import dataclass

import numpy as np

from flowlib.errors import FlowlibError


def mutual_information(codes, factors, bins: int = 20) -> np.ndarray:
    """Mutual information (d, F) in nats between each coordinate, in `bins` bins of equal width, and each factor.

    codes (n, d) floats;  factors (n, F) integer labels
    """
    from sklearn.metrics import mutual_info_score

    codes, factors = _checked(codes, factors, bins)
    binned = np.stack([np.digitize(c, np.linspace(c.min(), c.max(), bins + 1)[1:-1]) for c in codes.T], 1)
    return np.array([[mutual_info_score(factor, code) for factor in factors.T] for code in binned.T])


def mig(codes, factors, bins: int = 20) -> float:
    """Mutual information gap (Chen et al., 2018): per factor (best − second best coordinate) / H(factor), averaged; in [0, 1]."""
    from scipy.stats import entropy as entropy_of

    information = np.sort(mutual_information(codes, factors, bins), axis=0)
    entropy = np.array([entropy_of(np.unique(factor, return_counts=True)[1]) for factor in np.asarray(factors).T])
    if len(information) < 2 or (entropy == 0).any():
        raise FlowlibError("MIG needs two coordinates at least, and factors that vary")
    return float(((information[-1] - information[-2]) / entropy).mean())


@dataclass(frozen=True)
class DCI:
    """Disentanglement and completeness in [0, 1], and the accuracy with which the factors are predicted."""

    disentanglement: float
    completeness: float
    informativeness: float


def dci(codes, factors, seed: int = 0, trees: int = 50) -> DCI:
    """Eastwood & Williams (2018): importances R (d, F) of the coordinates in a forest that predicts each factor.

    disentanglement = Σ_i ρ_i (1 − H_F(R_i·)), completeness = mean_j (1 − H_d(R_·j)), entropies to the base of their number of
    outcomes, ρ_i the share of coordinate i in all importances. Informativeness: accuracy on a held-out half.
    """
    from sklearn.ensemble import ExtraTreesClassifier

    codes, factors = _checked(codes, factors, 2)
    half = len(codes) // 2
    importances, accuracy = [], []
    for factor in factors.T:
        forest = ExtraTreesClassifier(trees, random_state=seed, min_samples_leaf=2, max_features=None)
        forest.fit(codes[:half], factor[:half])
        importances.append(forest.feature_importances_)
        accuracy.append(forest.score(codes[half:], factor[half:]))
    return DCI(*dci_scores(np.stack(importances, 1)), float(np.mean(accuracy)))


def dci_scores(importances):
    """(disentanglement, completeness) from an importance matrix R (d, F) ≥ 0."""
    rows, columns = importances.sum(1), importances.sum(0)
    weights = rows / rows.sum()
    disentanglement = float((weights * (1 - _relative_entropy(importances, 1))).sum())
    return disentanglement, float((1 - _relative_entropy(importances, 0))[columns > 0].mean())


def _relative_entropy(importances, axis):
    """Entropy along an axis over log(number of entries); 1 where nothing is there."""
    total = importances.sum(axis, keepdims=True)
    shares = np.divide(importances, total, out=np.full_like(importances, 1 / importances.shape[axis]), where=total > 0)
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return -(shares * logs).sum(axis) / np.log(max(importances.shape[axis], 2))


def _checked(codes, factors, bins):
    codes, factors = np.asarray(codes, float), np.asarray(factors)
    if codes.ndim != 2 or factors.ndim != 2 or len(codes) != len(factors):
        raise FlowlibError(f"codes {codes.shape} and factors {factors.shape}: give (n, d) and (n, F) with the same n")
    if not np.isfinite(codes).all() or bins < 2:
        raise FlowlibError(f"codes must be finite and bins ≥ 2, got bins = {bins}")
    return codes, factors
