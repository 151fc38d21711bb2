"""Held out by lines: no frame that training shows lies on a held-out line, by an independent reading of the numbers."""

import dataclasses
import itertools

import numpy as np
import pytest
from test_factorial import GRID, Digits, shown

import flowlib
from flowlib.config import Config
from flowlib.data import Rooms, load_sequences
from flowlib.data.factorial import FactorialSequences
from flowlib.errors import FlowlibError
from flowlib.experiments.settings import ROOMS, STUDIO

ALL = list(itertools.product(range(6), range(3), range(5)))  # the values of every image, by counting
HELD = [7, 52]


def on_a_line(values, factors=range(3)):
    """Does an image differ from a held-out one in one of these factors at most?"""
    return any(
        sum(a != b for a, b in zip(values, ALL[held])) <= 1 and all(values[k] == ALL[held][k] or k in factors for k in range(3))
        for held in HELD
    )


@pytest.mark.parametrize("names", [("hue", "shape", "turn"), ("turn", "hue")])
def test_what_lies_on_the_lines(names):
    found = FactorialSequences(Digits(), names, steps=2, members=HELD).shown()
    places = [GRID.names.index(name) for name in names]
    assert found.tolist() == [on_a_line(values, places) for values in ALL]


@pytest.mark.parametrize("steps", [1, 2, None])
def test_no_training_frame_lies_on_them(steps, generator):
    """However frames are asked for, and everything else that a sequence can show is still drawn; not what lies on a line with none beside it."""
    unseen = FactorialSequences(Digits(), members=HELD).shown()
    source = FactorialSequences(Digits(), steps=steps, members=[n for n in range(90) if n not in HELD], unseen=unseen)
    drawn = set()
    for _ in range(60):
        batch = source.training_batch(90, min(2, min(source.lengths)), generator)
        drawn |= {tuple(values) for values in shown(batch.frames).reshape(-1, 3).tolist()}
    assert drawn and not any(on_a_line(values) for values in drawn)
    if steps == 1:
        assert drawn == {values for values in ALL if not on_a_line(values)}
    everything = list(range(len(source)))
    frames = [source.first_frames(everything)[:, None]] + [source.full_batch(everything, k).frames for k in range(3)]
    assert len(source) > 10
    assert not any(on_a_line(values) for one in frames for values in shown(one).reshape(-1, 3).tolist())


def test_with_a_corner_both_are_left_out(generator):
    unseen = FactorialSequences(Digits(), members=HELD).shown()
    source = FactorialSequences(Digits(), steps=1, corner=("shape", "turn"), unseen=unseen)
    drawn = {tuple(values) for _ in range(60) for values in shown(source.training_batch(90, 1, generator).frames).reshape(-1, 3).tolist()}
    assert drawn == {values for values in ALL if not on_a_line(values) and not (values[1] == 2 and values[2] > 2)}


@pytest.mark.parametrize("settings", [ROOMS, STUDIO], ids=["rooms", "studio"])
@pytest.mark.parametrize("validation", [0, 20])
def test_scenes_by_configuration(settings, validation):
    """Test sequences, also when they go on to the end of their values, share no frame with training; nor those of validation."""
    settings = dataclasses.replace(settings, validation=validation)
    train = load_sequences(settings)
    seen = np.zeros(len(train.grid), dtype=bool)
    for k in range(len(train.factors)):
        seen[train.lines(k)] = True
    for split in ("test", "validation")[: 1 + bool(validation)]:
        held = load_sequences(settings, split)
        for k, name in enumerate(held.factors):
            end = train.grid.longest(name)
            assert not seen[held.numbers(held._members, k, np.arange(end + 1))].any()
    assert seen.mean() > 0.85


def test_starts_alone_leave_all_else_as_it_was():
    train = load_sequences(dataclasses.replace(ROOMS, parted="starts"))
    assert len(train) == len(Rooms.grid) - 192


def test_too_much_held_out_is_refused():
    for share in (0.9, 0.06):
        with pytest.raises(FlowlibError, match="Hold fewer out"):
            load_sequences(dataclasses.replace(STUDIO, held_out=share))


@pytest.mark.parametrize("unseen", [np.zeros(90, dtype=int), np.zeros(89, dtype=bool)])
def test_unseen_is_a_truth_value_for_each_image(unseen):
    with pytest.raises(FlowlibError, match=r"unseen .*: give a truth value for each image, \(90,\)"):
        FactorialSequences(Digits(), unseen=unseen)


@pytest.mark.parametrize("data", ["digits", "mixed"])
def test_data_that_know_no_lines_refuse(data):
    settings = Config(parted="lines") if data == "digits" else dataclasses.replace(ROOMS, starts="mixed")
    with pytest.raises(FlowlibError, match="parted = 'lines'"):
        load_sequences(settings)


def test_a_source_in_python_is_trained_on_as_it_is():
    with pytest.raises(FlowlibError, match="parted = 'lines': a source is trained on as it is"):
        flowlib.train(FactorialSequences(Digits(), steps=2), parted="lines")


def test_a_folder_knows_no_lines(tmp_path):
    np.savez(tmp_path / "some.npz", frames=np.random.RandomState(0).rand(12, 3, 1, 16, 16).astype(np.float32), factor=np.arange(12) % 2)
    with pytest.raises(FlowlibError, match="parted = 'lines'"):
        load_sequences(Config(data=str(tmp_path / "some.npz"), channels=1, size=16, factors=("a", "b"), horizon=2, parted="lines"))


def test_an_image_that_is_not_to_be_seen_is_no_first_frame():
    """A sequence that begins at the last shape is folded to begin at the first and shows two; the image itself is held out all the same."""
    unseen = np.array([values[1] == 2 for values in ALL])
    source = FactorialSequences(Digits(), ("shape",), steps=1, unseen=unseen)
    assert len(source) == 30 and set(shown(source.first_frames())[:, 1].tolist()) == {0}
