"""The examples of CONTRIBUTING.md are one file each, and work with everything else as it is."""

import dataclasses
import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest
import torch
from tiny import OPTIONS, digits, few_samples

import flowlib.data
from flowlib import cli
from flowlib.config import DEFAULT, for_model, preset
from flowlib.data import load_sequences
from flowlib.evaluation import equivariance_error
from flowlib.experiments import measures, runner, tables
from flowlib.experiments.experiment import Experiment
from flowlib.models import MODELS
from flowlib.training import Trainer, new_model

PAGE = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()
MODEL, MEASURE = re.findall(r"```python\n(.*?)```", PAGE, re.S)


def imported(code, folder, name):
    """The module in a file of its own."""
    path = folder / f"{name}.py"
    path.write_text(code)
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def added(tmp_path, monkeypatch):
    """Both examples, and six digits."""
    monkeypatch.chdir(tmp_path)
    images = {"train": digits(6), "test": digits(5)}
    monkeypatch.setattr(flowlib.data, "load_digits", lambda split="train": (images[split], None))
    for registry in (MODELS, measures.MEASURES):
        for name in ("drift", "path_length"):
            monkeypatch.delitem(registry, name, raising=False)
    model, measure = imported(MODEL, tmp_path, "drift"), imported(MEASURE, tmp_path, "path_length")
    yield model, measure
    MODELS.pop("drift"), measures.MEASURES.pop("path_length")
    for name in ("drift", "path_length"):
        sys.modules.pop(name)


CONFIG = dataclasses.replace(for_model(preset(DEFAULT), "drift"), **OPTIONS | {"options": {"beta": 0.5}})


def test_the_model_trains_and_is_evaluated(added):
    model = new_model(CONFIG)
    assert model.beta == 0.5
    Trainer(model, load_sequences(CONFIG), CONFIG).run(progress=False)
    assert model.velocity.abs().sum() > 0
    assert equivariance_error(model, load_sequences(CONFIG, "test"), "hue").isfinite().all()
    z = torch.randn(4, 2)
    path = model.transport(z, 1, 3)
    assert torch.allclose(path[:, 3], z + 3 * model.velocity[1])
    assert torch.allclose(model.transport(z, torch.tensor([0, 1, 2, 1]), 3)[1], path[1])


def test_the_measure_is_taken_and_shown(added, tmp_path):
    assert "path_length" in measures.MEASURES
    experiment = Experiment("with both", {"drift": CONFIG}, ("path_length",), (0,))
    results = runner.run_experiment("both", experiment, jobs=0, folder=tmp_path, runs=tmp_path / "runs", say=lambda text: None)
    found = results["rows"][0]["metrics"]["path_length"]
    assert set(found) == {"scale", "rotation", "hue"}
    speed = trained(tmp_path).velocity.data.norm(dim=1).tolist()
    assert found["hue"] == pytest.approx(2 * speed[2], abs=0.01)
    table = tables.format_table("both", results)
    assert "path length" in table and "\ndrift " in table


def trained(folder):
    from flowlib.training import load_model

    (path,) = folder.glob("runs/*/*/model.safetensors")
    return load_model(path)[0]


def test_the_command_line_of_the_page(added, tmp_path, monkeypatch):
    assert "`python -m flowlib train --model drift --options beta 0.5`" in PAGE
    small = [part for name, value in OPTIONS.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    options = cli.parse(["train", "--model", "drift", "--options", "beta", "0.5", *small])
    assert options.config == CONFIG
    assert json.dumps(options.config.options) == '{"beta": 0.5}'
    few_samples(monkeypatch)
    assert cli.main(["train", "--model", "drift", "--options", "beta", "0.5", "--out", "run", *small]) == 0
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["geometry"] == {}


def test_commands_that_the_page_names_exist(capsys):
    for name in set(re.findall(r"experiments run (\w+)", PAGE)):
        from flowlib.experiments.catalogue import EXPERIMENTS

        assert name in EXPERIMENTS
    for path in re.findall(r"`((?:flowlib|tests)/[\w/]+(?:\.py|/))`", PAGE):
        assert (Path(__file__).parents[1] / path).exists(), path
