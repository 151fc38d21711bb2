"""Experiments: resumed after a kill, never two at once, never rows of other code, data or settings in one file."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from tiny import CONFIG, ctrl_c, digits

import flowlib.data
from flowlib.errors import FlowlibError
from flowlib.experiments import catalogue, measures, results, runner, tables
from flowlib.experiments.behaviour import Behaviours
from flowlib.experiments.experiment import Experiment
from flowlib.experiments.measures.registry import Measure, register
from flowlib.training import Trainer

METHODS = {"flow": CONFIG, "vae": dataclasses.replace(CONFIG, model="vae")}
EXPERIMENT = Experiment("a small one", METHODS, ("equivariance",), (0, 1))


@pytest.fixture(autouse=True)
def few(monkeypatch, tmp_path):
    images = {"train": digits(6), "test": digits(5)}
    labels = torch.tensor([0, 8, 9, 3, 4, 5])
    monkeypatch.setattr(flowlib.data, "load_digits", lambda split="train": (images[split], labels[: len(images[split])]))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def settled(monkeypatch):
    """Nothing has changed: the tiny runs that would find it out take longer than all the rest (tests/test_experiments_update.py makes them)."""
    monkeypatch.setattr(Behaviours, "changes", lambda self, configs, measures: {})


def run(tmp_path, experiment=EXPERIMENT, **options):
    settings = {"jobs": 0, "folder": tmp_path, "runs": tmp_path / "runs", "say": lambda text: None}
    return runner.run_experiment("small", experiment, **settings | options)


def test_one_row_per_method_and_seed(tmp_path):
    results = run(tmp_path)
    assert [(row["method"], row["seed"]) for row in results["rows"]] == [("flow", 0), ("vae", 0), ("flow", 1), ("vae", 1)]
    assert json.loads((tmp_path / "small.json").read_text()) == results
    row = results["rows"][3]
    assert row["config"]["model"] == "vae" and row["config"]["seed"] == 1
    for part in ("trained", "measured"):
        assert set(row[part]) == {"commit", "torch", "kornia", "numpy", "machine", "date", "seconds"}
    assert {len(values) for values in row["metrics"]["equivariance"].values()} == {5}
    assert set(results) == {"about", "data", "rows"}


def test_interrupted_and_run_again_gives_the_same(tmp_path):
    whole = run(tmp_path / "a", folder=tmp_path / "a", runs=tmp_path / "runs_a")
    with ctrl_c(at=4), pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    taken, step = [], Trainer.train_step

    def counted(self):
        taken.append(self.step)
        return step(self)

    Trainer.train_step = counted
    try:
        again = run(tmp_path)
    finally:
        Trainer.train_step = step
    assert [row["metrics"] for row in again["rows"]] == [row["metrics"] for row in whole["rows"]]
    assert taken[0] == 4 and len(taken) == 2 + 3 * 6  # the first run went on from its checkpoint
    taken.clear()
    assert run(tmp_path) == again and taken == []


def test_rows_that_are_done_survive(tmp_path, monkeypatch):
    real = runner.run_job
    calls = []

    def failing(label, *rest):
        calls.append(label)
        if len(calls) == 3:
            raise OSError("no more")
        return real(label, *rest)

    monkeypatch.setattr(runner, "run_job", failing)
    with pytest.raises(OSError, match="no more"):
        run(tmp_path)
    assert len(tables.read_results("small", tmp_path)["rows"]) == 2


def test_two_at_once_are_refused(tmp_path):
    with FileLock(tmp_path / ".small.lock"), pytest.raises(FlowlibError, match="another process is running this experiment"):
        run(tmp_path)


@pytest.mark.parametrize("columns", [("x", len, 2), [("x", "y", 2)], [("x", len)]])
def test_columns_of_another_form_are_refused_before_any_run(columns):
    with pytest.raises(FlowlibError, match=r"measure 'mine': columns is a list of \(title, function, digits\)"):

        @register(columns=columns)
        def mine(model, config):
            return {}


def test_data_at_a_path_are_told_apart_by_their_files():
    """They have no checksum of ours: the configuration brings one, or the experiment is refused."""
    one, other = (
        Experiment("", {"flow": dataclasses.replace(CONFIG, data="photos", data_digest=digest)}, (), (0,)) for digest in ("0123", "4567")
    )
    assert runner.data_digest(one) != runner.data_digest(other)
    with pytest.raises(FlowlibError, match="on 'photos': give its configurations their data_digest"):
        runner.data_digest(Experiment("", {"flow": dataclasses.replace(CONFIG, data="photos")}, (), (0,)))


def test_data_are_told_apart_by_what_methods_are_trained_on():
    digits, rooms = (runner.data_digest(catalogue.experiment(name)) for name in ("comparison", "rooms"))
    assert digits != rooms and digits == runner.data_digest(EXPERIMENT) and len(rooms) == len(digits) == 12


def test_other_data_is_never_mixed_in(tmp_path, monkeypatch):
    before = run(tmp_path)
    monkeypatch.setattr(runner, "data_digest", lambda experiment: "0123")
    with pytest.raises(FlowlibError, match=f"data: {before['data']} there, 0123 now.*--restart"):
        run(tmp_path)
    assert tables.read_results("small", tmp_path) == before
    after = run(tmp_path, restart=True)
    assert after["data"] == "0123" and len(after["rows"]) == 4
    aside = list(tmp_path.glob("small.*.old.json"))
    assert len(aside) == 1 and json.loads(aside[0].read_text()) == before


def test_restarted_with_other_images_every_run_is_trained_anew(tmp_path, monkeypatch):
    """The configuration is the same: the folder of a run is told apart by its data, too."""
    run(tmp_path)
    trained = sorted(path.parent for path in (tmp_path / "runs").rglob("model.safetensors"))
    monkeypatch.setattr(runner, "SHA256", {"images": "another"})
    run(tmp_path, restart=True)
    assert len(trained) == 4 and len(list((tmp_path / "runs").rglob("model.safetensors"))) == 8


@pytest.mark.parametrize(
    "content, message",
    [("[]", "holds no results"), ('{"rows": null}', "holds no results"), ("{}", "holds no results"), ('{"rows": [{}]}', "holds no results")],
)
def test_a_file_of_another_kind(tmp_path, content, message):
    (tmp_path / "small.json").write_text(content)
    with pytest.raises(FlowlibError, match=message):
        run(tmp_path)


def test_a_row_that_is_there_twice(tmp_path):
    found = run(tmp_path)
    results.write_results(found | {"rows": found["rows"] + found["rows"][:1]}, tmp_path / "small.json")
    with pytest.raises(FlowlibError, match="have flow, seed 0 twice"):
        run(tmp_path)


def test_a_full_disk_ends_the_experiment(tmp_path, monkeypatch):
    """The first run that meets it, not every run one after the other."""
    tried = []

    def full(label, *rest):
        tried.append(label)
        raise FlowlibError("could not be written") from OSError(28, "No space left on device")

    monkeypatch.setattr(runner, "run_job", full)
    with pytest.raises(FlowlibError, match="could not be written"):
        run(tmp_path)
    assert tried == ["flow"]


def test_a_new_measure_is_added_to_the_rows_that_are_there(tmp_path):
    before = run(tmp_path)
    after = run(tmp_path, dataclasses.replace(EXPERIMENT, measures=("recognition", "equivariance")))
    for old, new in zip(before["rows"], after["rows"], strict=True):
        assert list(new["metrics"]) == ["recognition", "equivariance"] and new["trained"] == old["trained"]
        assert new["metrics"]["equivariance"] == old["metrics"]["equivariance"]


def test_a_run_that_diverges_does_not_cost_the_others(tmp_path):
    wild = dataclasses.replace(CONFIG, learning_rate=1e30, schedule="constant")
    experiment = Experiment("", {"wild": wild, "flow": CONFIG}, ("equivariance",), (0,))
    with pytest.raises(FlowlibError, match="1 runs failed, the others are kept in .*wild, seed 0: .*not finite"):
        run(tmp_path, experiment)
    assert [row["method"] for row in tables.read_results("small", tmp_path)["rows"]] == ["flow"]


@pytest.mark.parametrize("found", [float("nan"), torch.linalg.LinAlgError("singular"), KeyError("net"), torch.zeros(2)])
def test_a_measure_that_fails_does_not_cost_the_others(tmp_path, monkeypatch, found):
    """NaN is no JSON: its run fails by itself, and all others are written."""

    def take(model, config):
        if config.model == "flow" and isinstance(found, Exception):
            raise found
        return found if config.model == "flow" else 1.0

    monkeypatch.setitem(measures.MEASURES, "equivariance", Measure(take, ()))
    with pytest.raises(FlowlibError, match="2 runs failed, the others are kept in .*flow, seed 0: measure 'equivariance' of a FlowVAE"):
        run(tmp_path)
    assert [row["method"] for row in tables.read_results("small", tmp_path)["rows"]] == ["vae", "vae"]


def test_other_settings_are_refused(tmp_path):
    run(tmp_path)
    changed = dataclasses.replace(EXPERIMENT, methods=METHODS | {"vae": dataclasses.replace(METHODS["vae"], steps=3)})
    with pytest.raises(FlowlibError, match="vae, seed 0 has other settings"):
        run(tmp_path, changed)
    with pytest.raises(FlowlibError, match="other measures: equivariance"):
        run(tmp_path, dataclasses.replace(EXPERIMENT, measures=("recognition",)))


def test_more_seeds_are_added(tmp_path):
    run(tmp_path, dataclasses.replace(EXPERIMENT, seeds=(0,)))
    assert len(run(tmp_path)["rows"]) == 4


CODE = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from tiny import OPTIONS
from flowlib.config import Config
from flowlib.experiments.behaviour import Behaviours
from flowlib.experiments.experiment import Experiment
from flowlib.experiments.runner import run_experiment

if __name__ == "__main__":
    config = Config(**OPTIONS | {{"steps": {steps}}})
    run_experiment("killed", Experiment("", {{"flow": config}}, (), (0, 1, 2)), jobs=2, folder=Path("."), say=print)
"""


def test_kill_9_and_again_with_two_workers(tmp_path):
    """The parent is killed: its workers leave too, and the same command finishes what is missing."""
    script = tmp_path / "script.py"
    script.write_text(CODE.format(tests=str(Path(__file__).parent), steps=4000))
    process = subprocess.Popen([sys.executable, script], cwd=tmp_path, stdout=subprocess.DEVNULL)
    deadline = time.time() + 400
    while not list(tmp_path.glob("runs/*/*/*/checkpoint.safetensors")) and time.time() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    folders = list(tmp_path.glob("runs/*/*/*/"))
    assert folders and not (tmp_path / "killed.json").exists()
    for folder in folders:  # the workers let go of their runs
        with FileLock(folder / ".lock", timeout=60):
            pass
    script.write_text(CODE.format(tests=str(Path(__file__).parent), steps=4))
    subprocess.run([sys.executable, script], cwd=tmp_path, check=True, timeout=200, stdout=subprocess.DEVNULL)
    assert [row["seed"] for row in tables.read_results("killed", tmp_path)["rows"]] == [0, 1, 2]


def test_a_row_is_replaced_by_what_was_measured_last_and_rows_keep_the_catalogues_order():
    old = {"about": "", "data": {}, "rows": [row("vae", 0, found=1, kept=5)]}
    experiment = dataclasses.replace(EXPERIMENT, measures=("found", "kept"))
    runner._add(old, row("vae", 0, found=2) | {"measured": "later"}, experiment)
    runner._add(old, row("flow", 0, found=3, kept=6), experiment)
    assert [(one["method"], one["seed"], one["metrics"]) for one in old["rows"]] == [
        ("flow", 0, {"found": 3, "kept": 6}), ("vae", 0, {"found": 2, "kept": 5}),
    ]  # fmt: skip
    assert old["rows"][1]["measured"] == "later"


def row(method, seed, **metrics):
    return {"method": method, "seed": seed, "metrics": metrics}


def test_numbers_of_threads_are_what_they_were_after_the_runs(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    assert list(runner._rows([], 1)) == []
    assert os.environ["OMP_NUM_THREADS"] == "3" and "MKL_NUM_THREADS" not in os.environ
