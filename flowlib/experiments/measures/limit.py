"""References of M18 and M19: how much of the error of flows that act at once, or go on, is the decoder's."""

from itertools import combinations
from statistics import mean as average

from flowlib.data import load_sequences
from flowlib.evaluation import steps_error, steps_limit, superposed_times, superposition_error, superposition_limit
from flowlib.experiments.measures.registry import register, rounded_mean

IMAGES = 50


def limit_ratio(rows) -> float:
    """The decoder's limit where two flows act at once over the mean of their own limits, averaged over pairs."""
    return average(row["limit"] / row["own_limit"] for row in rows)


@register(columns=[("superpose limit / own", limit_ratio, 2)])
def superposed_limit(model, config):
    """One row per pair of factors, over the first images: the error of superposing and the decoder's limit there; the means of the two
    flows' own errors and limits; the ink Σ_t ‖x_t‖₁ of what is to be drawn, both at once and the mean of the two alone."""
    sequences, names = load_sequences(config, "test"), config.factors
    alone = {k: _found(model, sequences, (k,)) for k in range(len(names))}
    rows = []
    for pair in combinations(alone, 2):
        both = _found(model, sequences, pair)
        own = {f"own_{name}": round(average(alone[k][name] for k in pair), 2) for name in both}
        rows.append({"first": names[pair[0]], "second": names[pair[1]]} | both | own)
    return rows


def _found(model, sequences, factors):
    frames = sequences.composed(list(range(min(IMAGES, len(sequences)))), superposed_times(sequences, factors, sequences.steps))
    return {
        "error": rounded_mean(superposition_error(model, sequences, factors, IMAGES)),
        "limit": rounded_mean(superposition_limit(model, sequences, factors, IMAGES)),
        "ink": rounded_mean(frames[:, 1:].abs().sum((1, 2, 3, 4))),
    }


@register(columns=[("limit, steps 9 … 16 / 1 … 8", lambda found: average(later(one["limit"]) for one in found.values()), 2)])
def long_limit(model, config):
    """For every factor, over the first images: the error of each of 2T steps, and the decoder's limit there."""
    sequences = load_sequences(config, "test")
    steps = 2 * sequences.steps
    return {
        name: {
            kind: [round(value, 2) for value in found(model, sequences, k, steps, IMAGES).mean(0).tolist()]
            for kind, found in (("error", steps_error), ("limit", steps_limit))
        }
        for k, name in enumerate(config.factors)
    }


def later(values) -> float:
    """The mean of the steps after the trained ones over that of the trained ones."""
    half = len(values) // 2
    return average(values[half:]) / average(values[:half])
