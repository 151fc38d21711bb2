"""An assignment's source, one Python file in percent format, and the notebook for nbgrader that is generated from it.

    # %% [markdown]                           text, as it stands
    # %% answer="NAME"                        the student's cell; what stands between BEGIN and END SOLUTION is taken out
    # %% test="NAME" points=3                 its test; what stands between BEGIN and END HIDDEN TESTS is taken out
    # %% [markdown] manual="NAME" points=5    a text that a person grades
    # %% locked="NAME"                        a cell that grading restores

nbgrader's metadata, the cell that sets up Colab, the place for minutes and the check before handing in are added here.
"""

import tomllib
from pathlib import Path

import jupytext
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from flowlib.colab import PYPROJECT, setup_source
from flowlib.errors import FlowlibError
from flowlib.teaching import minutes

FOLDER = Path(__file__).resolve().parents[2] / "assignments"
KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"}}
#        kind: grade, solution, locked
KINDS = {"answer": (False, True, False), "test": (True, False, True), "manual": (True, True, False), "locked": (False, False, True)}


def sources(folder=FOLDER) -> dict[str, Path]:
    """Name → file of every assignment."""
    return {path.stem: path for path in sorted(Path(folder).glob("[0-9]*.py"))}


def setup_cell() -> str:
    """The chapters' set-up cell, with the repository's address as pyproject.toml states it."""
    return setup_source(tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["urls"]["Repository"])


def notebook(path) -> NotebookNode:
    """The instructor's notebook, solutions and hidden tests inside. Raises FlowlibError for a source that would not grade."""
    cells = [_cell(cell, f"{path}, cell {index}") for index, cell in enumerate(jupytext.read(path, fmt="py:percent").cells)]
    check = f"from flowlib import teaching\n\nteaching.submission({', '.join(map(str, filter(None, (points(cells), written(cells)))))})"
    cells = [cells[0], new_code_cell(setup_cell(), metadata={"tags": ["colab"]}), *cells[1:]]
    cells.append(new_markdown_cell(minutes.TEXT))
    cells.append(new_code_cell(check, metadata={"nbgrader": _metadata("submission", "code", *KINDS["locked"])}))
    names = [grade_id(cell) for cell in cells if grade_id(cell)]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise FlowlibError(f"{path}: {sorted(doubled)} are there twice; give every cell its own name")
    for number, cell in enumerate(cells):  # the same file from the same source
        cell["id"] = f"cell-{number}"
    return new_notebook(cells=cells, metadata=KERNEL)


def points(cells) -> dict[str, int]:
    """Task → points, of the tests."""
    return _points(cells, solution=False)


def written(cells) -> dict[str, int]:
    """Task → points, of the texts that a person grades."""
    return _points(cells, solution=True)


def _points(cells, solution):
    found = {grade_id(cell): cell.metadata["nbgrader"] for cell in cells if grade_id(cell)}
    return {name: data["points"] for name, data in found.items() if data["grade"] and data["solution"] == solution}


def grade_id(cell) -> str | None:
    """A cell's name for nbgrader, None where it has none."""
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def _cell(cell, where):
    kind = next((kind for kind in KINDS if kind in cell.metadata), None)
    if kind is None:
        return cell
    name = cell.metadata[kind]
    _refuse_what_cannot_grade(kind, name, cell, where)
    data = _metadata(f"answer-{name}" if kind == "answer" else name, cell.cell_type, *KINDS[kind])
    if KINDS[kind][0]:
        data["points"] = cell.metadata["points"]
    cell.metadata = NotebookNode(nbgrader=data)
    return cell


def _metadata(name, cell_type, grade, solution, locked):
    return NotebookNode(schema_version=3, grade_id=name, cell_type=cell_type, grade=grade, solution=solution, locked=locked, task=False)


def _refuse_what_cannot_grade(kind, name, cell, where):
    needs = {
        "answer": ["### BEGIN SOLUTION", "### END SOLUTION"],
        "test": ["### BEGIN HIDDEN TESTS", "### END HIDDEN TESTS", f'@graded("{name}"', "# Checks "],
    }
    missing = [text for text in needs.get(kind, []) if text not in cell.source]
    if missing or KINDS[kind][0] and not isinstance(cell.metadata.get("points"), int):
        raise FlowlibError(f"{where} ({kind} {name!r}) lacks {missing or 'points'}; flowlib/teaching/sources.py says what belongs there")
