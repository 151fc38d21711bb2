"""Data: sequences under one transformation each, of digits, of any images, or recorded. What all of them offer: `Source`."""

from dataclasses import replace

import torch

from flowlib.data.batch import Batch, grouped_factors
from flowlib.data.catalogue import is_factorial, load_factorial, open_images
from flowlib.data.checking import check
from flowlib.data.digits import data_folder, load_digits
from flowlib.data.factorial import FactorialSequences
from flowlib.data.files import check_sealed, load_path, options_of, remarks, sealed
from flowlib.data.grid import Grid
from flowlib.data.mixed import MixedSequences
from flowlib.data.mnist import load_mnist
from flowlib.data.options import refuse, training_options
from flowlib.data.out_of_distribution import photo_patches, sklearn_digits
from flowlib.data.recorded import DatasetSequences, RecordedSequences
from flowlib.data.scenes import Rooms, SmallStudio, Studio
from flowlib.data.sequences import ImageSequences, Sequences
from flowlib.data.source import Source, check_source, chunk_size, kinds_of, over_chunks, said_by, single_factor_batch
from flowlib.data.transforms import (
    FACTORS,
    TRANSFORMATIONS,
    Transformation,
    colour,
    rotate_hue,
    strength,
    transform,
    transformation,
)  # fmt: skip
from flowlib.errors import FlowlibError

GIVEN = "(given in Python)"  # `config.data` of a model that was trained on a source that is in no file


def load_sequences(config, split="train") -> Source:
    """The factor sequences that a configuration names.

    split : "train" and "validation", both without the digits left out; "test", the held-out part, whole;
        "left out" and "kept": those digits of the held-out part that training never saw, and the others
    With starts "mixed" every part is a `MixedSequences`: its training batches are mixed, its sequences of one factor are what they were.
    Raises FlowlibError for data that are not there or cannot be used.
    """
    if split not in ("train", "validation", "test", "left out", "kept"):
        raise FlowlibError(f"split {split!r} does not exist: choose train, validation, test, left out or kept")
    if config.data == GIVEN:
        raise FlowlibError("this model's data were given in Python and are in no file: give them again (flowlib.evaluate(model, source))")
    if split == "left out" and not config.left_out:
        raise FlowlibError(f"{config.data}: no digits are left out; set left_out to those that training is not to see")
    if split == "validation" and not config.validation:
        raise FlowlibError(f"{config.data}: no validation part; set validation to the number of images to choose hyper-parameters on")
    if config.starts == "mixed":
        refuse(config, "mixed sequences", "programs", "corner", "parted", "frames_per_step", "batches")
        return MixedSequences(load_sequences(replace(config, starts="plain"), split))
    if is_factorial(config.data):
        return load_factorial(config, split)
    if config.data not in ("digits", "mnist"):
        return load_path(config, split)
    load = {"digits": load_digits, "mnist": load_mnist}[config.data]
    images, labels = load("train" if split in ("train", "validation") else "test")
    refuse(config, f"the images of {config.data}", "corner", "held_out", "parted")
    check_sealed(config)
    chosen = images[_chosen(config, split, images, labels)]
    if not len(chosen):
        raise FlowlibError(
            f"{config.data}: no {split} part; of {len(images)} images {config.validation} are for validation: leave more to train on"
        )
    return Sequences(chosen[: config.images or None], config.factors, config.horizon, **training_options(config, split))


def _chosen(config, split, images, labels):
    """Which images belong to a part, (n,) booleans."""
    chosen = torch.ones(len(images), dtype=torch.bool)
    if config.left_out and split != "test":
        left_out = torch.isin(labels, torch.tensor(config.left_out, dtype=labels.dtype))
        chosen = left_out if split == "left out" else ~left_out
    if split in ("train", "validation"):
        first = torch.arange(len(images)) < len(images) - config.validation
        chosen = chosen & (first if split == "train" else ~first)
    return chosen
