"""Run folders: one run, one process, nothing foreign; what a finished run leaves, and opening it again."""

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from tiny import CONFIG, OPTIONS, sequences

from flowlib.config import Config
from flowlib.errors import FlowlibError
from flowlib.training import load, new_model, read_json, run, run_folder, train_run, write_json
from flowlib.training.checkpoint import save
from flowlib.training.run import CONFIG as CONFIG_NAME
from flowlib.training.run import open_run


class TestRunFolder:
    def claim(self, folder, config=CONFIG):
        with run_folder(folder, config) as claimed:
            return claimed

    def test_a_new_folder_is_made_and_states_the_configuration(self, tmp_path):
        folder = tmp_path / "a" / "b"
        assert self.claim(folder) == folder
        assert read_json(folder / CONFIG_NAME) == json.loads(json.dumps(dataclasses.asdict(CONFIG)))
        self.claim(folder)  # the same run goes on

    def test_an_empty_folder_or_one_with_hidden_files_will_do(self, tmp_path):
        (tmp_path / ".gitignore").write_text("*")
        (tmp_path / f".{CONFIG_NAME}.tmp.json").write_text("{")  # left behind by a kill
        self.claim(tmp_path)

    def test_another_run_is_not_overwritten(self, tmp_path):
        self.claim(tmp_path)
        (tmp_path / "checkpoint.safetensors").touch()
        before = (tmp_path / CONFIG_NAME).read_bytes()
        with pytest.raises(FlowlibError, match=r"holds another run \(steps = 6, seed = 0 there\): choose another --out"):
            self.claim(tmp_path, dataclasses.replace(CONFIG, seed=1, steps=9))
        assert (tmp_path / CONFIG_NAME).read_bytes() == before

    def test_what_failed_before_its_first_checkpoint_may_be_given_other_options(self, tmp_path):
        self.claim(tmp_path)
        other = dataclasses.replace(CONFIG, seed=1)
        self.claim(tmp_path, other)
        assert read_json(tmp_path / CONFIG_NAME)["seed"] == 1

    def test_a_run_whose_weights_were_deleted_is_still_one(self, tmp_path):
        self.claim(tmp_path)
        (tmp_path / "metrics.json").touch()
        with pytest.raises(FlowlibError, match="holds another run"):
            self.claim(tmp_path, dataclasses.replace(CONFIG, seed=1))

    def test_the_configuration_of_another_program_is_left_alone(self, tmp_path):
        (tmp_path / CONFIG_NAME).write_text('{"architecture": "ViT"}')
        with pytest.raises(FlowlibError, match="architecture"):
            self.claim(tmp_path)
        assert "ViT" in (tmp_path / CONFIG_NAME).read_text()

    def test_foreign_files_are_left_alone(self, tmp_path):
        for name in "dcba":
            (tmp_path / name).write_text(name)
        with pytest.raises(FlowlibError, match=r"is not empty and holds no run \(a, b, c\): choose another --out"):
            self.claim(tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == list("abcd")

    def test_a_broken_configuration_is_said(self, tmp_path):
        (tmp_path / CONFIG_NAME).write_text("{")
        with pytest.raises(FlowlibError, match="config.json cannot be read .*put it back from a copy, or remove it"):
            self.claim(tmp_path)

    def test_a_file_in_the_way(self, tmp_path):
        (tmp_path / "file").write_text("x")
        for folder in (tmp_path / "file", tmp_path / "file" / "below"):
            with pytest.raises(FlowlibError, match="cannot be a run's folder .*choose another --out"):
                self.claim(folder)

    def test_in_use_by_another_process(self, tmp_path):
        self.claim(tmp_path)
        code = "import sys, filelock; lock = filelock.FileLock(sys.argv[1]).acquire(); print('on', flush=True); sys.stdin.read()"
        command = [sys.executable, "-c", code, str(tmp_path / ".lock")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout.readline() == "on\n"
            with pytest.raises(FlowlibError, match="another process is working in"):
                self.claim(tmp_path)
            other.kill()  # a lock dies with its process
            other.wait()
            self.claim(tmp_path)

    def test_in_use_by_this_process(self, tmp_path):
        with run_folder(tmp_path, CONFIG), pytest.raises(FlowlibError, match="another process is working in"):
            self.claim(tmp_path)
        self.claim(tmp_path)

    def test_another_run_that_comes_first_is_seen(self, tmp_path, monkeypatch):
        """Between the first look and the lock, another process may have claimed the folder and finished."""

        class Slow(run.FileLock):
            def acquire(self, **options):
                write_json(tmp_path / CONFIG_NAME, dataclasses.asdict(dataclasses.replace(CONFIG, seed=9)))
                (tmp_path / "model.safetensors").touch()
                return super().acquire(**options)

        monkeypatch.setattr(run, "FileLock", Slow)
        with pytest.raises(FlowlibError, match="holds another run .seed = 9 there"):
            self.claim(tmp_path)

    def test_released_after_a_failure(self, tmp_path):
        with pytest.raises(RuntimeError), run_folder(tmp_path, CONFIG):
            raise RuntimeError
        self.claim(tmp_path)

    def test_not_writable(self):
        with tempfile.TemporaryDirectory() as outer:
            os.chmod(outer, 0o755)
            folder = Path(outer) / "folder"
            folder.mkdir(mode=0o555)
            with unprivileged():
                for place in (folder, folder / "below"):
                    with pytest.raises(FlowlibError, match="cannot be a run's folder .Permission denied"):
                        self.claim(place)
            assert list(folder.iterdir()) == []


@contextlib.contextmanager
def unprivileged():
    """Root may write anywhere, so it becomes nobody for the length of the block."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


class TestRun:
    @pytest.fixture
    def run(self, tmp_path):
        with run_folder(tmp_path, CONFIG) as folder:
            return train_run(folder, CONFIG, sequences(), progress=False)

    def test_final_weights_are_written_and_opened_again(self, run, tmp_path):
        opened = open_run(tmp_path, CONFIG, sequences())
        for name, value in opened.model.state_dict().items():
            assert torch.equal(value, run.model.state_dict()[name])
        assert opened.history == run.history and opened.seconds == run.seconds
        assert not opened.model.training and load(tmp_path / "model.safetensors").step == 6

    def test_opened_without_its_checkpoint(self, run, tmp_path):
        (tmp_path / "checkpoint.safetensors").unlink()
        opened = open_run(tmp_path, CONFIG, sequences())
        assert (opened.history, opened.step) == ({}, 6)

    def test_without_final_weights(self, run, tmp_path):
        (tmp_path / "model.safetensors").unlink()
        with pytest.raises(FlowlibError, match="is at step 6 of 6: give its train command again"):
            open_run(tmp_path, CONFIG, sequences())
        (tmp_path / "checkpoint.safetensors").unlink()
        with pytest.raises(FlowlibError, match="no checkpoint at .*model.safetensors"):
            open_run(tmp_path, CONFIG, sequences())

    def test_weights_of_another_run(self, run, tmp_path):
        other = Config(**OPTIONS | {"seed": 5})
        save(tmp_path / "model.safetensors", {"model": new_model(other).state_dict()}, other, 6)
        with pytest.raises(FlowlibError, match="another configuration — seed: 5 there, 0 asked for"):
            open_run(tmp_path, CONFIG, sequences())

    def test_the_same_in_every_run(self, run, tmp_path):
        """The final file holds no clock and no path: a run is a function of its configuration."""
        with run_folder(tmp_path / "again", CONFIG) as folder:
            train_run(folder, CONFIG, sequences(), progress=False)
        first, second = ((place / "model.safetensors").read_bytes() for place in (folder, tmp_path))
        assert first == second
