"""Exact resumption, and failures that keep the last good checkpoint."""

import dataclasses
import errno
import os
import resource

import pytest
import torch
from tiny import CONFIG, ctrl_c, trained

from flowlib.errors import FlowlibError
from flowlib.training import Trainer, new_model, trainer


def state(of):
    """Weights, optimiser and history: everything that must agree bit by bit."""
    states = {name: optimizer.state_dict()["state"] for name, optimizer in of.optimizers.items()}
    return {
        **of.model.state_dict(),
        **{(name, i, key): value for name, named in states.items() for i, values in named.items() for key, value in values.items()},
    }


def agree(one, other):
    a, b = state(one), state(other)
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
    assert one.history == other.history and one.step == other.step


@pytest.fixture
def uninterrupted(monkeypatch):
    monkeypatch.setattr(trainer, "RECORD_EVERY", 2)
    whole = trained()
    whole.run(progress=False)
    assert whole.step == 6 and whole.history["loss"][-1] < whole.history["loss"][0]
    return whole


class TestResuming:
    @pytest.mark.parametrize("stop", [1, 2, 5])
    def test_from_any_step(self, tmp_path, uninterrupted, stop):
        trained(tmp_path).run(stop, progress=False)
        again = trained(tmp_path)
        assert again.step == stop
        again.run(progress=False)
        agree(again, uninterrupted)

    def test_from_the_last_checkpoint_after_an_interruption(self, tmp_path, uninterrupted):
        """Ctrl-C in the sixth step: what the fourth left is there, and the rest is repeated exactly."""
        with ctrl_c(5), pytest.raises(KeyboardInterrupt):
            trained(tmp_path).run(progress=False)
        assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors"]
        again = trained(tmp_path)
        assert again.step == 4
        again.run(progress=False)
        agree(again, uninterrupted)

    def test_a_finished_run_trains_no_more(self, tmp_path, uninterrupted):
        trained(tmp_path).run(progress=False)
        again = trained(tmp_path)
        assert again.run(progress=False) == uninterrupted.history
        agree(again, uninterrupted)

    def test_the_clock_goes_on(self, tmp_path):
        first = trained(tmp_path)
        first.run(2, progress=False)
        again = trained(tmp_path)
        assert again.seconds == first.seconds > 0
        again.run(progress=False)
        assert again.seconds > first.seconds

    def test_checkpoints_come_at_their_steps_and_at_the_end(self, monkeypatch, tmp_path):
        steps = []
        monkeypatch.setattr(Trainer, "save", lambda self: steps.append(self.step))
        trained(tmp_path, dataclasses.replace(CONFIG, checkpoint_every=4)).run(progress=False)
        assert steps == [4, 6]

    def test_without_a_folder_nothing_is_written(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        trained().run(progress=False)
        assert list(tmp_path.iterdir()) == []

    def test_weights_alone_are_no_state(self, tmp_path):
        from flowlib.training.checkpoint import save

        save(tmp_path / "checkpoint.safetensors", {"model": new_model(CONFIG).state_dict()}, CONFIG, 6)
        with pytest.raises(FlowlibError, match="holds weights alone"):
            trained(tmp_path)

    def test_of_another_configuration(self, tmp_path):
        trained(tmp_path).run(2, progress=False)
        with pytest.raises(FlowlibError, match="another configuration — learning_rate: 0.003 there, 0.1 asked for"):
            trained(tmp_path, dataclasses.replace(CONFIG, learning_rate=0.1))


class TestFullDisk:
    @pytest.fixture
    def running(self, tmp_path, monkeypatch):
        """A run whose first checkpoint is written, its bytes, and a check that nothing else has changed."""
        monkeypatch.setattr(trainer, "RECORD_EVERY", 2)
        one = trained(tmp_path)
        one.run(2, progress=False)
        good = one.path.read_bytes()

        def unharmed():
            return one.path.read_bytes() == good and [path.name for path in tmp_path.iterdir()] == [one.path.name]

        return one, unharmed

    def check(self, one, unharmed, reason):
        with pytest.raises(FlowlibError, match=f"checkpoint.safetensors could not be written.*{reason}.*is untouched"):
            one.run(progress=False)
        assert unharmed()

    def test_when_flushing(self, running, monkeypatch, uninterrupted):
        one, unharmed = running

        def full(_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            self.check(one, unharmed, "No space left on device")
        again = trained(one.path.parent)
        again.run(progress=False)
        agree(again, uninterrupted)

    def test_when_writing(self, running):
        """A real failure in the middle of the file: the operating system allows no more than 1000 bytes."""
        one, unharmed = running
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
            self.check(one, unharmed, "File too large|too large")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    def test_when_renaming(self, running, monkeypatch):
        from pathlib import Path

        def refuse(*_):
            raise PermissionError(errno.EPERM, "Operation not permitted")

        one, unharmed = running
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", refuse)
            self.check(one, unharmed, "not permitted")
