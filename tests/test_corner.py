"""A corner left out of training: over all images and all sequences, by an independent reading of the numbers."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from test_factorial import GRID, Digits, shown

from flowlib.config import preset
from flowlib.data import Rooms, load_sequences
from flowlib.data.corner import in_corner
from flowlib.data.factorial import FactorialSequences
from flowlib.data.grid import Grid
from flowlib.errors import FlowlibError

CORNER = ("shape", "turn")
ALL = list(itertools.product(range(6), range(3), range(5)))  # the values of every image, by counting
INSIDE = {number for number, (_, shape, turn) in enumerate(ALL) if shape == 2 and turn in (3, 4)}  # ⌈3/2⌉ = 2, ⌈5/2⌉ = 3


def test_which_images_lie_in_it():
    assert set(np.flatnonzero(in_corner(GRID, CORNER, np.arange(90)))) == INSIDE
    assert in_corner(GRID, ("hue",), np.arange(90)).sum() == 45  # of an even number exactly half
    assert not in_corner(GRID, (), np.arange(90)).any()


@pytest.mark.parametrize("steps", [2, 1, None])
def test_no_training_frame_lies_in_it(steps, generator):
    """However frames are asked for; and everything outside is still drawn."""
    source = FactorialSequences(Digits(), steps=steps, corner=CORNER)
    drawn = set()
    for _ in range(40):
        batch = source.training_batch(90, min(2, min(source.lengths)), generator)
        drawn |= {tuple(values) for values in shown(batch.frames).reshape(-1, 3).tolist()}
    assert drawn == {values for number, values in enumerate(ALL) if number not in INSIDE}
    everything = list(range(len(source)))
    frames = [source.first_frames(everything)[:, None]] + [source.full_batch(everything, k).frames for k in range(3)]
    values = torch.cat([shown(one).reshape(-1, 3) for one in frames])
    assert len(source) > 20 and not (values[:, 1] == 2).logical_and(values[:, 2] > 2).any()


def test_nothing_left_out_is_what_it_was():
    draws = [
        FactorialSequences(Digits(), **options).training_batch(60, 1, torch.Generator().manual_seed(3)) for options in ({}, {"corner": ()})
    ]
    assert torch.equal(draws[0].frames, draws[1].frames)


def test_sequences_that_enter_it():
    source = FactorialSequences(Digits(), steps=2)
    for k, name in enumerate(GRID.names):
        frames = shown(source.full_batch(list(range(90)), k).frames)
        expected = ((frames[..., 1] == 2) & (frames[..., 2] > 2)).any(1)
        assert source.enters(CORNER, list(range(90)), name).tolist() == expected.tolist() and expected.any()


def test_rooms_over_all_indices():
    """Colours of the upper half for floor, wall and object: by division, for every sequence of every factor."""
    config = dataclasses.replace(preset("tutorial-shapes"), corner=("floor_hue", "wall_hue", "object_hue"))
    source, grid = load_sequences(config), Rooms.grid
    for k in range(len(source.factors)):
        begins, seen = source._begins[k], np.zeros(len(grid), dtype=bool)
        for part in np.array_split(begins, 8):
            seen[source.numbers(part, k, np.arange(8))] = True
        shown_numbers = np.flatnonzero(seen)
        upper = [shown_numbers // stride % 10 >= 5 for stride in (48_000, 4_800, 480)]
        assert not np.logical_and.reduce(upper).any() and len(begins) > 300_000
    assert len(load_sequences(dataclasses.replace(config, corner=(), parted="starts"))) + 192 == len(grid)


@pytest.mark.parametrize("corner, message", [(("size",), "unknown factor 'size'"), (("turn",), "none is left whose sequences")])
def test_what_cannot_be_is_refused(corner, message):
    with pytest.raises(FlowlibError, match=message):
        FactorialSequences(Digits(), ("turn",), corner=corner)


def test_options_that_cannot_be():
    with pytest.raises(FlowlibError, match="different factors"):
        dataclasses.replace(preset("tutorial-shapes"), corner=("scale", "scale"))


def test_a_factor_of_one_value_has_no_upper_half():
    with pytest.raises(FlowlibError, match="a has one value alone"):
        in_corner(Grid(("a", "b"), (1, 4)), ("a",), np.arange(4))
