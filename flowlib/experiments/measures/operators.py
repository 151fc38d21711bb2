"""M16, code and operator told apart: the same ladder of operators for every code, and codes moved by another sequence's motion."""

from statistics import mean as average

from flowlib.data import load_sequences
from flowlib.evaluation import labelled_error, ladder_errors, swap_error
from flowlib.experiments.measures.equivariance import mean_error
from flowlib.experiments.measures.registry import register, round_each, rounded_mean

FITTED, IMAGES, SWAPPED = 1000, 150, 500
RUNGS = ("mean", "linear", "quadratic", "MLP", "floor")


@register(columns=[(f"{rung} rung" if rung != "floor" else rung, lambda found, rung=rung: mean_error(found[rung]), 0) for rung in RUNGS])
def ladder(model, config):
    """Rung → factor → the error of each of the first images (`flowlib.evaluation.ladder_errors`), in whole pixels."""
    train, test = load_sequences(config), load_sequences(config, "test")
    found = {rung: {} for rung in RUNGS}
    for factor, name in enumerate(config.factors):
        for rung, errors in ladder_errors(model, train, test, factor, min(FITTED, len(train)), IMAGES).items():
            found[rung][name] = round_each(errors)
    return found


@register(
    columns=[(f"moved by {kind}", lambda found, kind=kind: average(found[kind].values()), 0) for kind in ("another's motion", "the label")]
)
def swap(model, config):
    """Factor → the mean error of codes moved by what was found for the next sequence of the same factor, and by the label alone."""
    test, kinds = load_sequences(config, "test"), {"another's motion": swap_error, "the label": labelled_error}
    return {
        kind: {name: rounded_mean(error(model, test, k, SWAPPED)) for k, name in enumerate(config.factors)} for kind, error in kinds.items()
    }
