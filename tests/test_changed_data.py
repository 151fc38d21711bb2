"""Data that change after a run has begun: the run is neither gone on with nor evaluated, for others would be held out."""

import os

import numpy as np
import pytest
import torch
from cli_runs import here  # noqa: F401
from own_data import ARGUMENTS, SMALL, arrays, few, photos  # noqa: F401

import flowlib
from flowlib import cli
from flowlib.config import Config, differences, from_json
from flowlib.data import MixedSequences
from flowlib.errors import FlowlibError


def message(capsys, command):
    """What a refused command says."""
    capsys.readouterr()
    assert cli.main(command) == 2
    return " ".join(capsys.readouterr().err.split())


def grow(folder):
    (folder / "new.png").write_bytes((folder / "0.png").read_bytes())


def shrink(folder):
    (folder / "0.png").unlink()


def rename(folder):
    (folder / "0.png").rename(folder / "zero.png")


def alter(folder):
    (folder / "0.png").write_bytes((folder / "2.png").read_bytes())


class TestFolder:
    @pytest.mark.parametrize("change", [grow, shrink, rename, alter])
    def test_a_run_is_not_gone_on_with(self, here, photos, capsys, change):  # noqa: F811
        command = ["train", "--data", str(photos), "--out", "run", *ARGUMENTS]
        assert cli.main(command) == 0
        weights = (here / "run" / "model.safetensors").read_bytes()
        change(photos)
        assert "have changed" in (said := message(capsys, command)) and "since the run in run began" in said
        assert "have changed" in message(capsys, ["evaluate", "run"])
        with pytest.raises(FlowlibError, match="have changed"):
            flowlib.evaluate(flowlib.load("run"))
        assert (here / "run" / "model.safetensors").read_bytes() == weights

    def test_other_files_and_equal_copies_are_no_change(self, here, photos):  # noqa: F811
        command = ["train", "--data", str(photos), "--out", "run", *ARGUMENTS]
        assert cli.main(command) == 0
        (photos / "notes.txt").write_text("none of the images")
        same = (photos / "0.png").read_bytes()
        (photos / "0.png").unlink()
        (photos / "0.png").write_bytes(same)
        assert cli.main(command) == 0 and cli.main(["evaluate", "run"]) == 0

    def test_names_that_are_no_utf8(self, here, photos):  # noqa: F811
        (photos / "0.png").rename(os.fsdecode(os.fsencode(photos) + b"/\xe9.png"))
        assert cli.main(["train", "--data", str(photos), "--out", "run", *ARGUMENTS]) == 0

    def test_other_data_are_not_called_changed(self, here, photos, capsys):  # noqa: F811
        command = ["train", "--out", "run", *ARGUMENTS]
        assert cli.main([*command, "--data", str(photos)]) == 0
        np.savez("own.npz", **arrays())
        said = message(capsys, [*command, "--data", "own.npz"])
        assert "holds another run (data = " in said and "photos" in said and "changed" not in said and "digest" not in said

    def test_a_lost_configuration_is_written_again(self, here, photos, capsys):  # noqa: F811
        command = ["train", "--data", str(photos), "--out", "run", *ARGUMENTS]
        assert cli.main(command) == 0
        before = (here / "run" / "config.json").read_text()
        (here / "run" / "config.json").unlink()
        assert "another configuration — seed: 0 there, 3 asked for" in message(capsys, [*command, "--seed", "3"])
        assert cli.main(command) == 0 and (here / "run" / "config.json").read_text() == before

    def test_a_run_from_before_digests_were_taken(self, here, photos):  # noqa: F811
        command = ["train", "--data", str(photos), "--out", "run", *ARGUMENTS]
        assert cli.main([*command, "--data-digest", ""]) == 0
        assert not from_json(here / "run" / "config.json").data_digest
        assert cli.main(command) == 0

    def test_differences(self):
        one, two, none = (Config(data_digest=digest) for digest in ("a", "b", ""))
        assert differences(one, two) == ["data_digest"] and not differences(one, none) and not differences(none, one)
        assert differences(Config(seed=1), two) == ["seed"]


class TestFileAndArrays:
    def test_a_file(self, here, capsys):  # noqa: F811
        np.savez("own.npz", **arrays())
        command = ["train", "--data", "own.npz", *ARGUMENTS]
        assert cli.main(command) == 0
        np.savez("own.npz", **arrays())  # other random frames
        assert "have changed" in message(capsys, command)
        assert "have changed" in message(capsys, ["evaluate", "runs/own-seed0"])

    def test_sources_given_in_python(self, tmp_path):
        first, second = arrays(), arrays()
        flowlib.train(flowlib.RecordedSequences(**first), tmp_path / "run", progress=False, device="cpu", **SMALL)
        flowlib.train(flowlib.RecordedSequences(**first), tmp_path / "run", progress=False, device="cpu", **SMALL)
        for other in (second, first | {"factor": 1 - first["factor"]}):
            with pytest.raises(FlowlibError, match="have changed"):
                flowlib.train(flowlib.RecordedSequences(**other), tmp_path / "run", progress=False, device="cpu", **SMALL)

    def test_images_and_where_their_sequences_begin(self):
        images = np.random.default_rng(0).integers(0, 256, (4, 1, 16, 16), np.uint8)
        digests = {
            flowlib.ImageSequences(images, ("scale", "rotation"), 2).digest(),
            flowlib.ImageSequences(images, ("scale", "rotation"), 2, starts="late").digest(),
            flowlib.ImageSequences(images[::-1].copy(), ("scale", "rotation"), 2).digest(),
        }
        learned = flowlib.ImageSequences(torch.as_tensor(images / 255.0, dtype=torch.float32).requires_grad_(), ("scale", "rotation"), 2)
        digests.add(learned.digest())
        digests |= {MixedSequences(learned, activity).digest() for activity in (0.2, 0.4)}
        assert len(digests) == 6 and flowlib.ImageSequences(images.copy(), ("scale", "rotation"), 2).digest() in digests
