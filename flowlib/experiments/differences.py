"""Whether two methods differ: over the images, which both have seen, and over the seeds, which are few."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from flowlib.errors import FlowlibError
from flowlib.experiments.tables import paired

ERRORS, LEVEL = 3, 0.05


@dataclass(frozen=True)
class Difference:
    """mean : ours minus theirs;  standard_error : of that mean, over images, for these trained models;
    p : of Welch's t-test between the seeds' means, two-sided;  p_paired : of a t-test of the differences between runs of one seed"""

    mean: float
    standard_error: float
    p: float
    p_paired: float

    @property
    def chance(self) -> str:
        """p in words; beside it that of the pairs, where the two are not on one side of 0.05."""
        words = "p < 0.001" if self.p < 0.001 else f"p = {self.p:.3f}"
        return words + f", pairs {self.p_paired:.3f}" * ((self.p < LEVEL) != (self.p_paired < LEVEL))

    @property
    def clear(self) -> bool:
        """More than three standard errors over images, and p < 0.05 over seeds."""
        return abs(self.mean) > ERRORS * self.standard_error and self.p < LEVEL


def welch_p(ours: list[float], theirs: list[float]) -> float:
    """Two-sided p of Welch's t-test: two means, the two variances not taken to be equal.

    Raises FlowlibError for fewer than two values on a side.
    """
    from scipy.stats import ttest_ind

    if min(len(ours), len(theirs)) < 2:
        raise FlowlibError(f"{len(ours)} and {len(theirs)} seeds: a test between seeds needs at least two of each method")
    return float(ttest_ind(ours, theirs, equal_var=False).pvalue)


def paired_p(ours: dict[int, float], theirs: dict[int, float]) -> float:
    """Two-sided p of the t-test of differences between runs with the same seed, {seed: value}: they begin with the same weights, where
    networks are alike, and see the same batches. Raises FlowlibError for fewer than two seeds in common."""
    from scipy.stats import ttest_rel

    if len(seeds := sorted(ours.keys() & theirs.keys())) < 2:
        raise FlowlibError(f"{len(seeds)} seeds in common: a test of pairs needs at least two")
    return float(ttest_rel(*([one[seed] for seed in seeds] for one in (ours, theirs))).pvalue)


def difference(rows, reference, values: Callable[[dict], list[float]]) -> Difference:
    """Rows of one method against those of a reference; `values` takes from a row's metrics one number for each image."""
    mean, error = paired(rows, reference, values)
    own, other = ({row["seed"]: statistics.fmean(values(row["metrics"])) for row in one} for one in (rows, reference))
    return Difference(mean, error, welch_p([*own.values()], [*other.values()]), paired_p(own, other))
