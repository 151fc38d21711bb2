"""The command line from end to end on a few digits: what it writes, prints and refuses."""

import dataclasses
import json
import os
import sys
from pathlib import Path

import pytest
from cli_runs import ARGUMENTS, WRITTEN, few, finished, here, refused, visible  # noqa: F401
from tiny import CONFIG, OPTIONS

import flowlib.data
from flowlib import cli, commands
from flowlib.api import configuration
from flowlib.config import DEFAULT, for_model, from_json, preset
from flowlib.models import MODELS
from flowlib.training import load, read_json


class TestTrain:
    def test_what_is_written(self, finished):
        assert visible(finished) == WRITTEN
        assert from_json(finished / "config.json") == dataclasses.replace(preset(DEFAULT), **OPTIONS)
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
        for row in (
            "equivariance error",
            "decoder limit",
            "no motion",
            "per frame",
            "per sequence",
            "trained for",
            str(finished),
        ):
            assert row in printed
        assert f"{before['equivariance']['hue']['error']:.0f} ±" in printed

    def test_default_folder_and_changed_options(self, here):
        short = [
            *ARGUMENTS,
            "--steps",
            "1",
            "--factors",
            "hue",
            "--seed",
            "4",
            "--objective",
            "marginal",
            "--prior",
            "diffusion",
            "--network",
            "mlp",
        ]
        assert cli.main(["train", *short]) == 0
        expected = {"steps": 1, "factors": ("hue",), "seed": 4, "objective": "marginal", "prior": "diffusion", "network": "mlp"}
        wanted = dataclasses.replace(preset(DEFAULT), **OPTIONS | expected)
        assert from_json(here / "runs" / f"{DEFAULT}-seed4" / "config.json") == wanted
        metrics = read_json(here / "runs" / f"{DEFAULT}-seed4" / "metrics.json")
        assert set(metrics["equivariance"]) == {"hue"} and metrics["seed"] == 4

    @pytest.mark.parametrize("model", sorted(set(MODELS) - {"flow"}))
    def test_every_model(self, here, model, capsys):
        """Those without potentials have no geometry; those without a chain have sums over frames for sequences."""
        small = [*ARGUMENTS, "--steps", "1", "--latent-dim", "9"]
        assert cli.main(["train", "--model", model, "--out", "run", *small]) == 0
        metrics, printed = read_json(here / "run" / "metrics.json"), capsys.readouterr().out
        assert bool(metrics["geometry"]) == bool(getattr(MODELS[model], "follows_gradients", False)) == ("straightness" in printed)
        assert bool(metrics["log_likelihood"]) == (model != "msp"), "MSP has no density"
        if metrics["log_likelihood"] and not hasattr(MODELS[model], "sequence_log_weights"):
            frames = CONFIG.horizon + 1
            assert metrics["log_likelihood"]["sequence"] == pytest.approx(frames * metrics["log_likelihood"]["frame"], rel=0.05)

    def test_a_free_velocity(self, here):
        """It has no potential, so the report has no geometry."""
        assert cli.main(["train", "--velocity", "free", "--hj-penalty", "none", "--out", "run", *ARGUMENTS]) == 0
        assert read_json(here / "run" / "metrics.json")["geometry"] == {}

    def test_a_preset_gives_the_defaults_and_options_override_it(self, monkeypatch):
        got = []
        monkeypatch.setattr(commands, "run", got.append)
        for arguments in (
            ["--preset", "paper-mnist", "--seed", "7"],
            ["--seed", "7", "--preset=paper-mnist"],
        ):
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
        assert WRITTEN == visible(finished)
        assert "equivariance error" in capsys.readouterr().out

    def test_what_is_no_run(self, capsys):
        assert "nowhere is no run: it has no config.json" in refused(capsys, "evaluate", "nowhere")
        assert "The folder that `train` wrote" in refused(capsys, "evaluate")

    def test_a_run_that_is_not_finished(self, here, capsys):
        (here / "run").mkdir()
        (here / "run" / "config.json").write_text(json.dumps(dataclasses.asdict(CONFIG)))
        assert cli.main(["evaluate", "run"]) == 2
        assert "no checkpoint at run/model.safetensors: train first" in capsys.readouterr().err


class TestRefused:
    @pytest.mark.parametrize(
        "arguments, message",
        [
            (["train", "--model", "nope"], "model = 'nope': choose one of"),
            (["train", "--options", "bta", "4"], "options ['bta'] are not of the model 'flow'"),
            (["fly"], "unknown command 'fly': choose one of train, evaluate, experiments, data"),
            (["train", "--preset", "big"], "unknown preset 'big': choose one of tutorial-mnist, tutorial-noiseless, tutorial-sharp, tutorial-shapes, tutorial-studio, tutorial-sharp-shapes, tutorial-sharp-studio, paper-mnist"),
            (["train", "--preset=big"], "unknown preset 'big'"), (["train", "--preset"], "--preset"),
            (["train", "--factors", "scale", "twist"], "unknown factor 'twist': choose one of scale"),
            (["train", "--factors", "hue", "hue"], "one or more different transformations"),
            (["train", "--factors"], "factors"), (["train", "--speed", "3"], "--speed"),
            (["train", "--horizon", "0"], "horizon = 0: give a positive whole number"),
            (["train", "--batch-size", "0"], "batch_size = 0: give a positive whole number"),
            (["train", "--latent-dim", "-1"], "latent_dim = -1: give a positive whole number"),
            (["train", "--steps", "0"], "steps = 0: give a positive whole number"),
            (["train", "--steps", "many"], "many"), (["train", "--steps", "1.5"], "1.5"),
            (["train", "--batch-size", "2"], "batch_size = 2: a batch holds each of 3 factors"),
            (["train", "--horizon", "2", "--frames-per-step", "3"], "frames_per_step = 3 is more than"),
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

    @pytest.mark.parametrize("locked, said", [("model.safetensors", "cannot be read: you have no permission"), ("", "cannot be written to")])
    def test_a_run_without_permission(self, finished, capsys, monkeypatch, locked, said):
        """Root may read whatever it likes, so the answers of the system are replaced."""
        allowed, read = os.access, Path.read_bytes

        def refusing(path):
            if path == finished / locked:
                raise PermissionError(13, "Permission denied")
            return read(path)

        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != finished / locked and allowed(path, mode))
        monkeypatch.setattr(Path, "read_bytes", refusing)
        before = (finished / "metrics.json").read_bytes()
        assert cli.main(["evaluate", str(finished)]) == 2 and said in capsys.readouterr().err
        assert (finished / "metrics.json").read_bytes() == before

    def test_a_damaged_checkpoint(self, finished, here, capsys):
        (here / "run").mkdir()
        (here / "run" / "config.json").write_bytes((finished / "config.json").read_bytes())
        (here / "run" / "checkpoint.safetensors").write_bytes((finished / "checkpoint.safetensors").read_bytes()[:-9])
        assert cli.main(["train", "--out", "run", *ARGUMENTS]) == 2
        assert "checkpoint.safetensors is no checkpoint in safetensors format (truncated or" in capsys.readouterr().err


def test_a_preset_with_another_model_keeps_no_choice_of_method():
    noiseless = preset("tutorial-noiseless")
    other = for_model(noiseless, "vae")
    assert noiseless.prior == "none" and (other.model, other.prior) == ("vae", "diffusion")
    assert dataclasses.replace(noiseless, model="vae", prior="diffusion") == other, "and everything else stays"
    assert for_model(noiseless, "flow") == noiseless
    assert configuration("digits", "tutorial-noiseless", model="flow-inferred").prior == "diffusion"
    assert configuration("digits", "tutorial-noiseless", model="linear-motion", prior="none").prior == "none"
    assert cli.parse(["train", "--preset", "tutorial-noiseless", "--model", "vae"]).config == other
    assert cli.parse(["train", "--preset", "tutorial-noiseless", "--hj-weight", "5"]).config == dataclasses.replace(noiseless, hj_weight=5.0)
