"""Models without labels: which factors their fields found in mixed sequences, and how well the found fields move images."""

import dataclasses
from statistics import mean as average

import torch

from flowlib.data import load_sequences
from flowlib.evaluation import (
    correlations,
    equivariance_error,
    explained,
    labelled_error,
    matched_fields,
    no_motion,
    number_of_fields_in_use,
    read_strengths,
    swap_error,
)
from flowlib.experiments.measures.registry import register, round_each, rounded_mean

MIXED, IMAGES, FOUND = 500, 200, 0.7


def reads_strengths(model) -> bool:
    """Whether a model reads from frames how far each of its fields moves them."""
    return hasattr(model, "contributions")


def matched(found) -> float:
    """The mean |correlation| of factors with their fields."""
    return average(found["matched"].values())


def factors_found(found) -> int:
    """How many factors have a field whose strength has |correlation| ≥ 0.7 with theirs."""
    return sum(value >= FOUND for value in found["matched"].values())


def errors(kind):
    """The mean over factors of an error of this kind."""
    return lambda found: average(found["errors"][kind].values())


@register(needs=reads_strengths, columns=[
    ("|corr|", matched, 2), ("found", factors_found, 1), ("rotations' share", lambda found: found["rotations"], 2),
    ("own field", errors("own"), 0), ("read", errors("read"), 0), ("swapped", errors("swapped"), 0),
])  # fmt: skip
def fields(model, config):
    """Of held-out sequences (nothing for a model that reads no strengths).

    correlation : true strengths of mixed sequences × read ones (K lists of F);  own : the matched field of each factor;  matched,
    other : its |correlation| with the factor, and the largest with another;  explained : R² of the true strengths from all read ones
    together;  active, truly : the share of steps in which a field, a factor is not still;  share : of squared displacement, by field;
    rotations : by all fields without divergence;  used : the effective number of fields;  elbo : nats per mixed sequence, one draw each
    errors : of sequences of one factor, in pixels as M16: by the factor's own field at its mean strength ("own"), by the strengths read
        from the sequence itself ("read") and from another image's of the same factor ("swapped"), and no motion
    """
    sequences, names = load_sequences(dataclasses.replace(config, starts="mixed"), "test"), config.factors
    strengths = read_strengths(model, sequences, MIXED)
    true, read, added = (x.flatten(0, 1) for x in (strengths.true, strengths.read, strengths.added))
    correlation = correlations(true, read)
    own = matched_fields(correlation)
    size, share = correlation.abs(), added.sum(0) / added.sum().clamp(min=1e-12)
    others = size[:, own].T.fill_diagonal_(0).amax(1)
    kinds = {
        "own": lambda k: labelled_error(model, sequences, k, IMAGES), "read": lambda k: equivariance_error(model, sequences, k, IMAGES),
        "swapped": lambda k: swap_error(model, sequences, k, IMAGES), "no motion": lambda k: no_motion(sequences, k, IMAGES),
    }  # fmt: skip
    return {
        "correlation": [round_each(row, 3) for row in correlation], "own": own.tolist(),
        "matched": _named(names, size[range(len(names)), own]), "other": _named(names, others), "explained": _named(names, explained(true, read)),
        "active": round_each((read != 0).float().mean(0), 3), "truly": round_each((true != 0).float().mean(0), 3),
        "share": round_each(share, 3), "rotations": round(share[model.gradients :].sum().item(), 3), "used": round(number_of_fields_in_use(added), 2),
        "elbo": _elbo(model, sequences, config),
        "errors": {kind: {name: rounded_mean(error(k)) for k, name in enumerate(names)} for kind, error in kinds.items()},
    }  # fmt: skip


def _elbo(model, sequences, config):
    """The mean of one log weight of each of the first mixed sequences."""
    count = min(IMAGES, len(sequences))
    batch = sequences.mixed(list(range(count)), sequences.places(count, torch.Generator().manual_seed(0)))
    return rounded_mean(model.sequence_log_weights(batch, torch.Generator().manual_seed(config.seed)))


def _named(names, values):
    return dict(zip(names, round_each(values, 3), strict=True))
