"""What the command line explains, and the command `data`."""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cli_runs import ARGUMENTS, few, here, refused  # noqa: F401
from tiny import digits

import flowlib.data
from flowlib import cli
from flowlib.config import Config
from flowlib.data import load_digits
from flowlib.data.digits import SHA256


class TestHelp:
    @pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"]])
    def test_commands(self, arguments, capsys):
        assert cli.main(arguments) == 0
        printed = capsys.readouterr().out
        assert flowlib.__version__ in printed
        for command in cli.COMMANDS:
            assert re.search(rf"• {command} +[A-Z]", printed), command

    def test_of_experiments(self, capsys):
        """Without more, and of each of its commands."""
        assert cli.main(["experiments"]) == 0
        printed = capsys.readouterr().out
        assert all(f" • {action} " in printed for action in cli.ACTIONS)
        for action, option in (("run", "--restart"), ("table", "The experiment"), ("update", "(default: 2)")):
            assert cli.main(["experiments", action, "--help"]) == 0
            assert option in capsys.readouterr().out

    def test_of_a_preset(self, capsys):
        """The defaults that are shown are those of the preset."""
        assert cli.main(["train", "--preset", "paper-mnist", "--help"]) == 0
        assert "(default: 324)" in capsys.readouterr().out

    def test_every_option_is_explained(self, capsys, monkeypatch):
        """Each field of the configuration appears, followed by its docstring and its default."""
        monkeypatch.setenv("COLUMNS", "200")
        assert cli.main(["train", "--help"]) == 0
        printed = " ".join(capsys.readouterr().out.replace("│", " ").split())
        source = Path(flowlib.config.__file__).read_text()
        for field in dataclasses.fields(Config):
            text = source.split(f"\n    {field.name}: ")[1].split('"""')[1]
            option = printed.split(f"--{field.name.replace('_', '-')}")[1:]
            assert any(text in part[: len(text) + 120] for part in option), field.name
        for text in (
            "The run's folder; default runs/PRESET-seedSEED, of data at a path runs/NAME-seedSEED",
            "Where the options below start from",
            "TensorBoard",
        ):
            assert text in printed

    @pytest.mark.parametrize("wrong", ["--stepz", "--learning_rat=3", "--no-tensorbord"])
    def test_a_mistyped_option_is_named_before_any_data_are_read(self, wrong, capsys, monkeypatch):
        monkeypatch.setattr("flowlib.api.options_for", lambda *_: pytest.fail("data were read"))
        assert cli.main(["train", "--data", "photos", "--no-learn-diffusion", "--factors", "hue", wrong]) == 2
        assert wrong.partition("=")[0] in capsys.readouterr().err

    @pytest.mark.parametrize("command", ["evaluate", "data"])
    def test_of_the_other_commands(self, command, capsys):
        assert cli.main([command, "--help"]) == 0
        assert {"evaluate": "folder that `train` wrote", "data": "--mnist"}[command] in capsys.readouterr().out


class TestData:
    def test_says_what_is_there(self, capsys):
        assert cli.main(["data"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines == [
            "embedded digits, train: 6 images, intact",
            "embedded digits, test: 5 images, intact",
        ]

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


def test_python_dash_m():
    """`python -m flowlib` is this command line, with its exit status."""
    found = subprocess.run([sys.executable, "-m", "flowlib", "fly"], capture_output=True, text=True)
    assert found.returncode == 2 and found.stderr.startswith("flowlib: unknown command 'fly'")
