"""M18 where any two factors may meet: each pair switched once and superposed once, against composed images."""

from itertools import combinations
from statistics import mean as average

from flowlib.data import load_sequences
from flowlib.evaluation import composed_no_motion, superposed_times, superposition_error, switch_error, switch_times
from flowlib.experiments.measures.registry import register, rounded_mean

IMAGES = 50


def over_no_motion(kind):
    """The error over that of no motion, averaged over pairs; kind : "switch" or "superpose"."""
    return lambda rows: average(row[kind] / row[f"{kind}_no_motion"] for row in rows)


@register(columns=[(f"{kind} / no motion", over_no_motion(kind), 2) for kind in ("switch", "superpose")])
def pairs(model, config):
    """One row per pair of factors: the mean errors of the first factor for half of the steps and then the second, time labels counted anew,
    and of both at once for as many steps; beside each, no motion."""
    sequences, names = load_sequences(config, "test"), config.factors
    half, rows = (config.horizon + 1) // 2, []
    for first, second in combinations(range(len(names)), 2):
        switched = switch_times(sequences, first, second, half, sequences.steps)
        at_once = superposed_times(sequences, (first, second), half)
        rows.append({
            "first": names[first], "second": names[second],
            "switch": rounded_mean(switch_error(model, sequences, first, second, half, count=IMAGES)),
            "switch_no_motion": rounded_mean(composed_no_motion(sequences, switched, IMAGES)),
            "superpose": rounded_mean(superposition_error(model, sequences, (first, second), IMAGES, half)),
            "superpose_no_motion": rounded_mean(composed_no_motion(sequences, at_once, IMAGES)),
        })  # fmt: skip
    return rows
