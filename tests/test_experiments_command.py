"""The command line of experiments: list, run and table; how results are written."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from test_experiments import EXPERIMENT, few, run, settled  # noqa: F401  (fixtures that pytest finds here)

from flowlib import cli
from flowlib.experiments import catalogue, results, runner


class TestCommand:
    def test_list_names_all(self, capsys):
        assert cli.main(["experiments", "list"]) == 0
        printed = capsys.readouterr().out
        assert all(name in printed for name in catalogue.EXPERIMENTS)

    @pytest.fixture
    def small(self, tmp_path, monkeypatch):
        """The only experiment that the commands know, its results in the test's own folder."""
        monkeypatch.setattr(catalogue, "EXPERIMENTS", {"small": EXPERIMENT})
        monkeypatch.setattr(results, "results_folder", lambda: tmp_path)

    def test_list_marks_results_of_other_data(self, small, tmp_path, monkeypatch, capsys):
        run(tmp_path)
        printed = []
        for digest in (runner.data_digest(EXPERIMENT), "0123"):
            monkeypatch.setattr(runner, "data_digest", lambda experiment, digest=digest: digest)
            assert cli.main(["experiments", "list"]) == 0
            printed.append(capsys.readouterr().out)
        assert "4 of 4" in printed[0] and "other data" not in printed[0]
        assert "4 of 4" in printed[1] and "(made by other data or settings)" in printed[1]

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
            (["rum"], "unknown command 'rum': experiments has list, run, table, update"),
            (["run", "search", "--jobs", "-1"], "jobs = -1"),
        ],
    )
    def test_what_does_not_exist(self, arguments, message, capsys):
        assert cli.main(["experiments", *arguments]) == 2
        assert message in capsys.readouterr().err


def test_json_keeps_lists_of_numbers_on_a_line():
    values = {"a": [1, 2.5, -3e-05], "b": ["x, 1", {"c": [[1], [2]]}], "d": []}
    text = results.compact_json(values)
    assert json.loads(text) == values
    assert '"a": [1,2.5,-3e-05]' in text


def test_options_are_parsed():
    assert cli.parse(["experiments", "run", "search", "--restart"]).action == cli.Run("search", 2, True)
