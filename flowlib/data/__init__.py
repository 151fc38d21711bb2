"""Data: digits as sequences under one transformation each, and the files they come from."""

from flowlib.data.batch import Batch, grouped_factors
from flowlib.data.digits import data_folder, load_digits
from flowlib.data.mnist import load_mnist
from flowlib.data.sequences import Sequences
from flowlib.data.transforms import FACTORS, FULL, IDENTITY, colour, factor_index, rotate_hue, strength, transform

__all__ = [
    "Batch", "FACTORS", "FULL", "IDENTITY", "Sequences", "colour", "data_folder", "factor_index", "grouped_factors",
    "load_digits", "load_mnist", "load_sequences", "rotate_hue", "strength", "transform",
]  # fmt: skip


def load_sequences(config, split="train") -> Sequences:
    """The factor sequences that a configuration names, training or held-out part."""
    load = {"digits": load_digits, "mnist": load_mnist}[config.data]
    return Sequences(load(split)[0], config.factors, config.horizon)
