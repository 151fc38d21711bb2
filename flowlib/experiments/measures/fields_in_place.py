"""Models without labels on a full factorial data set: what a strength means may depend on where the step begins."""

import dataclasses
from statistics import mean as average

import torch

from flowlib.data import FactorialSequences, load_sequences
from flowlib.evaluation import explained_in_place, read_strengths
from flowlib.experiments.measures.fields import MIXED
from flowlib.experiments.measures.registry import register, round_each, where_found


@register(columns=[("explained in place", where_found(lambda found: average(found["explained"].values())), 2)])
def fields_in_place(model, config):
    """R² of the true strengths of held-out mixed sequences from all read ones, a regression for each value of the factor where a step begins.

    Nothing for a model that reads no strengths, and for images whose factors have no values.
    """
    sequences = load_sequences(dataclasses.replace(config, starts="mixed"), "test") if hasattr(model, "contributions") else None
    if sequences is None or not isinstance(sequences.source, FactorialSequences):
        return {}
    strengths = read_strengths(model, sequences, MIXED)
    count = len(strengths.true)
    places = sequences.places(count, torch.Generator(sequences.device).manual_seed(0)).round().long()  # those that were read
    indices = list(range(count))
    values = torch.stack([sequences.composed_values(indices, places[:, t]) for t in range(sequences.steps)], 1)
    found = explained_in_place(strengths.true.flatten(0, 1), strengths.read.flatten(0, 1), values.flatten(0, 1))
    return {"explained": dict(zip(config.factors, round_each(found, 3), strict=True))}
