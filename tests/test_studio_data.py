"""Studio as a data set: its bytes, numbers and sequences, by name, and a few steps of training."""

import hashlib

import numpy as np
import pytest
import torch
from tiny import OPTIONS

from flowlib.api import configuration
from flowlib.data import FactorialSequences, load_sequences, open_images
from flowlib.data.scenes import studio
from flowlib.data.scenes.studio import GRID, RANGES, Studio
from flowlib.errors import FlowlibError
from flowlib.training import Trainer, new_model

NAMES = list(RANGES)


def test_the_same_bytes_again():
    numbers = [0, len(GRID) - 1, 1234567, 7654321]
    first = Studio(24).read(numbers)
    studio.look.cache_clear()
    assert torch.equal(Studio(24).read(numbers), first) and first.shape == (4, 3, 24, 24)
    assert hashlib.sha256(first.numpy().tobytes()).hexdigest() == "dea7b5adf2dbc12fc1067638cffc5a6491563b9a8b93e9d73c34e01b0983fcc0"


def test_numbers_are_the_grids():
    ends = studio.values_of(np.stack([np.zeros(11), np.array(GRID.sizes) - 1]))
    for name, low, high in zip(NAMES, *ends):
        assert low == RANGES[name][0] and high == pytest.approx(5 / 6 if name in studio.HUES else RANGES[name][1])
    assert torch.equal(Studio(8).read([len(GRID) - 1]), Studio(8).at(np.minimum(ends[1:], [high for _, high in RANGES.values()])))


def test_sequences_move_one_factor():
    source = FactorialSequences(Studio(8))
    assert source.factors == tuple(NAMES) and source.lengths == (3,) * 7 + (5, 5) + (3, 3)
    for k, length in enumerate(source.lengths):
        digits = GRID.digits(source.numbers(np.array([5_000_000]), k, np.arange(length + 1))[0])
        assert set(np.flatnonzero((digits != digits[0]).any(0))) == {k} and len(set(digits[:, k])) == length + 1
    batch = source.full_batch([5_000_000], "wall_hue").check()
    assert batch.frames.shape == (1, 6, 3, 8, 8)


@pytest.mark.parametrize("name, value, message", [
    ("robot_x", 2.0, "robot_x 2"), ("light_y", 1.0, "light_y 1"), ("object_hue", np.nan, "finite"),
])  # fmt: skip
def test_values_that_cannot_be(name, value, message):
    values = np.array([[low for low, _ in RANGES.values()]])
    values[0, NAMES.index(name)] = value
    with pytest.raises(FlowlibError, match=message):
        Studio(8).at(values)


def test_by_name():
    assert open_images("studio").size == 64 and open_images("studio", size=20).read([7]).shape == (1, 3, 20, 20)
    assert Studio(8).at(np.zeros((0, 11))).shape == (0, 3, 8, 8)
    with pytest.raises(FlowlibError, match="have no path"):
        open_images("studio", "here")
    with pytest.raises(FlowlibError, match="1 or more pixels"):
        Studio(0)


def test_a_few_steps_of_training():
    config = configuration("studio", **OPTIONS | {"size": 16, "batch_size": 11, "steps": 3})
    assert (config.data, config.factors, config.channels) == ("studio", tuple(NAMES), 3)
    trainer = Trainer(new_model(config), load_sequences(config), config)
    assert all(torch.isfinite(trainer.train_step()["loss"]) for _ in range(config.steps))
    assert len(load_sequences(config, "test")) == 2000
