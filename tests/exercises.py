"""Chapters run cell by cell, and candidate answers are given to their exercises' checks, each in a process of its own."""

import contextlib
import io
import os
import re
import signal
import traceback
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib.pyplot
import nbformat
from cell_slice import needed_cells

from flowlib.book.exercises import NotYet

BOOK = Path(__file__).resolve().parents[1] / "book"
START = re.compile(r"^[`:]{3,}\{(?P<kind>exercise|solution)(?:-start)?\}(?P<argument>[^\n]*)\n(?P<options>(?:^:.*\n)*)", re.M)
END = re.compile(r"^[`:]{3,}\{(?:exercise|solution)-end\}", re.M)
LABEL = re.compile(r"^:label:\s*(\S+)", re.M)
SECONDS = 600


@dataclass
class Exercise:
    """check : index of the cell that begins with @check, None where there is none;  solution : code of the solution's cells"""

    label: str
    check: int | None = None
    solution: list[str] = field(default_factory=list)
    text: str = ""


def exercises(notebook) -> dict[str, Exercise]:
    """The exercises of a notebook by label."""
    found, current, part = {}, None, None
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            if part == "exercise" and is_check(cell):
                current.check = index
            elif part == "solution":
                current.solution.append(cell.source)
            continue
        for mark in sorted([*START.finditer(cell.source), *END.finditer(cell.source)], key=lambda mark: mark.start()):
            if mark.re is END:
                part = None
                continue
            part = mark["kind"]
            label = LABEL.search(mark["options"])[1] if part == "exercise" else mark["argument"].strip()
            current = found.setdefault(label, Exercise(label))
            if part == "exercise":
                current.text += cell.source[mark.end() :]
    return found


def is_check(cell):
    """Whether a code cell checks an answer."""
    return "@check(" in cell.source


def verify(chapter: str, wrong: dict[str, list[str]], right: dict[str, str] | None = None):
    """Every exercise of a chapter that has a check says "Not answered yet" as it stands, "Right." to the solution and NotYet to wrong answers.

    chapter : name of the notebook;  wrong : label → sources of wrong answers, at least two;  right : label → source of a right answer
    where the solution's own cells hold none. An exercise without a check has to say that it is for discussion, or is marked (open).
    The chapter runs in a copy of this process: what it sets (default type, gradients, seed, working directory) ends with it.
    """
    said = in_fork(lambda: "\n".join(_verified(chapter, wrong, right or {})) or "fine", 5 * SECONDS)
    assert said == "fine", said


def _verified(chapter, wrong, right):
    """What is not as `verify` wants it, one string each."""
    notebook = nbformat.read(BOOK / f"{chapter}.ipynb", as_version=4)
    found = exercises(notebook)
    checked = {exercise.check: exercise for exercise in found.values() if exercise.check is not None}
    assert set(wrong) == {exercise.label for exercise in checked.values()}, "each exercise with a check needs wrong answers, and no other"
    problems = [f"{label}: fewer than two wrong answers" for label, sources in wrong.items() if len(sources) < 2]
    problems += [
        f"{exercise.label}: no check, and not for discussion" for exercise in found.values()
        if exercise.check is None and "discussion" not in exercise.text
    ]  # fmt: skip
    with in_book():
        namespace = {"__name__": "__main__", "display": lambda *shown, **options: None}
        for index, cell in _needed(notebook, found.values(), wrong, right):
            if index in checked:
                exercise = checked[index]
                problems += _problems(exercise, cell.source, namespace, wrong[exercise.label], right.get(exercise.label))
            else:
                with contextlib.redirect_stdout(io.StringIO()):
                    run_cell(cell.source, namespace, f"{chapter}[{index}]")
    return problems


def _needed(notebook, found, wrong, right):
    """(index, cell) of the checks, and of the cells that they, solutions and other answers need: pictures take most of a chapter's time."""
    cells = [
        (index, cell) for index, cell in enumerate(notebook.cells) if cell.cell_type == "code" and "colab" not in cell.metadata.get("tags", [])
    ]
    answers = {
        exercise.check: [*exercise.solution, *wrong.get(exercise.label, []), right.get(exercise.label, "")]
        for exercise in found if exercise.check is not None
    }  # fmt: skip
    # the check stands first: what it reads comes from the exercise's own empty answer, which the other answers bind again
    sources = ["\n".join([cell.source, *answers.get(index, [])]) for index, cell in cells]
    kept = needed_cells(sources, [place for place, (index, _) in enumerate(cells) if index in answers])
    return [cells[place] for place in kept]


def _problems(exercise, check, namespace, wrong, right):
    """What the check says to no answer, to the solution and to wrong answers, where it is not what it should say."""
    cases = [("", "Not answered yet."), (right or "\n".join(exercise.solution), "Right."), *((source, "NotYet") for source in wrong)]
    for source, wanted in cases:
        said = in_fork(lambda: _said(source, check, namespace))
        if not said.startswith(wanted) or "cannot be checked" in said and wanted == "NotYet" and "raise" not in source:
            yield f"{exercise.label}: wanted {wanted!r} and got {said!r} for\n{source or '(no answer)'}"


def _said(source, check, namespace):
    """What a check prints last, after the answer's code; "NotYet: hint" where it refuses."""
    printed, refusal = answered(source, check, namespace)
    return refusal or printed.strip().splitlines()[-1]


def answered(source, check, namespace):
    """(what an answer's code and then a check print, "NotYet: hint" where the check refuses the answer or None)."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            run_cell(source, namespace, "answer")
            run_cell(check, namespace, "check")
    except NotYet as refusal:
        return printed.getvalue(), f"NotYet: {refusal}"
    return printed.getvalue(), None


def run_cell(source, namespace, name):
    """Run a cell's code in a namespace, without windows."""
    exec(compile(source, name, "exec"), namespace)
    matplotlib.pyplot.close("all")


def in_fork(work, seconds=SECONDS):
    """What `work` returns, in a copy of this process: no answer changes what the next cell sees."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(seconds)
        try:
            said = work()
        except BaseException:  # the test reports it
            said = f"crashed: {traceback.format_exc()}"
        os.write(write, said.encode()[-4000:])
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as file:
        said = file.read()
    os.waitpid(child, 0)
    return said or f"no answer within {seconds} seconds"


@contextlib.contextmanager
def in_book():
    """Run in book/, as the notebooks do, without windows."""
    before = os.getcwd()
    matplotlib.pyplot.switch_backend("Agg")
    os.chdir(BOOK)
    try:
        yield
    finally:
        os.chdir(before)
