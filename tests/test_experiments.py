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

import flowlib.data
from flowlib import cli
from flowlib.errors import FlowlibError
from flowlib.experiments import catalogue, command, fingerprint, measures, runner, tables
from flowlib.experiments.catalogue import Experiment
from flowlib.training import Trainer
from tiny import CONFIG, ctrl_c, digits

METHODS = {"flow": CONFIG, "vae": dataclasses.replace(CONFIG, model="vae")}
EXPERIMENT = Experiment("a small one", METHODS, ("equivariance",), (0, 1))


@pytest.fixture(autouse=True)
def few(monkeypatch, tmp_path):
    images = {"train": digits(6), "test": digits(5)}
    monkeypatch.setattr(flowlib.data, "load_digits", lambda split="train": (images[split], None))
    monkeypatch.chdir(tmp_path)


def run(tmp_path, experiment=EXPERIMENT, **options):
    settings = {"jobs": 0, "folder": tmp_path, "runs": tmp_path / "runs", "say": lambda text: None}
    return runner.run_experiment("small", experiment, **settings | options)


def test_one_row_per_method_and_seed(tmp_path):
    results = run(tmp_path)
    assert [(row["method"], row["seed"]) for row in results["rows"]] == [("flow", 0), ("vae", 0), ("flow", 1), ("vae", 1)]
    assert json.loads((tmp_path / "small.json").read_text()) == results
    row = results["rows"][3]
    assert row["config"]["model"] == "vae" and row["config"]["seed"] == 1 and row["machine"]
    assert {len(values) for values in row["metrics"]["equivariance"].values()} == {5}
    assert set(results) == {"about", "rows", *fingerprint.stamp()}


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


@pytest.mark.parametrize("key", ["measuring_code", "data"])
def test_other_code_or_data_is_never_mixed_in(tmp_path, monkeypatch, key):
    before = run(tmp_path)
    now = fingerprint.stamp() | {key: "0123"}
    monkeypatch.setattr(runner, "stamp", lambda: now)
    with pytest.raises(FlowlibError, match=f"{key}: {before[key]} there, 0123 now.*--restart"):
        run(tmp_path)
    assert tables.read_results("small", tmp_path) == before
    after = run(tmp_path, restart=True)
    assert after[key] == "0123" and len(after["rows"]) == 4
    aside = list(tmp_path.glob("small.*.old.json"))
    assert len(aside) == 1 and json.loads(aside[0].read_text()) == before


def test_other_training_code_is_never_mixed_in(tmp_path, monkeypatch):
    run(tmp_path)
    real = fingerprint.training_code
    monkeypatch.setattr(runner, "training_code", lambda config: "0123" if config.model == "vae" else real(config))
    with pytest.raises(FlowlibError, match="vae, seed 0: training_code .* there, 0123 now"):
        run(tmp_path)
    steps, step = [], Trainer.train_step
    monkeypatch.setattr(Trainer, "train_step", lambda self: (steps.append(self.config.model), step(self))[1])
    assert len(run(tmp_path, restart=True)["rows"]) == 4
    assert set(steps) == {"vae"} and len(steps) == 12  # what trained alike is not trained again


def test_a_run_that_diverges_does_not_cost_the_others(tmp_path):
    wild = dataclasses.replace(CONFIG, learning_rate=1e30, schedule="constant")
    experiment = Experiment("", {"wild": wild, "flow": CONFIG}, ("equivariance",), (0,))
    with pytest.raises(FlowlibError, match="1 runs failed, the others are kept in .*wild, seed 0: .*not finite"):
        run(tmp_path, experiment)
    assert [row["method"] for row in tables.read_results("small", tmp_path)["rows"]] == ["flow"]


@pytest.mark.parametrize("found", [float("nan"), torch.linalg.LinAlgError("singular")])
def test_a_measure_that_fails_does_not_cost_the_others(tmp_path, monkeypatch, found):
    """NaN is no JSON: its run fails by itself, and all others are written."""

    def measure(name, model, config):
        if config.model == "flow" and isinstance(found, Exception):
            raise found
        return found if config.model == "flow" else 1.0

    monkeypatch.setattr(measures, "measure", measure)
    with pytest.raises(FlowlibError, match="2 runs failed, the others are kept in .*flow, seed 0"):
        run(tmp_path)
    assert [row["method"] for row in tables.read_results("small", tmp_path)["rows"]] == ["vae", "vae"]


def test_other_settings_are_refused(tmp_path):
    run(tmp_path)
    changed = dataclasses.replace(EXPERIMENT, methods=METHODS | {"vae": dataclasses.replace(METHODS["vae"], steps=3)})
    with pytest.raises(FlowlibError, match="vae, seed 0 has other settings"):
        run(tmp_path, changed)
    with pytest.raises(FlowlibError, match="other measures"):
        run(tmp_path, dataclasses.replace(EXPERIMENT, measures=("equivariance", "likelihood")))


def test_more_seeds_are_added(tmp_path):
    run(tmp_path, dataclasses.replace(EXPERIMENT, seeds=(0,)))
    assert len(run(tmp_path)["rows"]) == 4


CODE = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from tiny import OPTIONS
from flowlib.config import Config
from flowlib.experiments.catalogue import Experiment
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
    deadline = time.time() + 120
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


class TestCommand:
    def test_list_names_all(self, capsys):
        assert cli.main(["experiments", "list"]) == 0
        printed = capsys.readouterr().out
        assert all(name in printed for name in catalogue.EXPERIMENTS)

    @pytest.fixture
    def small(self, tmp_path, monkeypatch):
        """The only experiment that the commands know, its results in the test's own folder."""
        monkeypatch.setattr(catalogue, "EXPERIMENTS", {"small": EXPERIMENT})
        for module in (runner, tables):
            monkeypatch.setattr(module, "results_folder", lambda: tmp_path)

    def test_list_marks_results_of_other_code(self, small, tmp_path, monkeypatch, capsys):
        run(tmp_path)
        printed = []
        for code in (fingerprint.stamp(), fingerprint.stamp() | {"measuring_code": "0123"}):
            monkeypatch.setattr(runner, "stamp", lambda code=code: code)
            assert cli.main(["experiments", "list"]) == 0
            printed.append(capsys.readouterr().out)
        assert "4 of 4" in printed[0] and "other code" not in printed[0]
        assert "4 of 4" in printed[1] and "(made by other code, data or settings)" in printed[1]

    def test_a_closed_pipe_is_no_error(self):
        """As in `experiments list | head -1`."""
        command = f"{sys.executable} -m flowlib experiments list | head -c 1; exit ${{PIPESTATUS[0]}}"
        found = subprocess.run(["bash", "-c", command], cwd=Path(__file__).parents[1], capture_output=True, text=True)
        assert found.returncode == 0 and found.stderr == ""

    def test_run_and_table(self, small, capsys):
        assert cli.main(["experiments", "table", "small"]) == 2
        assert "no results of 'small' yet: python -m flowlib experiments run small" in capsys.readouterr().err
        assert cli.main(["experiments", "run", "small", "--jobs", "0"]) == 0
        assert "vae, seed 1: trained" in capsys.readouterr().out
        assert cli.main(["experiments", "table", "small"]) == 0
        printed = capsys.readouterr().out
        assert "equivariance error" in printed and "\nflow " in printed and "\nvae " in printed

    @pytest.mark.parametrize(
        "arguments, message",
        [
            (["run", "smoll"], "unknown experiment 'smoll': choose one of search, comparison"),
            (["rum"], "unknown command 'rum': experiments has list, run, table"),
            (["run", "search", "--jobs", "-1"], "jobs = -1"),
        ],
    )
    def test_what_does_not_exist(self, arguments, message, capsys):
        assert cli.main(["experiments", *arguments]) == 2
        assert message in capsys.readouterr().err


def test_json_keeps_lists_of_numbers_on_a_line():
    values = {"a": [1, 2.5, -3e-05], "b": ["x, 1", {"c": [[1], [2]]}], "d": []}
    text = runner.compact_json(values)
    assert json.loads(text) == values
    assert '"a": [1,2.5,-3e-05]' in text


def test_options_are_parsed():
    assert command.parse(["run", "search", "--restart"]) == command.Run("search", 2, True)
