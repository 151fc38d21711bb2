"""Which field found which factor: by hand, and with a model that reads the truth."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from tiny import CONFIG, sequences

from flowlib.data import MixedSequences
from flowlib.errors import FlowlibError
from flowlib.evaluation import (
    correlations,
    explained,
    explained_in_place,
    matched_fields,
    number_of_fields_in_use,
    read_strengths,
    step_directions,
)
from flowlib.experiments.measures import MEASURES, measure
from flowlib.training import new_model

SPARSE = dataclasses.replace(CONFIG, model="sparse", starts="mixed", latent_dim=4)


def test_correlations_are_numpys(double, generator):
    true, read = torch.randn(50, 2, generator=generator), torch.randn(50, 3, generator=generator)
    read[:, 0] += 2 * true[:, 1]
    both = np.corrcoef(true.numpy().T, read.numpy().T)[:2, 2:]
    assert np.allclose(correlations(true, read), both)
    assert correlations(true, torch.ones(50, 1)).tolist() == [[0.0], [0.0]]  # a field that never moves found nothing


def test_the_matching_is_one_to_one_and_knows_no_sign():
    table = torch.tensor([[0.9, 0.8, 0.0], [0.85, 0.1, -0.2]])  # greedy: 0 takes field 0 and 1 is left with 0.2; best: 0.8 + 0.85
    assert matched_fields(table).tolist() == [1, 0]
    assert matched_fields(torch.tensor([[0.1, -0.9], [0.3, 0.2]])).tolist() == [1, 0]
    with pytest.raises(FlowlibError, match="3 factors, 2 fields"):
        matched_fields(torch.zeros(3, 2))


def test_a_mixture_of_strengths_explains_them_though_no_field_matches(double, generator):
    true = torch.randn(4000, 2, generator=generator)
    turned = true @ torch.tensor([[1.0, 1.0], [1.0, -1.0]])
    assert explained(true, turned).tolist() == pytest.approx([1, 1])
    assert correlations(true, turned).abs().max().item() == pytest.approx(0.5**0.5, abs=0.03)
    noise = torch.randn(4000, 2, generator=generator)
    assert explained(true, true + noise).tolist() == pytest.approx([0.5, 0.5], abs=0.05)
    assert explained(true, noise).abs().max() < 0.01


@pytest.mark.parametrize("added, expected", [([1.0, 1, 1, 1], 4), ([3.0, 0, 0, 0], 1), ([2.0, 2, 0, 0], 2), ([0.0, 0, 0, 0], 0)])
def test_the_number_of_fields_in_use(added, expected):
    assert number_of_fields_in_use(torch.tensor([added])) == pytest.approx(expected)


def test_strengths_that_mean_another_thing_at_another_place(generator):
    """On a ring a step of ±1 moves a code along the tangent: in fixed directions it averages out over the places, at one place it is plain."""
    steps, place = torch.randint(-1, 2, (4000, 1), generator=generator).float(), torch.randint(10, (4000, 1), generator=generator)
    angle = 2 * torch.pi * place[:, 0] / 10
    tangent = steps * torch.stack([-angle.sin(), angle.cos()], 1)
    assert explained(steps, tangent)[0] < 0.01 and explained_in_place(steps, tangent, place)[0] == pytest.approx(1)
    centre = 2 * torch.pi * torch.arange(10.0) / 10
    expected = torch.stack([-centre.sin(), centre.cos()], 1)
    assert torch.allclose(step_directions(steps[:, 0], tangent, place[:, 0]), expected, atol=1e-6)
    assert not step_directions(steps[:, 0].abs(), tangent, place[:, 0]).any()  # nothing goes back
    noise = 0.4 * torch.randn(tangent.shape, generator=generator)  # of the tangent's part 2/3 is signal, 0.16 noise
    assert explained_in_place(steps, tangent + noise, place)[0].item() == pytest.approx(2 / 3 / (2 / 3 + 0.16), abs=0.02)
    both, places = torch.cat([steps, -steps.roll(1, 0)], 1), place.expand(-1, 2)  # the second factor's steps are not in these numbers
    assert explained_in_place(both, tangent, places).tolist() == pytest.approx([1, 0], abs=0.01)


def test_explained_in_place_by_a_loop_of_least_squares(double, generator):
    """1 − (left / (n − V (F + 1))) / (total / (n − V)) of V places; one with no more steps than coefficients is left out."""
    place = torch.tensor([0] * 12 + [1] * 20 + [2] * 23 + [3] * 5)[:, None]
    read = torch.randn(60, 4, generator=generator)
    steps = 2.0 * (place == 1) + read[:, :1] * (1 + place) + torch.randn(60, 1, generator=generator)
    left = total = 0.0
    for value in range(3):
        here = place[:, 0] == value
        inputs = np.concatenate([read[here].numpy(), np.ones((int(here.sum()), 1))], 1)
        target = steps[here, 0].numpy()
        left += np.linalg.lstsq(inputs, target, rcond=None)[1].sum()
        total += ((target - target.mean()) ** 2).sum()
    expected = 1 - (left / (55 - 3 * 5)) / (total / (55 - 3))
    assert 0.1 < expected < 0.95 and explained_in_place(steps, read, place)[0].item() == pytest.approx(expected, rel=1e-6)


def test_numbers_that_tell_nothing_explain_nothing_on_average(generator):
    steps, place = torch.randn(300, 40, generator=generator), torch.randint(5, (300, 40), generator=generator)
    found = explained_in_place(steps, torch.randn(300, 12, generator=generator), place)
    assert abs(found.mean()) < 4 * found.std() / 40**0.5 and explained(steps, torch.randn(300, 12, generator=generator)).mean() > 0.03


class Knowing:
    """Reads the truth from where the frames come from: field 1 is factor 0, field 0 factor 2, and field 3 factor 1, backward."""

    def __init__(self, source, seed):
        self.true = source.places(len(source), torch.Generator().manual_seed(seed)).diff(dim=1)
        self.place = 0

    def motion(self, batch):
        here = self.true[self.place : self.place + len(batch)]
        self.place += len(batch)
        return torch.stack([2 * here[..., 2], here[..., 0], torch.zeros_like(here[..., 0]), -here[..., 1]], -1)

    def contributions(self, batch):
        return torch.ones(len(batch), batch.steps, 4)


def test_who_reads_the_truth_is_found_out(monkeypatch):
    monkeypatch.setattr("flowlib.data.source.CHUNK", 3)  # images in several chunks
    source = MixedSequences(sequences(count=7))
    strengths = read_strengths(Knowing(source, 4), source, count=7, seed=4)
    true, read = strengths.true.flatten(0, 1), strengths.read.flatten(0, 1)
    table = correlations(true, read)
    own = matched_fields(table)
    assert own.tolist() == [1, 3, 0] and table[[0, 1, 2], own].tolist() == pytest.approx([1, -1, 1], abs=1e-5)
    assert strengths.added.shape == (7, 2, 4)


def test_the_measure(monkeypatch):
    model = new_model(SPARSE).eval()
    monkeypatch.setattr("flowlib.experiments.measures.fields.MIXED", 6)
    monkeypatch.setattr("flowlib.experiments.measures.fields.IMAGES", 3)
    found = measure("fields", model, SPARSE)
    assert len(found["correlation"]) == 3 and len(found["correlation"][0]) == 8 and len(set(found["own"])) == 3
    for k, name in enumerate(CONFIG.factors):
        column = [abs(row[found["own"][k]]) for row in found["correlation"]]
        assert found["matched"][name] == pytest.approx(column[k], abs=2e-3)
        assert found["other"][name] == pytest.approx(max(column[:k] + column[k + 1 :]), abs=2e-3)
    assert found["rotations"] == pytest.approx(sum(found["share"][4:]), abs=5e-3)
    titles = {title: value(found) for title, value, _ in MEASURES["fields"].columns}
    assert titles["|corr|"] == pytest.approx(sum(found["matched"].values()) / 3)
    found["matched"] = {"scale": 0.9, "rotation": 0.7, "hue": 0.69}
    assert dict((title, value(found)) for title, value, _ in MEASURES["fields"].columns)["found"] == 2


def test_a_model_that_reads_no_strengths_has_none():
    config = dataclasses.replace(CONFIG, model="vae")
    assert measure("fields", new_model(config).eval(), config) == {}
    assert all(math.isnan(value({})) for _, value, _ in MEASURES["fields"].columns)


def test_in_place_where_factors_have_values():
    """In the rooms, and nowhere else: digits' factors have no values, and not every model reads strengths."""
    rooms = dataclasses.replace(
        SPARSE, data="rooms", size=16, factors=("wall_hue", "scale", "orientation"), horizon=2, held_out=0.001, images=300, batch_size=6
    )
    found = measure("fields_in_place", new_model(rooms).eval(), rooms)
    assert set(found["explained"]) == set(rooms.factors) and all(-0.5 < value <= 1 for value in found["explained"].values())
    assert np.shape(found["directions"]["wall_hue"]) == (10, 8)
    with pytest.raises(FlowlibError, match="12 steps, .* 8 strengths: give more"):
        measure("fields_in_place", new_model(rooms).eval(), dataclasses.replace(rooms, images=6))
    vae = dataclasses.replace(CONFIG, model="vae")
    assert measure("fields_in_place", new_model(SPARSE).eval(), SPARSE) == {} == measure("fields_in_place", new_model(vae).eval(), vae)
