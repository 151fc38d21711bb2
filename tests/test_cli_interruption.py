"""Training is interrupted by Ctrl-C, kill -9 and a full disk, and goes on as if nothing had been."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import torch
from cli_runs import ARGUMENTS, WRITTEN, few, finished, here, visible  # noqa: F401
from tiny import ctrl_c

from flowlib import cli
from flowlib.training import load, read_json

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


class TestInterruption:
    def same_as(self, finished, folder):
        a, b = load(finished / "model.safetensors"), load(folder / "model.safetensors")
        assert a.tensors.keys() == b.tensors.keys()
        assert all(torch.equal(value, b.tensors[name]) for name, value in a.tensors.items())
        a, b = load(finished / "checkpoint.safetensors"), load(folder / "checkpoint.safetensors")
        assert all(torch.equal(value, b.tensors[name]) for name, value in a.tensors.items() if name != "clock.seconds")
        metrics = [read_json(place / "metrics.json") for place in (finished, folder)]
        assert metrics[0] | {"seconds": 0} == metrics[1] | {"seconds": 0}

    def test_ctrl_c(self, finished, here, capsys):
        with ctrl_c(3):
            assert cli.main(["train", "--out", "run", *ARGUMENTS]) == 130
        assert "interrupted; the same command goes on from the last checkpoint" in capsys.readouterr().err
        assert load(here / "run" / "checkpoint.safetensors").step == 2
        assert cli.main(["train", "--out", "run", *ARGUMENTS]) == 0
        self.same_as(finished, here / "run")

    def test_kill_9_in_the_middle(self, finished, here):
        """Another process is killed while it writes its second checkpoint; this one goes on."""
        tests = Path(__file__).parent
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent)])}
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, "train", "--out", "run", *ARGUMENTS],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        left = visible(here / "run")
        assert left == {"config.json", "checkpoint.safetensors", ".checkpoint.safetensors.tmp.safetensors"}
        assert load(here / "run" / "checkpoint.safetensors").step == 2
        assert cli.main(["train", "--out", "run", *ARGUMENTS]) == 0
        assert visible(here / "run") == WRITTEN
        self.same_as(finished, here / "run")

    def test_a_full_disk_is_one_message(self, here, monkeypatch, capsys):
        def full(_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        assert cli.main(["train", "--out", "run", *ARGUMENTS]) == 2
        assert "config.json could not be written (No space left on device)" in capsys.readouterr().err

    def test_pictures_that_cannot_be_written(self, here, monkeypatch, capsys):
        from flowlib.viz import run_pictures

        def full(*_, **__):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(run_pictures, "save_gif", full)
        assert cli.main(["train", "--out", "run", *ARGUMENTS, "--steps", "1"]) == 2
        assert capsys.readouterr().err.splitlines()[-1] == "flowlib: [Errno 28] No space left on device"
        assert (here / "run" / "model.safetensors").exists()
