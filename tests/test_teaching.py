"""The classroom: notebooks are generated from sources, and a folder of submissions becomes points and feedback, whatever is in it."""

import csv
import json
import os
import re
import time

import nbformat
import pytest

pytest.importorskip("jupytext")

import address
import test_teaching_latent_flows
import test_teaching_potential_flows
import test_teaching_project
import test_teaching_transport

from assignments import HIDDEN  # noqa: F401  (the runner's own import must work without nbgrader)
from flowlib import teaching
from flowlib.colab import setup_source
from flowlib.errors import FlowlibError
from flowlib.teaching import NotYet, close, generator, graded, submission
from flowlib.teaching.classroom import build, grade
from flowlib.teaching.minutes import TEXT
from flowlib.teaching.sources import grade_id, notebook, points, sources, written

SOURCE = """# %% [markdown]
# # Small

# %% answer="double"
def double(x):
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION

# %% test="double" points=3
# Checks twice two; when graded, other numbers.
from flowlib.teaching import graded

@graded("double", double=double)
def _(double):
    yield double(2) == 4, "Twice two is not this."
### BEGIN HIDDEN TESTS
@graded("double", double=double)
def _(double):
    yield double(7) == 14, "It fails for another number."
### END HIDDEN TESTS

# %%
half = None

# %% answer="half"
### BEGIN SOLUTION
half = 3
### END SOLUTION

# %% test="half" points=2
# Checks half of six; when graded, again.
from flowlib.teaching import graded

@graded("half", half=half)
def _(half):
    yield half < 6, "Half is less."
### BEGIN HIDDEN TESTS
@graded("half", half=half)
def _(half):
    yield half == 3, "Half of six is not this."
### END HIDDEN TESTS

# %% [markdown] manual="words" points=4
# ### BEGIN SOLUTION
# The secret words.
# ### END SOLUTION
"""


def test_a_test_says_what_is_missing_wrong_or_right(capsys):
    def conditions(answer):
        yield answer > 1, "It is more than one."

    def unfinished(x):
        raise NotImplementedError

    with pytest.raises(NotYet, match="^a is not answered"):
        graded("a", answer=None)(conditions)
    with pytest.raises(NotYet, match="^a is not answered"):
        graded("a", answer=unfinished)(lambda answer: iter([(answer(1), "")]))
    with pytest.raises(NotYet, match="^It is more than one.$"):
        graded("b", answer=1)(conditions)
    with pytest.raises(NotYet, match="cannot be tested .TypeError"):
        graded("d", answer="x")(conditions)
    graded("c", answer=2)(conditions)
    submission({"a": 1, "b": 1, "c": 2, "e": 3})
    said = capsys.readouterr().out
    assert "c: right." in said and "Still open: a, b, e." in said and "its test has not been run" in said
    submission({"c": 2}, {"words": 4})
    said = capsys.readouterr().out
    assert "Everything is answered" in said and "words             4 points   a text" in said


def test_an_answer_that_was_right_and_is_no_more(capsys):
    graded("broken", answer=1)(lambda answer: [(True, "")])
    with pytest.raises(NotYet, match="not this"):
        graded("broken", answer=2)(lambda answer: [(False, "not this")])
    submission({"broken": 1})
    assert "Still open: broken." in capsys.readouterr().out


def test_what_is_not_defined_is_named(capsys):
    with pytest.raises(NotYet, match="'STUDENT' is not defined.; look at the spelling, and whether the cell that defines it"):
        graded("own", answer=1)(lambda answer: [(STUDENT, "no")])  # noqa: F821


def test_everyone_has_own_numbers():
    assert generator(1234, "a").initial_seed() == generator("1234", "a").initial_seed()
    import torch

    first, again, other, task = (torch.rand(4, generator=generator(*who)) for who in [("ann", "a"), (" Ann", "a"), ("bob", "a"), ("ann", "b")])
    assert close(first, again, 0) and not close(first, other, 0.01) and not close(first, task, 0.01)


@pytest.mark.parametrize("name", sources())
def test_sources_are_whole(name):
    made = notebook(sources()[name])
    tests = [cell for cell in made.cells if grade_id(cell) in points(made.cells)]
    assert made.cells[-2].source == TEXT and "nbgrader" not in made.cells[-2].metadata, "a place for minutes, ungraded"
    assert made.cells[0].source.startswith("# Assignment") and "colab" in made.cells[1].metadata.tags
    assert made.cells[1].source == setup_source(address.address()), "the set-up cell of the chapters"
    assert all(cell.source.startswith("# Checks ") for cell in tests), "every test says in its first line what it checks"
    told = sum(data["points"] for cell in made.cells if (data := cell.metadata.get("nbgrader")) and data["grade"])
    assert f"{told} points" in made.cells[0].source
    assert all(repr(task) in made.cells[-1].source for task in points(made.cells) | written(made.cells)), "the last cell lists every task"
    nbformat.validate(made)


@pytest.mark.parametrize("lost", ["    ### END SOLUTION\n", "### BEGIN HIDDEN TESTS\n", " points=3", "# Checks twice"])
def test_a_source_that_cannot_grade_is_refused(tmp_path, lost):
    (tmp_path / "1_small.py").write_text(SOURCE.replace(lost, "", 1))
    with pytest.raises(FlowlibError, match="double"):
        notebook(tmp_path / "1_small.py")


RESERVING = "import mmap\ntry:\n    mmap.mmap(-1, 16 * 2**30)\nexcept OSError:\n    half = 3"  # right only where 16 GB are refused


def answered(released, path, double="return 2 * x", half="half = 3", words="", first=None, without=(), test=None, minutes=None):
    """A submission: the release with these answers."""
    book = nbformat.read(released, 4)
    for cell in book.cells:
        if grade_id(cell) == "answer-double":
            cell.source = f"def double(x):\n    {double}"
        elif grade_id(cell) == "answer-half":
            cell.source = half
        elif grade_id(cell) == "words" and words:
            cell.source = words
        elif grade_id(cell) == "double" and test:
            cell.source = test
        elif cell.source == TEXT and minutes is not None:
            cell.source = minutes
    book.cells = [cell for cell in book.cells if grade_id(cell) not in without]
    if first:
        book.cells.insert(0, nbformat.v4.new_code_cell(first))
    path.parent.mkdir(parents=True)
    nbformat.write(book, path)


def hand_in(released, folder, student, **answers):
    """FOLDER/STUDENT/1_small.ipynb, a submission with these answers."""
    answered(released, folder / student / "1_small.ipynb", **answers)


def test_whatever_is_handed_in_is_graded_or_reported(tmp_path, capsys):
    pytest.importorskip("nbgrader")
    folder, out, handed_in, endless = (tmp_path / name for name in ("sources", "out", "handed in", "endless"))
    folder.mkdir()
    (folder / "1_small.py").write_text(SOURCE)
    (released,) = build(out, folder)
    text = released.read_text()
    assert "instructor" in (out / "nbgrader_config.py").read_text()
    assert "return 2 * x" not in text and "half = 3" not in text and "double(7)" not in text and "secret" not in text
    cases = {
        "solution": ({"words": "My own.", "minutes": "Minutes: 95.5 on two evenings"}, (3, 2)),
        "hard-coded": ({"double": "return 4", "minutes": "Minutes: long"}, (0, 2)),
        "tampered": ({"minutes": "Minutes: 40", "double": "return 5", "test": "double(2) == 5", "without": ("half", "submission")}, (0, 2)),
        "greedy": ({"half": "half = bytearray(10**12)", "first": "import not_there"}, (3, 0)),
        "leaving": ({"half": "half = 3\nquit()"}, (3, 2)),
        "limited": ({"half": RESERVING}, (3, 2)),
        "fatal": ({"double": "import os; return 4 if x == 2 else os._exit(1)"}, (0, 2)),
        "fatal twice": ({"double": "import os; os._exit(1)", "half": "import os\nos._exit(1)"}, (0, 0)),
    }
    for student, (answers, _) in cases.items():
        hand_in(released, handed_in, student, **answers)
    for name in ("Copy of 1_small.ipynb", "1_small (1).ipynb"):
        (handed_in / "solution" / name).write_text(text)
    for student, content in (("untouched", text), ("broken", '{"cells": ['), ("late [2]", text)):
        (handed_in / student).mkdir()
        (handed_in / student / "1_small.ipynb").write_text(content)
    for name in ("nothing", ".backup"):
        (handed_in / name).mkdir()
    hand_in(released, endless, "for-ever", double="while True: pass")
    before = {path: path.read_bytes() for path in tmp_path.glob("*/*/1_small.ipynb")}

    started = time.perf_counter()
    rows = grade(handed_in, out, folder)
    each = (time.perf_counter() - started) / 11  # kernels
    said = capsys.readouterr().out
    assert all(f"{name}: not graded, for its name" in said for name in ("Copy of 1_small.ipynb", "1_small (1).ipynb"))
    assert "nothing: not graded, for it holds no notebook" in said and ".backup" not in said
    assert "solution: 1_small: 5 of 9 points; to be graded by hand" in said
    assert "fatal: 1_small: 2 of 9 points; the notebook's process died in its test" in said
    with open(out / "points.csv") as file:
        assert len(list(csv.DictReader(file))) == len(rows) == 3 * 11
    with open(out / "minutes.csv") as file:
        noted = {row["student"]: row["minutes"] for row in csv.DictReader(file) if row["assignment"] == "1_small"}
    assert noted == {"solution": "95.5", "tampered": "40.0"} | dict.fromkeys(
        ("hard-coded", "greedy", "leaving", "limited", "fatal", "fatal twice", "untouched", "broken", "late [2]"), ""
    )
    assert "1_small: median 67.75 minutes, 40 to 95.5 (2 of 11 wrote them down)" in said
    rows += grade(endless, out, folder, seconds=max(5, round(each)))  # also where the machine is busy, longer than an import takes
    wanted = {student: points for student, (_, points) in cases.items()} | {
        "untouched": (0, 0),
        "for-ever": (0, 2),
        "broken": (None, None),
        "late [2]": (None, None),
    }
    found = {student: {row.task: row for row in rows if row.student == student} for student in wanted}
    assert {student: (tasks["double"].points, tasks["half"].points) for student, tasks in found.items()} == wanted
    assert all(row.note.startswith("not graded") for row in found["broken"].values())
    assert "rename 'late [2]'" in found["late [2]"]["half"].note
    assert found["tampered"]["half"].note == "its cell was missing and was put back"
    assert re.fullmatch(r"its cell took more than \d+ seconds \(--seconds\)", found["for-ever"]["double"].note)
    assert [found[student][task].note for student, task in (("fatal", "double"), ("fatal twice", "double"), ("fatal twice", "half"))] == [
        "the notebook's process died in its test"
    ] * 3
    with open(out / "points.csv") as file:
        assert len(list(csv.DictReader(file))) == 3 * 12, "those of the first call stay"
    assert found["solution"]["words"].note == "to be graded by hand" and found["untouched"]["words"].points == 0
    assert {path: path.read_bytes() for path in before} == before
    feedback = (out / "feedback" / "hard-coded" / "1_small" / "1_small.html").read_text()
    assert "It fails for another number." in feedback


def test_a_course_goes_on(tmp_path):
    """A text that is handed in again keeps its points, and is marked; tasks cannot change below a gradebook that has graded them."""
    nbgrader_api = pytest.importorskip("nbgrader.api")
    folder, out = tmp_path / "sources", tmp_path / "out"
    folder.mkdir()
    (folder / "1_small.py").write_text(SOURCE)
    (released,) = build(out, folder)
    changed = "its text is another than the one that was graded"
    for number, (text, note) in enumerate((("My own.", "to be graded by hand"), ("My own.", ""), ("Another.", changed), ("Another.", changed))):
        again = tmp_path / f"handed in {number}"
        hand_in(released, again, "ann", words=text)
        (words,) = [row for row in grade(again, out, folder) if row.task == "words"]
        assert words.note.startswith(note) and bool(note) == bool(words.note)
        assert words.points == (3 if number else None), "ungraded is not nothing, and what a person gave stays"
        with nbgrader_api.Gradebook(f"sqlite:///{out / 'gradebook.db'}") as book:
            book.find_grade("words", "1_small", "1_small", "ann").manual_score = 3
            book.db.commit()
    assert words.points == 3
    (folder / "1_small.py").write_text(SOURCE.replace('"half"', '"halved"'))
    with pytest.raises(FlowlibError, match="1_small: tasks were added, removed or renamed .* another --out"):
        build(out, folder)


WRONG = {
    "1_transport": test_teaching_transport.WRONG, "2_potential_flows": test_teaching_potential_flows.WRONG,
    "3_latent_flows": test_teaching_latent_flows.WRONG, "4_project": test_teaching_project.WRONG,
}  # fmt: skip


def wrongly_answered(path, which):
    """The notebook's text with the wrong answer number `which` to every task that tests grade."""
    book = nbformat.read(path, 4)
    for cell in book.cells:
        answers = WRONG[path.stem].get((grade_id(cell) or "").removeprefix("answer-"))
        if (grade_id(cell) or "").startswith("answer-") and answers:
            cell.source = answers[which][0]
    return nbformat.writes(book)


@pytest.mark.skipif("FLOWLIB_NBGRADER" not in os.environ, reason="sixteen notebooks, minutes: FLOWLIB_NBGRADER=1 runs it, as .ci/run does")
def test_solutions_get_full_marks_and_releases_and_wrong_answers_none(tmp_path):
    pytest.importorskip("nbgrader")
    out = tmp_path / "out"
    for released in build(out):
        solved = out / "instructor" / released.stem / released.name
        submissions = {"solution": solved.read_text(), "untouched": released.read_text()}
        submissions |= {f"wrong {which}": wrongly_answered(solved, which) for which in (-1, -2)}
        for student, text in submissions.items():
            (tmp_path / "in" / student).mkdir(parents=True, exist_ok=True)
            (tmp_path / "in" / student / released.name).write_text(text)
        assert json.loads(released.read_text())["metadata"]["kernelspec"]["name"] == "python3"
    automatic = {name: points(notebook(path).cells) for name, path in sources().items()}
    for row in grade(tmp_path / "in", out):
        if row.task in automatic[row.assignment]:
            assert row.points == (row.maximum if row.student == "solution" else 0), row


def test_wrong_folders_are_named(tmp_path):
    with pytest.raises(FlowlibError, match="holds no submission"):
        grade(tmp_path, tmp_path / "out")
    assert teaching.__doc__
