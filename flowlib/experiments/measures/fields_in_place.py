"""Models without labels on a full factorial data set: what a strength means may depend on where the step begins."""

import dataclasses
from statistics import mean as average

import torch

from flowlib.data import FactorialSequences, load_sequences
from flowlib.evaluation import explained_in_place, read_strengths, step_directions
from flowlib.experiments.measures.fields import MIXED, reads_strengths
from flowlib.experiments.measures.registry import register, round_each


@register(needs=reads_strengths, columns=[("explained in place", lambda found: average(found["explained"].values()), 2)])
def fields_in_place(model, config):
    """Of held-out mixed sequences, for each value that a factor has where a step begins.

    explained : R² of the factor's true strengths from all read ones, a regression for each value
    directions : mean read strengths of a step forward, less those of a step back, halved: factor → a list of F for each value
    Nothing for a model that reads no strengths, and for images whose factors have no values.
    """
    sequences = load_sequences(dataclasses.replace(config, starts="mixed"), "test")
    if not isinstance(sequences.source, FactorialSequences):
        return {}
    strengths = read_strengths(model, sequences, MIXED)
    begins = strengths.places[:, :-1].round().long()
    indices = list(range(len(begins)))
    values = torch.stack([sequences.composed_values(indices, places) for places in begins.unbind(1)], 1)
    true, read, place = strengths.true.flatten(0, 1), strengths.read.flatten(0, 1), values.flatten(0, 1)
    found = explained_in_place(true, read, place)
    ways = [step_directions(true[:, k], read, place[:, k]) for k in range(len(config.factors))]
    return {
        "explained": dict(zip(config.factors, round_each(found, 3), strict=True)),
        "directions": {name: [round_each(row, 2) for row in one] for name, one in zip(config.factors, ways, strict=True)},
    }
