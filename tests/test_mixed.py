"""Mixed sequences: strengths as they are said to be drawn, and frames that the composable source would show."""

import dataclasses

import pytest
import torch
from tiny import CONFIG, digits, sequences

from flowlib.data import FactorialSequences, MixedSequences, RecordedSequences, Rooms, Sequences, load_sequences
from flowlib.errors import FlowlibError


@pytest.fixture
def mixed():
    return MixedSequences(Sequences(digits(), CONFIG.factors, 4))


def test_strengths_have_the_stated_distribution(mixed, generator):
    g = MixedSequences(mixed.source, 0.3).strengths(4000, generator)
    first = g[:, 0]  # nothing is at its end yet
    assert g.shape == (4000, 4, 3)
    assert (first > 0).float().mean().item() == pytest.approx(0.3, abs=0.02)
    on = first[first > 0]
    assert 0.5 <= on.min() < 0.51 and 1.49 < on.max() <= 1.5 and on.mean().item() == pytest.approx(1, abs=0.02)
    together = ((first > 0).sum(1) >= 2).float().mean().item()
    assert together == pytest.approx(3 * 0.09 * 0.7 + 0.027, abs=0.02)  # independent
    assert g.min() >= 0 and g.sum(1).max() <= 4 + 1e-5


def test_no_factor_goes_beyond_its_end(mixed, generator):
    g = MixedSequences(mixed.source, 1.0).strengths(500, generator)
    assert g.sum(1).max().item() == pytest.approx(4, abs=1e-5) and (g[:, -1] == 0).any() and g.min() >= 0


def test_frames_are_those_of_the_composed_source(mixed, generator):
    g = mixed.strengths(3, generator)
    batch = mixed.mixed([0, 4, 2], g)
    places = torch.stack([torch.zeros(3, 3), g[:, 0], g[:, 0] + g[:, 1], g[:, :3].sum(1), g.sum(1)], 1)
    assert torch.equal(batch.frames, mixed.source.composed([0, 4, 2], places))
    assert batch.times.tolist() == [[0, 1, 2, 3, 4]] * 3 and batch.factor.tolist() == [-1] * 3 and batch.steps == 4
    assert torch.equal(batch.frames[:, 0], mixed.first_frames([0, 4, 2]))


def test_one_active_factor_is_a_sequence_of_that_factor(mixed):
    g = torch.zeros(2, 4, 3)
    g[:, :, 1] = 1
    assert torch.allclose(mixed.mixed([0, 1], g).frames, mixed.full_batch([0, 1], "rotation").frames, atol=1e-6)


def test_training_batches_are_seeded_and_shared(mixed):
    draw = lambda part: mixed.training_batch(6, 1, torch.Generator().manual_seed(3), part)  # noqa: E731
    whole = draw((0, 1))
    assert whole.frames.shape == (6, 5, 3, 28, 28) and torch.equal(whole.frames, draw((0, 1)).frames)
    assert torch.equal(whole.frames[0::2], draw((0, 2)).frames) and torch.equal(whole.frames[1::2], draw((1, 2)).frames)


def test_a_factorial_data_set_moves_by_whole_values(generator):
    source = FactorialSequences(Rooms(), ("floor_hue", "scale", "orientation"), 4)
    mixed = MixedSequences(source)
    g = mixed.strengths(50, generator)
    assert set(g.unique().tolist()) == {0.0, 1.0}
    batch = mixed.mixed(list(range(50)), g)
    still = (g == 0).all(-1)
    same = (batch.frames.diff(dim=1) == 0).flatten(2).all(-1)
    assert torch.equal(still, same)  # a value that moves shows


def test_a_configuration_asks_for_them():
    config = dataclasses.replace(CONFIG, starts="mixed", images=5)
    train, test = load_sequences(config), load_sequences(config, "test")
    assert isinstance(train, MixedSequences) and len(train) == 5 and train.strengths(2, torch.Generator().manual_seed(0)).shape == (2, 2, 3)
    plain = load_sequences(dataclasses.replace(config, starts="plain"), "test")
    assert torch.equal(test.full_batch([0, 1], 2).frames, plain.full_batch([0, 1], 2).frames)


def test_what_cannot_be_composed_is_refused():
    recorded = RecordedSequences(torch.rand(4, 3, 1, 8, 8), torch.zeros(4, dtype=torch.int64), ("one",))
    with pytest.raises(FlowlibError, match="RecordedSequences cannot show several factors at once"):
        MixedSequences(recorded)
    with pytest.raises(FlowlibError, match="activity = 0: give a probability"):
        MixedSequences(sequences(), 0)
