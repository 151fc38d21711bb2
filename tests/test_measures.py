"""What the experiments' measures look at, and what their tables show of it."""

import dataclasses
import json
import math
import types
from functools import partial

import numpy as np
import pytest
import torch
from test_factorial import GRID, Digits
from tiny import CONFIG, digits

import flowlib.data
from flowlib.data import Sequences, load_sequences
from flowlib.data.factorial import FactorialSequences
from flowlib.errors import FlowlibError
from flowlib.evaluation.annealed import Schedule, annealed_likelihood, sandwich
from flowlib.evaluation.tight import fit_proposal
from flowlib.experiments import catalogue, measures, runner
from flowlib.experiments.measures import (
    composition,
    extrapolation,
    fitted_likelihood,
    likelihood,
    pairs,
    patient_likelihood,
    recognition,
    tight_likelihood,
)
from flowlib.training import Trainer, load_model, new_model

PARTED = dataclasses.replace(CONFIG, left_out=(8, 2), validation=3)


@pytest.fixture
def tagged(monkeypatch):
    """Images whose grey value is their number, 0 … 9 for training and 100 … 109 held out, labelled 0 … 9."""
    grey = {"train": torch.arange(10), "test": torch.arange(10) + 100}

    def load(split="train"):
        return grey[split].to(torch.uint8).reshape(10, 1, 1, 1).expand(-1, -1, 28, 28).clone(), torch.arange(10)

    monkeypatch.setattr(flowlib.data, "load_digits", load)


def numbers(sequences):
    return sequences.images[:, 0, 0, 0].tolist()


def test_parts_of_the_data(tagged):
    assert {split: numbers(load_sequences(PARTED, split)) for split in ("train", "validation", "test", "left out", "kept")} == {
        "train": [0, 1, 3, 4, 5, 6], "validation": [7, 9], "test": list(range(100, 110)),
        "left out": [102, 108], "kept": [100, 101, 103, 104, 105, 106, 107, 109],
    }  # fmt: skip


def test_nothing_is_left_out_where_nothing_was(tagged):
    with pytest.raises(FlowlibError, match="no digits are left out; set left_out"):
        load_sequences(CONFIG, "left out")


HELD_OUT = set(range(100, 110))


@pytest.mark.parametrize(
    "name, parts",
    [
        ("equivariance", [HELD_OUT]),
        ("validation", [{7, 9}]),
        ("recognition", [HELD_OUT]),
        ("likelihood", [HELD_OUT]),
        ("unseen", [{102, 108}, HELD_OUT - {102, 108}]),
    ],
)
def test_a_measure_looks_at_its_own_part(tagged, monkeypatch, name, parts):
    seen, real = [], Sequences.full_batch
    monkeypatch.setattr(Sequences, "full_batch", lambda self, *rest: seen.append(frozenset(numbers(self))) or real(self, *rest))
    measures.measure(name, new_model(PARTED).eval(), PARTED)
    assert set(seen) == {frozenset(part) for part in parts}


def test_a_run_trains_on_the_training_images_and_ends_with_calibration(tagged, tmp_path, monkeypatch):
    seen, real = [], Trainer.__init__
    monkeypatch.setattr(
        Trainer, "__init__", lambda self, model, sequences, *rest: seen.append(numbers(sequences)) or real(self, model, sequences, *rest)
    )
    config = dataclasses.replace(PARTED, model="vae")
    runner.run_job("vae", config, ("equivariance",), tmp_path / "run")
    assert seen == [[0, 1, 3, 4, 5, 6]]
    path = tmp_path / "run" / "model.safetensors"
    assert load_model(path)[0].displacement.abs().sum() > 0


def test_pairs_by_hand(tagged, monkeypatch):
    """T = 2: the first factor to step 1, then the second; at once for 1 step."""
    from flowlib import evaluation as e

    monkeypatch.setattr(pairs, "IMAGES", 4)
    torch.manual_seed(0)
    model, data = new_model(CONFIG).eval(), load_sequences(CONFIG, "test")
    model.potentials.head.data.normal_(std=0.3)
    rows = measures.measure("pairs", model, CONFIG)
    assert [(row["first"], row["second"]) for row in rows] == [("scale", "rotation"), ("scale", "hue"), ("rotation", "hue")]
    expected = {
        "switch": e.switch_error(model, data, 0, 2, 1, count=4), "superpose": e.superposition_error(model, data, (0, 2), 4, 1),
        "switch_no_motion": e.composed_no_motion(data, torch.tensor([[0, 0, 0], [1, 0, 0], [1, 0, 1]]), 4),
        "superpose_no_motion": e.composed_no_motion(data, torch.tensor([[0, 0, 0], [1, 0, 1]]), 4),
    }  # fmt: skip
    for name, values in expected.items():
        assert rows[1][name] == pytest.approx(values.mean().item(), abs=0.02), name
    assert pairs.over_no_motion("switch")([{"switch": 3, "switch_no_motion": 2}, {"switch": 1, "switch_no_motion": 2}]) == 1


def test_references_by_hand():
    from flowlib import evaluation as e
    from flowlib.models.regression import moved_linearly

    model, config = load_model(flowlib.data.data_folder() / "checkpoints" / "tiny-flow.safetensors")
    config = dataclasses.replace(config, images=20)
    found, data = measures.measure("references", model, config), load_sequences(config, "test")
    twin = moved_linearly(model, load_sequences(config))  # of training images
    for k, name in enumerate(config.factors):
        for kind, values in (("no_motion", e.no_motion(data, k)), ("encoded", e.encoded_error(model, data, k)),
                             ("linear", e.equivariance_error(twin, data, k))):  # fmt: skip
            assert found[kind][name] == pytest.approx(values.tolist(), abs=1), (kind, name)
    assert found["encoded"] != found["linear"]


def test_columns_show_what_they_say():
    show = {(name, title): number for name, one in measures.MEASURES.items() for title, number, _ in one.columns}
    assert show["unseen", "unseen digits"]({"left out": {"a": [3.0, 5.0]}, "kept": {"a": [1.0]}}) == 4
    assert show["unseen", "other digits"]({"left out": {"a": [3.0, 5.0]}, "kept": {"a": [1.0]}}) == 1
    assert show["long", "error of the last of 2 T steps"]({"a": {"error": [1, 2, 3]}, "b": {"error": [1, 2, 5]}}) == 4
    found = {"frame": [-1.0, -3.0], "sequence": [-10.0, -20.0]}
    assert show["likelihood", "per frame"](found) == -2 and show["likelihood", "per sequence"](found) == -15


def test_a_measure_is_a_function_of_model_and_config():
    """And every measure is taken by some experiment."""
    taken = [one.measures for one in catalogue.EXPERIMENTS.values()]
    assert all(taken) and {name for names in taken for name in names} == set(measures.MEASURES)
    with pytest.raises(FlowlibError, match="unknown measure 'beauty': choose one of .*equivariance"):
        measures.measure("beauty", None, CONFIG)


def test_potentials_are_counted_by_factor_and_first_value(monkeypatch):
    """A model that names potential 2 where something turns, else 1 in the upper half of the hues that sequences begin at, and 0 in the lower."""

    class Halves:
        count = 4

        def infer_potential(self, batch):
            values = (batch.frames[..., 0, 0, :3] * 255).round()
            turns = values[:, 1, 2] != values[:, 0, 2]
            return torch.where(turns, 2, (values[:, 0, 0] > 2).long())

    members = np.arange(0, len(GRID), 7)
    source = FactorialSequences(Digits(), ("hue", "turn"), 2, members)
    monkeypatch.setattr(recognition, "load_sequences", lambda config, split: source)
    found = measures.measure("chosen", Halves(), None)
    hues, turns = (np.bincount(GRID.digits(members)[:, place] % values, minlength=values) for place, values in ((0, 6), (2, 3)))
    assert found["hue"] == [[n, 0, 0, 0] for n in hues[:3]] + [[0, n, 0, 0] for n in hues[3:]]
    assert found["turn"] == [[0, 0, n, 0] for n in turns]
    assert measures.measure("chosen", types.SimpleNamespace(), None) == {}


@pytest.mark.parametrize("model", ["flow", "flow-inferred", "poflow", "vae", "factor-vae", "slow-vae", "tvae", "linear-motion", "msp"])
def test_every_measure_takes_every_model(model, monkeypatch):
    """Plain finite numbers, whatever the model."""
    for module, name in (
        (composition, "IMAGES"),
        (extrapolation, "IMAGES"),
        (likelihood, "IMAGES"),
        (likelihood, "SAMPLES"),
        (pairs, "IMAGES"),
    ):
        monkeypatch.setattr(module, name, 2)
    monkeypatch.setattr(composition, "SWITCH_AT", 1)
    few, quick = {"climb": 3, "refine": 2}, {"schedule": Schedule(temperatures=2, leaps=1)}
    for name, options in (("fit_proposal", few), ("annealed_likelihood", quick), ("sandwich", few | quick)):
        monkeypatch.setattr(tight_likelihood, name, partial(getattr(tight_likelihood, name), **options))
    monkeypatch.setattr(patient_likelihood, "TEMPERATURES", 2)
    monkeypatch.setattr(patient_likelihood, "SEARCH", 2)
    for module in (fitted_likelihood, patient_likelihood):
        monkeypatch.setattr(module, "fit_proposal", partial(module.fit_proposal, **few))
    images, labels = {"train": digits(9), "test": digits(4)}, torch.tensor([0, 8, 9, 3, 4, 5, 6, 7, 0])
    monkeypatch.setattr(flowlib.data, "load_digits", lambda split="train": (images[split], labels[: len(images[split])]))
    config = dataclasses.replace(CONFIG, model=model, latent_dim=9, left_out=(8, 9), validation=2)
    built = new_model(config).calibrate(load_sequences(config)).eval()
    for name in measures.MEASURES:
        found = json.loads(json.dumps(measures.measure(name, built, config), allow_nan=False))
        for title, number, _ in measures.MEASURES[name].columns if found else ():
            assert number(found) == number(found), title
        if "likelihood" in name or name == "geometry":  # without a density no likelihood, without a flow no geometry
            assert bool(found) == (model != "msp" if "likelihood" in name else model in ("flow", "flow-inferred", "poflow"))
            assert found or all(math.isnan(number(found)) for _, number, _ in measures.MEASURES[name].columns)


def test_fitted_likelihoods_are_of_whole_sequences(monkeypatch):
    """One value for each image under each factor; where frames are independent a sequence's is the sum of its frames'."""
    config = dataclasses.replace(CONFIG, images=4, model="vae")
    few = partial(fitted_likelihood.fit_proposal, climb=3, refine=2)
    monkeypatch.setattr(fitted_likelihood, "fit_proposal", few)
    model, sequences, generator = new_model(config).eval(), load_sequences(config, "test"), torch.Generator().manual_seed(config.seed)
    found = measures.measure("fitted_likelihood", model, config)
    assert len(found["sequence"]) == 4 * len(config.factors) and len(found["effective_samples"]) == len(config.factors)
    joint = model.frame_joint(sequences.full_batch(range(4), 0))
    frames = fitted_likelihood.importance_likelihood(few(joint, generator), fitted_likelihood.SAMPLES, generator).value.reshape(4, -1)
    assert found["sequence"][:4] == pytest.approx(frames.sum(1).tolist(), abs=0.01)


def test_tight_and_patient_likelihoods_by_hand(monkeypatch):
    """Estimates that are told: a sequence of independent frames is their sum, frames are averaged, a gap is upper − lower, and each name has its own."""
    config = dataclasses.replace(CONFIG, images=12, model="vae", factors=("scale",))
    frames = config.horizon + 1

    def estimated(proposal, *args):
        count = len(proposal.joint.guess)
        return types.SimpleNamespace(
            value=torch.arange(count) + 1.0, elbo=-torch.arange(count) - 2.0, effective_samples=torch.full((count,), 7.0)
        )

    def bounds(joint_of, batch, *args, **options):
        return types.SimpleNamespace(lower=torch.full((frames,), 1.0), upper=torch.full((frames,), 3.0))

    for module in (tight_likelihood, patient_likelihood):
        monkeypatch.setattr(module, "fit_proposal", lambda joint, *args, **options: types.SimpleNamespace(joint=joint))
        monkeypatch.setattr(module, "annealed_likelihood", lambda *args, generator=None: estimated(*args))
    monkeypatch.setattr(tight_likelihood, "importance_likelihood", lambda proposal, *args: types.SimpleNamespace(
        **vars(estimated(proposal)) | {"value": -10 * estimated(proposal).value}))  # fmt: skip
    monkeypatch.setattr(tight_likelihood, "sandwich", bounds)
    model = new_model(config).eval()
    found = measures.measure("tight_likelihood", model, config)
    assert frames == 3 and found["sequence"] == [1 + 2 + 3, 4 + 5 + 6] and found["frame"] == [2, 5]
    assert found["sequence_importance"] == [-60, -150] and found["sequence_elbo"] == [-2 - 3 - 4, -5 - 6 - 7]
    assert found["gap"] == [2 * frames] and found["sequence_effective_samples"] == found["frame_effective_samples"] == [7]
    slow = measures.measure("patient_likelihood", model, config)
    assert slow["sequence"] == [6, 15] and slow["gap"] == [2 * frames]


def test_each_seed_has_its_own_draws(monkeypatch):
    drawn = []
    monkeypatch.setattr(likelihood, "log_likelihood", lambda weights, model, batch, samples, generator: (
        drawn.append(generator.initial_seed()), types.SimpleNamespace(value=torch.zeros(len(batch), 3), effective_samples=torch.ones(len(batch), 3)))[1])  # fmt: skip
    for seed in (0, 5):
        config = dataclasses.replace(CONFIG, images=2, seed=seed, model="vae")
        measures.measure("likelihood", new_model(config).eval(), config)
    assert set(drawn) == {0, 5}


@pytest.mark.parametrize("name, options", [("patient_likelihood", {}), ("searched_likelihood", {"search": 480})])
def test_patient_likelihoods_take_the_temperatures_that_they_name(name, options, monkeypatch):
    """One value for each image under each factor, and a gap for each factor's drawn sequence: 500 temperatures, after searches of 480 steps."""
    config, seen, fitted = dataclasses.replace(CONFIG, model="slow-vae"), [], []
    monkeypatch.setattr(flowlib.data, "load_digits", lambda split="train": (digits(700), torch.arange(700) % 10))
    monkeypatch.setattr(patient_likelihood, "fit_proposal", lambda joint, generator, **fitting: (
        fitted.append(fitting), fit_proposal(joint, generator, climb=2, newton=1, refine=1))[1])  # fmt: skip
    monkeypatch.setattr(patient_likelihood, "annealed_likelihood", lambda proposal, chains, schedule, generator: (
        seen.append((chains, schedule)), annealed_likelihood(proposal, 1, Schedule(1, 1), generator))[1])  # fmt: skip
    monkeypatch.setattr(tight_likelihood, "sandwich", lambda joint_of, batch, chains, schedule, generator, **fitting: (
        fitted.append(fitting), seen.append((chains, schedule)), sandwich(
            joint_of, batch, 1, Schedule(1, 1), generator=generator, climb=2, newton=1, refine=1))[2])  # fmt: skip
    found = measures.measure(name, new_model(config).eval(), config)
    assert len(found["sequence"]) == patient_likelihood.SEQUENCES * len(config.factors) and len(found["gap"]) == len(config.factors)
    assert fitted == [options] * 2 * len(config.factors)
    assert {(chains, schedule) for chains, schedule in seen} == {(4, Schedule(500))} and found["temperatures"] == 500


@pytest.mark.parametrize("name", ["flow", "flow-inferred"])
def test_geometry_by_hand(name):
    """Straightness, action and both residuals of one factor, from the flow's own steps and Laplacians; of the factor's own potential."""
    config = dataclasses.replace(CONFIG, images=5, model=name)
    torch.manual_seed(0)
    model, own = new_model(config).eval(), 1
    model.potentials.head.data.normal_()
    if name == "flow-inferred":
        model.order.copy_(torch.tensor([1, 2, 0]))
        model.prior.log_diffusion.data[2] = math.log(0.01)
        model.prior.log_diffusion.data[:2] = 0.0
        own = 2
    found = measures.measure("geometry", model, config)
    assert set(found) == set(config.factors)
    with torch.no_grad():
        flow = model.flow(model.encode(load_sequences(config, "test").first_frames()).mean, 1, config.horizon)
    chord, lengths = (flow.path[:, -1] - flow.path[:, 0]).norm(dim=-1), flow.velocity.norm(dim=-1).sum(1)
    with torch.no_grad():
        laplacian = torch.stack([model.potentials.laplacian(flow.path[None, :, t], t + 1.0, [own])[0] for t in range(config.horizon)], 1)
    viscous = flow.residual + 0.01 * laplacian
    expected = {
        "straightness": (chord / lengths).mean(), "action": flow.velocity.square().sum((1, 2)).mean(), "diffusion": 0.01,
        "residual": flow.residual.square().mean().sqrt(), "viscous_residual": viscous.square().mean().sqrt(),
    }  # fmt: skip
    for name, value in expected.items():
        assert found["rotation"][name] == pytest.approx(float(value), rel=1e-3, abs=1e-4), name
    assert measures.measure("geometry", new_model(dataclasses.replace(config, model="vae")), config) == {}
