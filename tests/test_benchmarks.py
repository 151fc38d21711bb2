"""The yardstick of benchmarks/ computes the same number as the model, so that their speeds may be compared."""

import dataclasses
import json
import sys
from pathlib import Path

import pytest
import torch
from tiny import few_samples

from flowlib.config import preset
from flowlib.data import load_sequences
from flowlib.evaluation import equivariance_error
from flowlib.training import Trainer, new_model

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import busy  # noqa: E402
import official  # noqa: E402
import preset as preset_search  # noqa: E402
import run  # noqa: E402
import side_by_side  # noqa: E402
from straightforward import objective  # noqa: E402


@pytest.mark.parametrize("kind", ["path", "marginal"])
def test_the_obvious_step_and_the_models_step_agree(kind, monkeypatch):
    """With the noise fixed to zero both are deterministic; their values and gradients agree."""
    monkeypatch.setattr(torch, "randn", lambda *shape, generator=None, **_: torch.zeros(*shape))
    config = dataclasses.replace(preset("tutorial-mnist"), objective=kind, batch_size=6, width=2, latent_dim=3)
    model, sequences = new_model(config), load_sequences(config)
    batch = sequences.training_batch(config.batch, config.horizon, torch.Generator().manual_seed(0))
    order = batch.times.argsort(1)  # the yardstick wants the frames in their order
    frames = batch.frames.gather(1, order[..., None, None, None].expand_as(batch.frames))
    batch = type(batch)(frames, batch.times.gather(1, order), batch.factor, batch.steps)
    ours, obvious = model.objective(batch)["loss"], objective(model, batch, None)
    assert torch.allclose(ours, obvious, rtol=1e-5)
    parameters = [model.potentials.weights[0], model.prior.log_diffusion, model.encoder.net[0].weight]
    for mine, theirs in zip(torch.autograd.grad(ours, parameters), torch.autograd.grad(obvious, parameters)):
        assert torch.allclose(mine, theirs, rtol=1e-3, atol=1e-4)


def test_the_published_step_and_the_floor_train_what_a_step_trains():
    """The published form's step moves encoder, decoder and the potential of its factor; the floor moves no potential."""
    config = dataclasses.replace(preset("tutorial-mnist"), batch_size=6, width=2, latent_dim=4)
    model, sequences, generator = new_model(config), load_sequences(config), torch.Generator().manual_seed(0)
    networks = [next(model.encoder.parameters()), next(model.decoder.parameters())]
    batch = official.one_factor(sequences, config, generator)
    k = int(batch.factor[0])
    assert (batch.factor == k).all() and batch.frames.shape[1] == config.horizon + 1
    *both, flow = torch.autograd.grad(official.objective(model, batch, generator), [*networks, model.potentials.head])
    assert all(part.abs().sum() > 0 for part in both)
    assert [bool(row.abs().sum() > 0) for row in flow] == [factor == k for factor in range(3)]
    batch = run.frames_of(1)(sequences, config, generator)
    *both, flow = torch.autograd.grad(run.floor(model, batch, generator), [*networks, model.potentials.head], allow_unused=True)
    assert all(part.abs().sum() > 0 for part in both) and flow is None


def test_steps_beside_a_busy_process_are_counted():
    with busy.another_busy_process():
        assert busy.steps(busy.SETTINGS["passive"], 0.2) >= 1


def test_the_preset_is_the_best_stable_candidate_of_its_search():
    rows = json.loads(preset_search.RESULTS.read_text())
    candidates, base = preset_search.CANDIDATES, preset_search.BASE
    assert {row["name"] for row in rows} == set(candidates)
    stable = [row for row in rows if candidates[row["name"]].get("learning_rate", 0) <= base.learning_rate]
    assert min(stable, key=lambda row: row["error"])["name"] == preset_search.CHOSEN
    chosen = dataclasses.replace(base, **candidates[preset_search.CHOSEN])
    assert dataclasses.replace(chosen, steps=preset("tutorial-noiseless").steps, validation=0) == preset("tutorial-noiseless")


def test_seeds_side_by_side_are_those_of_single_runs(tmp_path, monkeypatch):
    """In turns of threads and in two sessions; each seed's weights are those of a run by itself."""
    few_samples(monkeypatch)
    monkeypatch.setattr(side_by_side, "results_path", lambda name: tmp_path / f"{name}.json")
    small = dict(latent_dim=6, width=2, potential_width=4, batch_size=6, images=12, steps=30, frames_per_step=1, horizon=2, checkpoint_every=50)
    changes = [f"{name}={value}" for name, value in small.items()]
    command = [
        "paper-mnist",
        "--seeds",
        "2",
        "--every",
        "10",
        "--device",
        "cpu",
        "--folder",
        str(tmp_path),
        "--name",
        "found",
        "--set",
        *changes,
    ]
    side_by_side.main([*command, "--seconds", "0"])
    assert [row["trained"]["steps"] for row in json.loads((tmp_path / "found.json").read_text())["rows"]] == [6, 6]
    side_by_side.main([*command, "--seconds", "600"])
    side_by_side.main([*command, "--seconds", "600", "--method", "again"])
    rows = json.loads((tmp_path / "found.json").read_text())["rows"]
    assert [row["method"] for row in rows] == ["published settings"] * 2 + ["again"] * 2
    assert [step for step, _ in rows[0]["metrics"]["curve"]] == [6, 22, 30] and rows[0]["trained"]["steps"] == 30
    for seed in (0, 1):
        config = dataclasses.replace(preset("paper-mnist"), data="digits", seed=seed, **small)
        alone = Trainer(new_model(config), load_sequences(config), config)
        alone.run(progress=False)
        errors = [equivariance_error(alone.model, load_sequences(config, "test"), k).mean().item() for k in range(3)]
        assert rows[seed]["metrics"]["curve"][-1][1] == pytest.approx(errors, abs=0.1)
        assert rows[seed]["metrics"]["curve"] != rows[1 - seed]["metrics"]["curve"]


def test_the_page_on_running_has_the_times_of_a_gpu():
    root = Path(__file__).resolve().parents[1]
    found = json.loads((root / "benchmarks" / "gpu.json").read_text())
    table = (root / "book" / "running.md").read_text().partition("## On a GPU")[2].partition("\n## ")[0]
    rows = [
        [float(one) for one in line.split("|")[2:6]]
        for line in table.splitlines()
        if line.startswith("| ") and "`" in line and "precision" not in line
    ]
    wanted = [[round(row[way], 1) for way in ("single", "graph", "graph_bf16", "drawing")] for row in found["cases"].values()]
    assert sorted(rows) == sorted(wanted) and found["gpu"] in table
