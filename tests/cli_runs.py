"""Fixtures of the command line's tests: a few digits, few samples, a finished run, a refused command."""

from pathlib import Path

import pytest
from tiny import OPTIONS, digits, few_samples

import flowlib.data
from flowlib import cli
from flowlib.training import trainer

ARGUMENTS = [part for name, value in OPTIONS.items() for part in (f"--{name.replace('_', '-')}", str(value))]
WRITTEN = set("config.json checkpoint.safetensors model.safetensors metrics.json flows.png flows.gif losses.png latent_paths.png".split())


def visible(folder):
    """The names of a folder's files, the lock's aside."""
    return {path.name for path in folder.iterdir()} - {".lock"}


@pytest.fixture(scope="module", autouse=True)
def few():
    """Six digits, few samples and a point of the loss curves every second step make a run take a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flowlib.data, "load_digits", lambda split="train": (digits(6 if split == "train" else 5), None))
        few_samples(patch)
        patch.setattr(trainer, "RECORD_EVERY", 2)
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
    status = cli.main(list(arguments))
    printed = capsys.readouterr()
    assert status == 2 and printed.out == "" and "Traceback" not in printed.err
    assert list(Path.cwd().iterdir()) == []
    return " ".join(printed.err.replace("│", " ").split())
