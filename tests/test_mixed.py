"""Mixed sequences: strengths as they are said to be drawn, and frames that the composable source would show."""

import dataclasses

import pytest
import torch
from scipy import stats
from tiny import CONFIG, digits, sequences

import flowlib
from flowlib.data import FactorialSequences, MixedSequences, RecordedSequences, Rooms, Sequences, check_source, load_sequences
from flowlib.errors import FlowlibError
from flowlib.models import MODELS
from flowlib.training import Trainer, new_model


@pytest.fixture
def mixed():
    return MixedSequences(Sequences(digits(), CONFIG.factors, 4))


def test_places_have_the_stated_distribution(mixed, generator):
    places = mixed.places(6000, generator)
    assert places.shape == (6000, 5, 3) and places.min() >= 0 and places.max() <= 4
    begin, first = places[:, 0], places.diff(dim=1)[:, 0]
    assert stats.kstest(begin.flatten().numpy() / 4, "uniform").pvalue > 1e-3
    inside = (begin > 1.5) & (begin < 2.5)  # from there no step ends beyond an end
    moves = first[inside]
    assert (moves != 0).float().mean().item() == pytest.approx(0.3, abs=0.02)
    on = moves[moves != 0]
    assert stats.kstest(on.abs().numpy() - 0.5, "uniform").pvalue > 1e-3
    assert (on > 0).float().mean().item() == pytest.approx(0.5, abs=0.04)
    pair = (first[:, :2] != 0)[inside[:, :2].all(1)]
    assert pair.all(1).float().mean().item() == pytest.approx(0.09, abs=0.03)  # independent


@pytest.mark.parametrize("activity", [0.8, 1.0])
def test_as_many_factors_move_as_are_asked_for(activity, generator):
    places = MixedSequences(Sequences(digits(), CONFIG.factors, 4), activity).places(4000, generator)
    inside = (places[:, 0] > 1.5) & (places[:, 0] < 2.5)
    moving = (places.diff(dim=1)[:, 0] != 0)[inside].float()
    assert moving.mean().item() == pytest.approx(activity, abs=3 * (activity * (1 - activity) / len(moving)) ** 0.5)


def test_frames_are_those_of_the_composed_source(mixed, generator):
    places = mixed.places(3, generator)
    batch = mixed.mixed([0, 4, 2], places)
    assert torch.equal(batch.frames, mixed.source.composed([0, 4, 2], places))
    assert batch.times.tolist() == [[0, 1, 2, 3, 4]] * 3 and batch.factor.tolist() == [-1] * 3 and batch.steps == 4


def test_one_active_factor_is_a_sequence_of_that_factor(mixed):
    places = torch.zeros(2, 5, 3)
    places[:, :, 1] = torch.arange(5.0)
    assert torch.allclose(mixed.mixed([0, 1], places).frames, mixed.full_batch([0, 1], "rotation").frames, atol=1e-6)


def test_training_batches_are_seeded_and_shared(mixed):
    draw = lambda part: mixed.training_batch(6, 1, torch.Generator().manual_seed(3), part)  # noqa: E731
    whole = draw((0, 1))
    assert whole.frames.shape == (6, 5, 3, 28, 28) and torch.equal(whole.frames, draw((0, 1)).frames)
    assert torch.equal(whole.frames[0::2], draw((0, 2)).frames) and torch.equal(
        whole.frames[1::2], draw((1, 2)).frames
    )  # one row for each factor


def test_a_factorial_data_set_moves_by_whole_values(generator):
    source = FactorialSequences(Rooms(), ("floor_hue", "scale", "orientation"), 4)
    mixed = MixedSequences(source)
    places = mixed.places(200, generator)
    g = places.diff(dim=1)
    assert set(g.unique().tolist()) == {-1.0, 0.0, 1.0} and set(places.unique().tolist()) == {0.0, 1, 2, 3, 4}
    assert (places[:, 0] == 4).float().mean().item() == pytest.approx(0.2, abs=0.06)
    batch = mixed.mixed(list(range(200)), places)
    still = (g == 0).all(-1)
    same = (batch.frames.diff(dim=1) == 0).flatten(2).all(-1)
    assert torch.equal(still, same)  # a value that moves shows
    assert [mixed.reach(k) for k in range(3)] == [source.reach(k) for k in range(3)] == [float("inf"), 7, 14]


def test_a_configuration_asks_for_them():
    config = dataclasses.replace(CONFIG, starts="mixed", images=5)
    train, test = load_sequences(config), load_sequences(config, "test")
    assert isinstance(train, MixedSequences) and len(train) == 5 and train.places(2, torch.Generator().manual_seed(0)).shape == (2, 3, 3)
    plain = load_sequences(dataclasses.replace(config, starts="plain"), "test")
    assert torch.equal(test.full_batch([0, 1], 2).frames, plain.full_batch([0, 1], 2).frames)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_models_that_read_labels_in_training_are_refused_before_it(name, tmp_path):
    """The others do train; evaluated on sequences of one factor, which the same source has, all models are."""
    config = dataclasses.replace(CONFIG, model=name, starts="mixed", latent_dim=9)
    train, out = load_sequences(config), tmp_path / "run"
    check_source(train, config, training=False)
    if name in ("factor-vae", "flow-inferred", "msp", "slow-vae", "slow-vae-regression", "sparse", "vae", "vae-regression"):
        trainer = Trainer(new_model(config), train, config)
        assert trainer.train_step()["loss"].isfinite()
        return
    with pytest.raises(
        FlowlibError, match=rf"mixed sequences .*model '{name}' needs: choose one of factor-vae, flow-inferred, .*, or other starts"
    ):
        flowlib.train(train, out, model=name, device="cpu", progress=False)
    assert not out.exists()


def test_what_cannot_be_composed_is_refused():
    recorded = RecordedSequences(torch.rand(4, 3, 1, 8, 8), torch.zeros(4, dtype=torch.int64), ("one",))
    with pytest.raises(FlowlibError, match="RecordedSequences cannot show several factors at once"):
        MixedSequences(recorded)
    with pytest.raises(FlowlibError, match=r"corner = \('floor_hue', 'scale'\): mixed sequences would walk into it"):
        MixedSequences(FactorialSequences(Rooms(), ("floor_hue", "scale"), 4, corner=("floor_hue", "scale")))
    for options, said in (
        ({"frames_per_step": 2}, "frames_per_step = 2: mixed sequences"),
        ({"batches": "single"}, "batches = 'single': mixed"),
    ):
        with pytest.raises(FlowlibError, match=said):
            load_sequences(dataclasses.replace(CONFIG, starts="mixed", **options))
    with pytest.raises(FlowlibError, match="activity = 0: give a probability"):
        MixedSequences(sequences(), 0)


def test_what_is_the_sources_own_is_asked_there():
    """Lengths of factors, and the values behind composed images; the digest says the activity, too."""
    source = FactorialSequences(Rooms(size=32), ("scale", "orientation"), steps=7)
    made = MixedSequences(source)
    times = torch.tensor([[1, 3], [0, 2]])
    assert torch.equal(made.composed_values([5, 9], times), source.composed_values([5, 9], times))
    assert not torch.equal(made.composed_values([5, 9], times), times)
    assert made.length(0) == source.length(0) == 7
    assert len({MixedSequences(source, activity).digest() for activity in (0.3, 0.4)}) == 2
