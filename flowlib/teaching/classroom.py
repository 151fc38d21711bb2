"""Build the notebooks that students get, and grade a folder of what they hand in; offline, through nbgrader."""

import contextlib
import glob
import os
import resource
import shutil
import sys
import warnings
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import nbformat

from flowlib.atomic_io import read_json, write_json, write_text
from flowlib.errors import FlowlibError
from flowlib.teaching import ids, minutes
from flowlib.teaching.repair import repaired, texts, timed_out, without_answer
from flowlib.teaching.sources import FOLDER, grade_id, notebook, sources
from flowlib.teaching.table import update_table

BUILT = Path("_build/assignments")
KERNEL = [  # for its process: exit() in an answer would end it, some cells later; and its remarks are not ours
    "--InteractiveShellApp.exec_lines=get_ipython().ask_exit = lambda: print('exit() and quit() do nothing here')", "--log-level=ERROR",
]  # fmt: skip
PAGES = 'c = get_config()\nc.CourseDirectory.source_directory = "instructor"\n'  # for nbgrader's own pages


@dataclass(frozen=True)
class Row:
    """One task of one submission. `points` is None where a person has to grade, or where the submission cannot be graded."""

    student: str
    assignment: str
    task: str
    points: float | None
    maximum: float
    note: str = ""


def build(out=BUILT, folder=FOLDER, seconds=60) -> list[Path]:
    """Write OUT/instructor/NAME/NAME.ipynb and, without solutions and hidden tests, OUT/release/NAME/NAME.ipynb; returns the latter."""
    out, released = Path(out).resolve(), []
    for name, path in sources(folder).items():
        target = out / "instructor" / name / f"{name}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        write_text(target, nbformat.writes(notebook(path)))
        _done(_course(out, seconds).generate_assignment(name), name)
        released.append(out / "release" / name / f"{name}.ipynb")
        leaked = [word for word in ("BEGIN SOLUTION", "HIDDEN TESTS", "END SOLUTION") if word in released[-1].read_text()]
        if leaked:
            raise FlowlibError(f"{released[-1]} still holds {leaked}: close each region in {path}")
    if not released:
        raise FlowlibError(f"{folder} holds no assignment: a source is called NUMBER_NAME.py")
    write_text(out / "nbgrader_config.py", PAGES)
    return released


def grade(submissions, out=BUILT, folder=FOLDER, seconds=60, gigabytes=8) -> list[Row]:
    """Grade SUBMISSIONS/STUDENT/NAME.ipynb, which stay as they are; writes OUT/points.csv and OUT/feedback/STUDENT/NAME/NAME.html.

    The minutes that students wrote down go into OUT/minutes.csv; their median and range are printed. Rows of the two tables that tell of
    other submissions stay.

    seconds : what one cell may take;  gigabytes : address space of the notebook's process. What goes beyond fails alone.
    Points that a person gave through nbgrader's own pages (Formgrader, in a `jupyter notebook` started in OUT) are kept.
    """
    found, others = _submissions(Path(submissions), sources(folder))
    if not found:
        raise FlowlibError(f"{submissions} holds no submission: one is STUDENT/NAME.ipynb, NAME one of {', '.join(sources(folder))}")
    for path in others:
        names = f"STUDENT/NAME.ipynb with NAME one of {', '.join(sources(folder))}"
        wrong = f"it holds no notebook: ask for {names}" if path.is_dir() else f"its name is not {names}: rename it"
        print(f"{path}: not graded, for {wrong}", flush=True)
    out = Path(out).resolve()
    build(out, folder, seconds)
    rows = []
    for path in found:
        rows += _graded(path, out, seconds, gigabytes)
        print(f"{path.parent.name}: {path.stem}: {_total(rows, path)}", flush=True)
    update_table(out / "points.csv", [field.name for field in fields(Row)], map(astuple, rows))
    for line in ids.doubts(found):
        print(line, flush=True)
    for name, taken in minutes.collect(found, out / "minutes.csv").items():
        print(f"{name}: {minutes.summary(taken)}", flush=True)
    return rows


def _submissions(folder, names):
    """The notebooks STUDENT/NAME.ipynb of a folder; and all others that are in it, with the students' folders that hold none."""
    notebooks = sorted(path for path in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
    found = [path for path in notebooks if path.stem in names and path.parent.parent == folder]
    empty = [path for path in sorted(folder.glob("[!.]*/")) if not any(path in notebook.parents for notebook in notebooks)]
    return found, [path for path in notebooks if path not in found] + empty


def _graded(path, out, seconds, gigabytes):
    """The rows of one submission; whatever is wrong with it becomes a note."""
    student, name = path.parent.name, path.stem
    tasks = _tasks(nbformat.read(out / "instructor" / name / f"{name}.ipynb", 4))
    copy = out / "submitted" / student / name / path.name
    before = texts(copy)
    for old in (copy.parent, out / "autograded" / student / name, out / "feedback" / student / name):
        shutil.rmtree(old, ignore_errors=True)
    copy.parent.mkdir(parents=True)
    try:
        if glob.escape(student) != student:
            raise FlowlibError(f"nbgrader takes [, * and ? in a folder's name for patterns: rename {student!r}")
        whole, missing, doubled = repaired(nbformat.read(path, 4), nbformat.read(out / "release" / name / f"{name}.ipynb", 4))
        died = _autograded(whole, copy, out, seconds, gigabytes)
        api = _course(out, seconds)
        _done(api.generate_feedback(name, student), name)
    except Exception as error:  # a broken file, a process that died: reported, and the others go on
        return [Row(student, name, task, None, float(most), f"not graded: {error}") for task, most in tasks.items()]
    slow = timed_out(nbformat.read(out / "autograded" / student / name / path.name, 4))
    between = any((cell or "").removeprefix("answer-") not in tasks for cell in slow)
    beyond = f"took more than {seconds} seconds (--seconds)"
    notes = {
        f"its cell {beyond}": slow,
        f"a cell without points {beyond}": tasks if between else (),
        "the notebook's process died in its test": died,
        "its cell was missing and was put back": missing,
        "its cell was there more than once": doubled,
    }
    with api.gradebook as book:
        grades = {grade.name: grade for grade in book.find_submission_notebook(name, name, student).grades}
        scores = {task: grade.manual_score for task, grade in grades.items() if grade.manual_score is not None}
        rewritten = _rewritten(out / "by_hand.json", f"{student}/{name}", scores, before, texts(copy))
        notes["its text is another than the one that was graded by hand: look again"] = rewritten
        return [_row(student, name, grade, notes) for grade in map(grades.get, tasks)]


def _rewritten(path, submission, scores, before, now):
    """The tasks whose text is no more the one that a person gave these points for; that text, known from the call before, is kept in a file."""
    kept = read_json(path) if path.exists() else {}
    read = kept.setdefault(submission, {})
    for task, score in scores.items():
        if read.get(task, [None])[0] != score:
            read[task] = [score, before.get(task, now.get(task))]
    write_json(path, kept)
    return [task for task in scores if read[task][1] != now.get(task)]


def _autograded(whole, copy, out, seconds, gigabytes):
    """Run and test a notebook; where its process dies in a task, again without the answer to it. Returns those tasks."""
    student, name, died = copy.parent.parent.name, copy.stem, []
    while True:
        write_text(copy, nbformat.writes(whole))
        started = []
        api = _course(out, seconds, on_cell_start=lambda cell, **_: started.append(grade_id(cell)))
        with _limited(gigabytes), warnings.catch_warnings(action="ignore"):  # SQLAlchemy speaks to nbgrader, not to us
            result = api.autograde(name, student, force=True)
        if result["success"] or "DeadKernelError" not in (result.get("log") or ""):
            _done(result, name)
            return died
        task = (started[-1] or "").removeprefix("answer-") if started else ""
        if not task or task in died:
            raise FlowlibError(f"its process died{' again' * bool(task)} in {task or 'a cell of its own'}, perhaps for want of memory")
        whole, died = without_answer(whole, task), [*died, task]


def _row(student, name, grade, notes):
    by_hand = grade.auto_score is None and grade.manual_score is None
    said = [note for note, tasks in notes.items() if {grade.name, f"answer-{grade.name}"} & set(tasks)]
    note = "to be graded by hand" if by_hand else "; ".join(said)
    return Row(student, name, grade.name, None if by_hand else grade.score, grade.max_score, note)


def _tasks(released):
    data = [cell.metadata["nbgrader"] for cell in released.cells if grade_id(cell)]
    return {cell["grade_id"]: cell["points"] for cell in data if cell["grade"]}


def _total(rows, path):
    own = [row for row in rows if (row.student, row.assignment) == (path.parent.name, path.stem)]
    notes = sorted({row.note for row in own if row.note})
    text = f"{sum(row.points or 0 for row in own):g} of {sum(row.maximum for row in own):g} points"
    return "; ".join([text, *notes])


def _course(out, seconds, **execute):
    try:
        from nbgrader.apps import NbGraderAPI
        from traitlets.config import Config
    except ImportError:
        raise FlowlibError("nbgrader is not installed: pip install 'nbgrader>=0.9' (instructors only; students need none)") from None
    commands = str(Path(sys.executable).parent)
    if commands not in os.environ["PATH"].split(os.pathsep):  # nbgrader calls alembic by its name
        os.environ["PATH"] = os.pathsep.join([commands, os.environ["PATH"]])
    config = Config()
    config.CourseDirectory.root, config.CourseDirectory.source_directory = str(out), "instructor"
    config.Execute.timeout, config.Execute.iopub_timeout = seconds, 30
    config.Execute.raise_on_iopub_timeout = False  # a cell that was stopped late costs itself, not the notebook
    config.Execute.extra_arguments = KERNEL
    config.Execute.update(execute)
    return NbGraderAPI(config=config)


def _done(result, name):
    if not result["success"]:
        if "submissions associated with it" in (result.get("log") or ""):
            raise FlowlibError(
                f"{name}: tasks were added, removed or renamed after a submission had been graded, and nbgrader's gradebook knows the old ones. "
                "Build and grade with another --out, or move gradebook.db away (points that were given by hand are in it)"
            )
        lines = [line for line in (result.get("log") or result.get("error") or "").splitlines() if line.strip()]
        raise FlowlibError(f"nbgrader could not finish {name}: {next(iter(reversed(lines)), 'it does not say why')}")


@contextlib.contextmanager
def _limited(gigabytes):
    """Processes started inside get no more address space than this."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (int(gigabytes * 2**30), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
