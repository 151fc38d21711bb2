"""The command line from end to end on a few digits: what it writes, prints and refuses."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import flowlib.data
from flowlib import cli
from flowlib.config import Config, from_json
from flowlib.data import load_digits
from flowlib.data.digits import SHA256
from flowlib.evaluation import report
from flowlib.training import Trainer, load, read_json, trainer
from tiny import CONFIG, OPTIONS, digits

ARGUMENTS = [part for name, value in OPTIONS.items() for part in (f"--{name.replace('_', '-')}", str(value))]
WRITTEN = {"config.json", "checkpoint.safetensors", "model.safetensors", "metrics.json", "flows.png", "flows.gif",
           "losses.png", "latent_paths.png"}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def few():
    """Six digits, few samples and a point of the loss curves every second step make a run take a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flowlib.data, "load_digits", lambda split="train": (digits(6 if split == "train" else 5), None))
        for name, value in (("SAMPLES", 3), ("SEQUENCES", 2), ("LIMIT_IMAGES", 2)):
            patch.setattr(report, name, value)
        for module in (trainer, flowlib.training):
            patch.setattr(module, "RECORD_EVERY", 2)
        yield


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Relative paths, such as the default folder, land in the test's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("run") / "run"
    assert cli.main(["train", "--out", str(folder), *ARGUMENTS]) == 0
    return folder


def refused(capsys, *arguments):
    """The message of a command that ends with status 2, prints no traceback and leaves nothing behind."""
    try:
        status = cli.main(list(arguments))
    except SystemExit as stop:  # tyro's own way for what it cannot parse
        status = stop.code
    printed = capsys.readouterr()
    assert status == 2 and printed.out == "" and "Traceback" not in printed.err
    assert list(Path.cwd().iterdir()) == []
    return " ".join(printed.err.replace("│", " ").split())


class TestTrain:
    def test_what_is_written(self, finished):
        assert {path.name for path in finished.iterdir()} - {".lock"} == WRITTEN
        assert from_json(finished / "config.json") == CONFIG
        assert load(finished / "model.safetensors").step == 6
        for name, start in (("flows.png", b"\x89PNG"), ("losses.png", b"\x89PNG"), ("flows.gif", b"GIF8")):
            assert (finished / name).read_bytes().startswith(start)

    def test_metrics(self, finished):
        metrics = read_json(finished / "metrics.json")
        assert set(metrics["equivariance"]) == set(metrics["geometry"]) == {"scale", "rotation", "hue"}
        for row in metrics["equivariance"].values():
            assert 0 < row["decoder_limit"] and 0 < row["error"] and 0 < row["no_motion"]
            assert row["error_se"] > 0 and row["error_n"] == 5
        found = metrics["log_likelihood"]
        assert found["sequence"] < found["frame"] < 0 < min(found["frame_se"], found["sequence_se"])
        assert (metrics["seed"], metrics["steps"], metrics["flowlib"]) == (0, 6, flowlib.__version__)
        assert metrics["seconds"] > 0

    def test_the_same_command_goes_on_and_prints_the_table(self, finished, capsys):
        before = read_json(finished / "metrics.json")
        assert cli.main(["train", "--out", str(finished), *ARGUMENTS]) == 0
        printed = capsys.readouterr().out
        assert read_json(finished / "metrics.json") == before
        for row in ("equivariance error", "decoder limit", "no motion", "per frame", "per sequence", "trained for", str(finished)):
            assert row in printed
        assert f"{before['equivariance']['hue']['error']:.0f} ±" in printed

    def test_default_folder_and_changed_options(self, here):
        short = [*ARGUMENTS, "--steps", "1", "--factors", "hue", "--seed", "4", "--objective", "marginal", "--network", "mlp"]
        assert cli.main(["train", *short]) == 0
        expected = {"steps": 1, "factors": ("hue",), "seed": 4, "objective": "marginal", "network": "mlp"}
        assert from_json(here / "runs" / "tutorial-mnist-seed4" / "config.json") == Config(**OPTIONS | expected)
        metrics = read_json(here / "runs" / "tutorial-mnist-seed4" / "metrics.json")
        assert set(metrics["equivariance"]) == {"hue"} and metrics["seed"] == 4

    def test_a_preset_gives_the_defaults_and_options_override_it(self, monkeypatch):
        got = []
        monkeypatch.setitem(cli.COMMANDS, "train", (got.append, cli.COMMANDS["train"][1]))
        for arguments in (["--preset", "paper-mnist", "--seed", "7"], ["--seed", "7", "--preset=paper-mnist"]):
            assert cli.main(["train", *arguments]) == 0
        assert got[0] == got[1] and got[0].preset == "paper-mnist" and got[0].out is None
        assert got[0].config == dataclasses.replace(cli.preset("paper-mnist"), seed=7)

    def test_tensorboard_is_optional(self, monkeypatch, capsys, here):
        monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
        message = refused(capsys, "train", "--tensorboard", *ARGUMENTS)
        assert "--tensorboard needs the package tensorboard: pip install tensorboard" in message

    def test_tensorboard_gets_the_terms_and_is_closed(self, monkeypatch, here):
        events = []

        class SummaryWriter:
            def __init__(self, folder):
                events.append(str(folder))

            def add_scalar(self, name, value, step):
                events.append((name, step))

            def __enter__(self):
                return self

            def __exit__(self, *_):
                events.append("closed")

        module = type(sys)("torch.utils.tensorboard")
        module.SummaryWriter = SummaryWriter
        monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
        assert cli.main(["train", "--tensorboard", "--out", "run", *ARGUMENTS]) == 0
        assert events[0] == "run/tensorboard" and events[-1] == "closed"
        assert [step for name, step in events[1:-1] if name == "loss"] == [1, 2, 4, 6]


class TestEvaluate:
    def test_the_same_numbers_again(self, finished, capsys):
        before = read_json(finished / "metrics.json")
        for name in WRITTEN - {"config.json", "checkpoint.safetensors", "model.safetensors"}:
            (finished / name).unlink()
        assert cli.main(["evaluate", str(finished)]) == 0
        assert read_json(finished / "metrics.json") == before
        assert WRITTEN == {path.name for path in finished.iterdir()} - {".lock"}
        assert "equivariance error" in capsys.readouterr().out

    def test_what_is_no_run(self, capsys):
        assert "nowhere is no run: it has no config.json" in refused(capsys, "evaluate", "nowhere")
        assert "The folder that `train` wrote" in refused(capsys, "evaluate")

    def test_a_run_that_is_not_finished(self, here, capsys):
        (here / "run").mkdir()
        (here / "run" / "config.json").write_text(json.dumps(dataclasses.asdict(CONFIG)))
        assert cli.main(["evaluate", "run"]) == 2
        assert "no checkpoint at run/model.safetensors: train first" in capsys.readouterr().err


class TestInterruption:
    def same_as(self, finished, folder):
        a, b = load(finished / "model.safetensors"), load(folder / "model.safetensors")
        assert a.tensors.keys() == b.tensors.keys()
        assert all(torch.equal(value, b.tensors[name]) for name, value in a.tensors.items())
        a, b = load(finished / "checkpoint.safetensors"), load(folder / "checkpoint.safetensors")
        assert all(torch.equal(value, b.tensors[name]) for name, value in a.tensors.items() if name != "clock.seconds")
        metrics = [read_json(place / "metrics.json") for place in (finished, folder)]
        assert metrics[0] | {"seconds": 0} == metrics[1] | {"seconds": 0}

    def test_ctrl_c(self, finished, here, monkeypatch, capsys):
        whole_step = Trainer.train_step

        def step(self):
            if self.step == 3:
                signal.raise_signal(signal.SIGINT)
            return whole_step(self)

        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "train_step", step)
            assert cli.main(["train", "--out", "run", *ARGUMENTS]) == 130
        assert "interrupted; the same command goes on from the last checkpoint" in capsys.readouterr().err
        assert load(here / "run" / "checkpoint.safetensors").step == 2
        assert cli.main(["train", "--out", "run", *ARGUMENTS]) == 0
        self.same_as(finished, here / "run")

    def test_kill_9_in_the_middle(self, finished, here):
        """Another process is killed while it writes its second checkpoint; this one goes on, as if nothing had been."""
        tests = Path(__file__).parent
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent)])}
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, "train", "--out", "run", *ARGUMENTS], env=environment, capture_output=True, text=True
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        left = {path.name for path in (here / "run").iterdir()} - {".lock"}
        assert left == {"config.json", "checkpoint.safetensors", ".checkpoint.safetensors.tmp.safetensors"}
        assert load(here / "run" / "checkpoint.safetensors").step == 2
        assert cli.main(["train", "--out", "run", *ARGUMENTS]) == 0
        assert {path.name for path in (here / "run").iterdir()} - {".lock"} == WRITTEN
        self.same_as(finished, here / "run")

    def test_a_full_disk_is_one_message(self, here, monkeypatch, capsys):
        def full(_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        assert cli.main(["train", "--out", "run", *ARGUMENTS]) == 2
        assert "config.json could not be written (No space left on device)" in capsys.readouterr().err

    def test_pictures_that_cannot_be_written(self, here, monkeypatch, capsys):
        from flowlib.viz import run_pictures

        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(run_pictures, "save_gif", full)
        assert cli.main(["train", "--out", "run", *ARGUMENTS, "--steps", "1"]) == 2
        assert capsys.readouterr().err.splitlines()[-1] == "flowlib: [Errno 28] No space left on device"
        assert (here / "run" / "model.safetensors").exists()


KILLED = """
import os, signal, sys
import flowlib.data
from flowlib.cli import main
from flowlib.training import trainer
from tiny import digits

flowlib.data.load_digits = lambda split="train": (digits(6), None)
trainer.RECORD_EVERY = 2
flush = os.fsync

def kill(file):
    if kill.calls == 2:  # config.json, the first checkpoint, and now the second
        os.kill(os.getpid(), signal.SIGKILL)
    kill.calls += 1
    flush(file)

kill.calls, os.fsync = 0, kill
main(sys.argv[1:])
"""


class TestData:
    def test_says_what_is_there(self, capsys):
        assert cli.main(["data"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines == ["embedded digits, train: 6 images, intact", "embedded digits, test: 5 images, intact"]

    def test_full_mnist(self, capsys, monkeypatch):
        monkeypatch.setattr(flowlib.data, "load_mnist", lambda split: (digits(3 if split == "train" else 2), None))
        assert cli.main(["data", "--mnist"]) == 0
        assert "MNIST, train: 3 images, intact\n" in capsys.readouterr().out

    def test_damaged_digits(self, capsys, monkeypatch, tmp_path_factory):
        folder = tmp_path_factory.mktemp("data")
        for name in SHA256:
            (folder / name).write_bytes(b"x")
        monkeypatch.setenv("FLOWLIB_DATA", str(folder))
        monkeypatch.setattr(flowlib.data, "load_digits", load_digits)
        for arguments in (["data"], ["train", *ARGUMENTS]):
            assert "digits-images.idx.bz2 is truncated or altered" in refused(capsys, *arguments)


class TestHelp:
    @pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"]])
    def test_commands(self, arguments, capsys):
        assert cli.main(arguments) == 0
        printed = capsys.readouterr().out
        assert all(f"\n  {command} " in printed for command in cli.COMMANDS)

    def test_every_option_is_explained(self, capsys, monkeypatch):
        """Each field of the configuration appears, followed by its docstring and its default."""
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as stop:
            cli.main(["train", "--help"])
        assert stop.value.code == 0
        printed = " ".join(capsys.readouterr().out.replace("│", " ").split())
        source = Path(flowlib.config.__file__).read_text()
        for field in dataclasses.fields(Config):
            text = source.split(f"\n    {field.name}: ")[1].split('"""')[1]
            option = printed.split(f"--{field.name.replace('_', '-')}")[1:]
            assert any(text in part[: len(text) + 120] for part in option), field.name
        for text in ("The run's folder; default runs/PRESET-seedSEED", "Where the options below start from", "TensorBoard"):
            assert text in printed

    @pytest.mark.parametrize("command", ["evaluate", "data"])
    def test_of_the_other_commands(self, command, capsys):
        with pytest.raises(SystemExit) as stop:
            cli.main([command, "--help"])
        assert stop.value.code == 0
        assert {"evaluate": "folder that `train` wrote", "data": "--mnist"}[command] in capsys.readouterr().out


class TestRefused:
    @pytest.mark.parametrize(
        "arguments, message",
        [
            (["fly"], "unknown command 'fly': choose one of train, evaluate, data"),
            (["train", "--preset", "big"], "unknown preset 'big': choose one of tutorial-mnist, paper-mnist"),
            (["train", "--preset=big"], "unknown preset 'big'"), (["train", "--preset"], "--preset"),
            (["train", "--factors", "scale", "shear"], "unknown factor 'shear': choose one of scale, rotation, hue"),
            (["train", "--factors", "hue", "hue"], "one or more different transformations"),
            (["train", "--factors"], "factors"), (["train", "--speed", "3"], "--speed"),
            (["train", "--horizon", "0"], "horizon = 0: give a positive whole number"),
            (["train", "--batch-size", "0"], "batch_size = 0: give a positive whole number"),
            (["train", "--latent-dim", "-1"], "latent_dim = -1: give a positive whole number"),
            (["train", "--steps", "0"], "steps = 0: give a positive whole number"),
            (["train", "--steps", "many"], "many"), (["train", "--steps", "1.5"], "1.5"),
            (["train", "--batch-size", "2"], "batch_size = 2: a batch holds each of 3 factors"),
            (["train", "--horizon", "2", "--frames-per-step", "3"], "frames_per_step = 3 is more than the horizon 2"),
            (["train", "--learning-rate", "nan"], "learning_rate = nan: give a finite number > 0"),
            (["train", "--diffusion", "0"], "diffusion = 0.0: give a finite number > 0"),
            (["train", "--seed", "-1"], "seed = -1"), (["train", "--network", "transformer"], "transformer"),
            (["train", "--objective", "elbo"], "elbo"), (["data", "--all"], "--all"),
        ],
    )  # fmt: skip
    def test_options(self, arguments, message, capsys):
        assert message in refused(capsys, *arguments)

    def test_a_folder_that_holds_other_things(self, here, capsys):
        (here / "out").mkdir()
        (here / "out" / "thesis.tex").write_text("years of work")
        assert cli.main(["train", "--out", "out", *ARGUMENTS]) == 2
        assert "out is not empty and holds no run (thesis.tex): choose another --out" in capsys.readouterr().err
        assert [path.name for path in (here / "out").iterdir()] == ["thesis.tex"]

    def test_another_run(self, finished, capsys):
        before = (finished / "model.safetensors").read_bytes()
        assert cli.main(["train", "--out", str(finished), *ARGUMENTS, "--seed", "1"]) == 2
        assert "holds another run (seed = 0 there)" in capsys.readouterr().err
        assert (finished / "model.safetensors").read_bytes() == before

    def test_a_damaged_checkpoint(self, finished, here, capsys):
        (here / "run").mkdir()
        (here / "run" / "config.json").write_bytes((finished / "config.json").read_bytes())
        (here / "run" / "checkpoint.safetensors").write_bytes((finished / "checkpoint.safetensors").read_bytes()[:-9])
        assert cli.main(["train", "--out", "run", *ARGUMENTS]) == 2
        assert "checkpoint.safetensors is no checkpoint in safetensors format (truncated or" in capsys.readouterr().err


def test_python_dash_m():
    """`python -m flowlib` is this command line, with its exit status."""
    found = subprocess.run([sys.executable, "-m", "flowlib", "fly"], capture_output=True, text=True)
    assert found.returncode == 2 and found.stderr.startswith("flowlib: unknown command 'fly'")
