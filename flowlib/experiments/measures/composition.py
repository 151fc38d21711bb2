"""M18, flows switched, superposed and exchanged, in M16's units."""

from functools import partial
from statistics import mean as average

from flowlib.data import load_sequences
from flowlib.evaluation import (
    commutator,
    composed_no_motion,
    superposed_times,
    superposition_error,
    switch_error,
    switch_times,
)
from flowlib.experiments.measures.registry import register, rounded_mean

IMAGES, SWITCH_AT = 100, 4
COUNTED_ANEW, GOING_ON = "restart", "continue"  # the time labels after a switch: from 1 again, or those of the sequence's own steps


def labels_of(config) -> str:
    """The labels that training paired with codes which a second flow moves: a program's count its steps, a single factor's begin at 1 (chapter 11)."""
    return COUNTED_ANEW if config.get("programs", "single") == "single" else GOING_ON


def switch_ratio(rows, labels=COUNTED_ANEW) -> float:
    """The error of switching over the mean of the two flows' own errors, averaged over ordered pairs."""
    return average(row["switch"][labels] / row["own"] for row in rows)


def superposition_ratio(rows) -> float:
    """The error of superposing over the mean of the two flows' own errors, averaged over pairs."""
    return average(row["superpose"] / row["own"] for row in rows if "superpose" in row)


def still(sequences, times):
    """The error of showing x_0 throughout."""
    return rounded_mean(composed_no_motion(sequences, times, IMAGES))


@register(
    columns=[
        ("switch / own", switch_ratio, 2),
        ("with labels going on", partial(switch_ratio, labels=GOING_ON), 2),
        ("superpose / own", superposition_ratio, 2),
    ]
)
def composition(model, config):
    """One row per ordered pair of factors: the mean error of switching (both time labels; looking again) and, once per pair, of
    superposing; the mean of the two flows' own errors over as many steps; no motion; the commutator."""
    sequences, names = load_sequences(config, "test"), config.factors
    # one flow alone, on the same images: a switch after the last step
    own = [rounded_mean(switch_error(model, sequences, k, (k + 1) % len(names), sequences.steps, count=IMAGES)) for k in range(len(names))]
    rows = []
    for first, second in ((a, b) for a in range(len(names)) for b in range(len(names)) if a != b):
        switch = {
            labels: rounded_mean(switch_error(model, sequences, first, second, SWITCH_AT, labels, IMAGES))
            for labels in (COUNTED_ANEW, GOING_ON)
        }
        row = {"first": names[first], "second": names[second], "switch": switch, "own": (own[first] + own[second]) / 2}
        row["again"] = rounded_mean(switch_error(model, sequences, first, second, SWITCH_AT, COUNTED_ANEW, IMAGES, reencode=True))
        row["switch_no_motion"] = still(sequences, switch_times(sequences, first, second, SWITCH_AT, sequences.steps))
        if first < second:
            row["superpose"] = rounded_mean(superposition_error(model, sequences, (first, second), IMAGES))
            row["superpose_no_motion"] = still(sequences, superposed_times(sequences, (first, second), sequences.steps))
            row["commutator"] = rounded_mean(commutator(model, sequences, first, second, SWITCH_AT, IMAGES), 4)
        rows.append(row)
    return rows
