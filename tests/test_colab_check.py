"""The check of Colab's run, without Colab, network or minutes: its parts with fakes, and one tiny notebook through a real kernel."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nbclient")

import colab_assignments  # noqa: E402
import colab_check  # noqa: E402
import colab_environment  # noqa: E402
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output  # noqa: E402
from notebooks import write  # noqa: E402

HERE = Path(sys.executable)
URL = "https://github.com/some-owner/some-book"


def test_the_books_torch_unless_another_is_asked_for(tmp_path):
    pins = tmp_path / "requirements.txt"
    pins.write_text("numpy==1.0\ntorch==9.8.7\ntorchdiffeq==0.2.5\n")
    assert colab_environment.torch_pin(None, pins) == "9.8.7"
    assert (
        colab_environment.torch_pin("colab", pins) == colab_environment.COLAB["torch"] and colab_environment.torch_pin("2.5.0", pins) == "2.5.0"
    )


def test_a_pin_that_cannot_be_had_gives_way_alone():
    calls = []

    def pip(*requirements):
        calls.append(requirements)
        return "ipython==7.34.0" not in requirements

    colab_environment.install({"torch": "2.0", "numpy": "2.1.3", "ipython": "7.34.0", "tqdm": ""}, pip)
    assert calls == [("torch==2.0",), ("numpy==2.1.3", "ipython==7.34.0", "tqdm"),
                     ("numpy==2.1.3",), ("ipython==7.34.0",), ("ipython",), ("tqdm",)]  # fmt: skip
    with pytest.raises(SystemExit, match="--torch"):
        colab_environment.install({"torch": "2.0"}, lambda *_: False)


def test_torch_alone_comes_from_the_other_index(monkeypatch):
    commands = []
    monkeypatch.setattr(subprocess, "run", lambda command, env: commands.append(command) or subprocess.CompletedProcess(command, 0))
    pip = colab_environment.pip_of(Path("python"), "https://example.org/cpu")
    assert pip("torch==2.0") and pip("numpy==1.0", "tqdm")
    assert commands[0][-3:] == ["--index-url", "https://example.org/cpu", "torch==2.0"] and "--index-url" not in commands[1]


def test_what_differs_from_colab_is_told():
    pins = {name: version or "1" for name, version in colab_environment.COLAB.items()}
    assert colab_environment.differences(pins | {"torch": pins["torch"] + "+cpu"}, "3.13.5") == []
    told = colab_environment.differences(pins | {"numpy": "2.4.6"}, "3.11.7")
    assert told == ["Python 3.11.7 instead of 3.13", f"numpy 2.4.6 instead of {pins['numpy']}"]


def test_nothing_of_this_project_reaches_the_kernel(tmp_path):
    variables = colab_check.variables(
        Path("/colab/bin/python"), tmp_path / "r.git", URL, {"PYTHONPATH": "x", "OMP_NUM_THREADS": "1", "HOME": "h", "PATH": "/bin"}
    )
    assert {"PYTHONPATH", "OMP_NUM_THREADS"}.isdisjoint(variables) and variables["HOME"] == "h" and variables["PATH"] == "/colab/bin:/bin"


def test_the_public_address_is_answered_by_a_clone_of_this_one(tmp_path):
    git = ["git", "-C", str(tmp_path / "origin"), "-c", "user.name=n", "-c", "user.email=e"]
    subprocess.run(["git", "init", "-q", str(tmp_path / "origin")], check=True)
    (tmp_path / "origin" / "a.txt").write_text("committed")
    subprocess.run([*git, "add", "a.txt"], check=True)
    subprocess.run([*git, "commit", "-qm", "one"], check=True)
    bare = colab_check.repository(tmp_path, tmp_path / "origin")
    subprocess.run(
        ["git", "clone", "-q", "--depth", "1", URL, str(tmp_path / "fetched")], check=True, env=colab_check.variables(HERE, bare, URL)
    )
    assert (tmp_path / "fetched" / "a.txt").read_text() == "committed"


VIZ = '<figure class="flowviz"></figure>'


def shown(html):
    return new_output("display_data", data={"text/html": html})


def said(text):
    return new_output("stream", name="stdout", text=text)


def result(tmp_path, monkeypatch, outputs, problems=(), seconds=1.0, installed=None, sources=("set up", "f()", "g()")):
    """What `check` says of a plain notebook whose run leaves these outputs in its cells."""

    def run(notebook, *_):
        for cell, out in zip(notebook.cells, outputs):
            cell.outputs = out
        return seconds, list(problems)

    monkeypatch.setattr(colab_check, "run", run)
    write(new_notebook(cells=[new_code_cell(source) for source in sources]), tmp_path / "01_a.ipynb")
    committed = new_notebook(cells=[new_code_cell("old set up"), new_code_cell("f()", outputs=[shown(VIZ)]),
                                    new_code_cell("g()", outputs=[said("a"), said("b\n")])])  # fmt: skip
    states = iter(installed or [{"torch": "2"}, {"torch": "2", "kornia": "1"}])
    return colab_check.check(tmp_path / "01_a.ipynb", committed, "colab", {}, 180, lambda: next(states))


GOOD = [[said("Cloning\n")], [shown(VIZ)], [said("ab\n")]]


def test_a_chapter_that_runs_is_right(tmp_path, monkeypatch):
    right = result(tmp_path, monkeypatch, GOOD, sources=("set up", "#@title Solution\nf()", "g()"))
    assert (right.widgets, right.texts, right.problems) == ((1, 1), (1, 1), []) and str(right).endswith("right")


def test_another_text_is_counted_but_is_no_failure(tmp_path, monkeypatch):
    other = result(tmp_path, monkeypatch, [GOOD[0], GOOD[1], [said("ac\n")]])
    assert other.texts == (0, 1) and other.problems == []


@pytest.mark.parametrize("change, told", [
    ({"outputs": [GOOD[0], [], GOOD[2]]}, "0 widgets, the page has 1"),
    ({"problems": ["cell 2: AssertionError"]}, "cell 2"),
    ({"installed": [{"torch": "2", "numpy": "1"}, {"torch": "3", "numpy": "1"}]}, "torch 2 became 3"),
    ({"installed": [{"torch": "2", "numpy": "1"}, {"torch": "2"}]}, "numpy 1 became None"),
])  # fmt: skip
def test_what_goes_wrong_is_told(tmp_path, monkeypatch, change, told):
    wrong = result(tmp_path, monkeypatch, **{"outputs": GOOD} | change)
    assert len(wrong.problems) == 1 and told in str(wrong) and not str(wrong).endswith("right")


def test_a_plain_notebook_older_than_its_chapter_is_refused(tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match="older"):
        result(tmp_path, monkeypatch, GOOD, sources=("set up", "f(1)", "g()"))


def test_cells_run_in_an_empty_folder_with_the_kernel_given(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_PATH", "")
    name = colab_check.kernel(HERE, tmp_path)
    command = json.loads((tmp_path / "jupyter" / "kernels" / name / "kernel.json").read_text())["argv"]
    assert command[0] == str(HERE) and name == "colab"
    good = new_notebook(cells=[new_code_cell("import os; print(os.listdir(), os.environ['MARK'])")])
    seconds, problems = colab_check.run(good, name, colab_environment.bare({**colab_check.os.environ, "MARK": "here"}), 120)
    assert problems == [] and colab_check.printed(good.cells[0]) == "[] here\n"
    bad = new_notebook(cells=[new_code_cell("1"), new_code_cell("assert 1 == 2, 'no flow'"), new_code_cell("1")])
    seconds, problems = colab_check.run(bad, name, dict(colab_check.os.environ), 120)
    assert problems == ["cell 1: AssertionError: no flow"]


def test_the_line_that_says_most():
    late = colab_check.CellTimeoutError("A cell timed out.\n----\nf()\n----")
    assert colab_check.reason(late) == "A cell timed out."
    assert colab_check.reason(colab_check.DeadKernelError("Traceback\n\x1b[31mKernel died\x1b[0m")) == "Kernel died"


def test_too_long_is_a_failure(monkeypatch):
    async def nothing(*_):
        return []

    monkeypatch.setattr(colab_check, "_cells", nothing)
    assert colab_check.run(new_notebook(), "python3", {}, limit=60)[1] == []
    assert colab_check.run(new_notebook(), "python3", {}, limit=-1)[1] == ["longer than -1 s"]


LISTED = "a      1 points   not answered\nb      2 points   a text: look\n"


def assignment(*cells, said=LISTED + "\nStill open: a."):
    """An assignment of one task and one text that has been run; `cells` : what each of its cells raises, or None."""
    task = {"grade_id": "a", "grade": True, "solution": False, "points": 1, "locked": True, "schema_version": 3, "task": False}
    text = new_markdown_cell("", metadata={"nbgrader": task | {"grade_id": "b", "solution": True, "points": 2}})
    run = [new_code_cell("x", outputs=[new_output("error", ename=name, evalue="e", traceback=[])] if name else []) for name in cells]
    run[-1].metadata = {"nbgrader": task}
    return new_notebook(cells=[*run, text, new_code_cell("check", outputs=[new_output("stream", name="stdout", text=said)])])


@pytest.mark.parametrize("raised, said, answered, told", [
    ((None, "NotYet"), LISTED + "\nStill open: a.", False, []),
    ((None, "NotImplementedError"), LISTED + "\nStill open: a.", False, []),
    ((None, "TypeError"), LISTED + "\nStill open: a.", False, ["cell 1: TypeError: e"]),
    (("NotYet", "NotYet"), LISTED + "\nStill open: a.", False, ["cell 0: NotYet: e"]),
    ((None, "NotYet"), "a  1 points\n\nStill open: a.", False, ["the last cell does not list b"]),
    ((None, "NotYet"), LISTED + "\nEverything is answered.", False, ["the last cell does not say 'Still open: a.'"]),
    ((None, None), LISTED + "\nEverything is answered.", True, []),
    ((None, "NotYet"), LISTED + "\nStill open: a.", True, ["cell 1: NotYet: e", "the last cell does not say 'Everything is answered.'"]),
])  # fmt: skip
def test_what_an_assignment_may_say(raised, said, answered, told):
    assert colab_assignments.problems(assignment(*raised, said=said), answered) == told


def test_an_assignment_is_run_to_its_end_and_its_packages_are_looked_at(monkeypatch):
    def run(notebook, *_, to_the_end):
        assert to_the_end
        return 1.0, []

    monkeypatch.setattr(colab_check, "run", run)
    states = iter([{"torch": "2"}, {"torch": "3"}])
    found = colab_check.check_assignment("1_a", assignment(None, "NotYet"), False, "colab", {}, 180, lambda: next(states))
    assert found.problems == ["torch 2 became 3"] and str(found).endswith("torch 2 became 3") and "widgets" not in str(found)


def test_after_a_failed_cell_the_others_run_where_that_is_wanted():
    notebook = new_notebook(cells=[new_code_cell("1 / 0"), new_code_cell("print(2)")])
    assert colab_check.run(notebook, "python3", dict(colab_check.os.environ), 120, to_the_end=True)[1] == []
    assert colab_check.printed(notebook.cells[1]) == "2\n"
