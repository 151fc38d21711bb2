"""The assignments as students of Colab meet them: released notebooks run from their set-up cell on, untouched and answered.

Untouched, every cell may fail, but only because nothing is answered yet, and the last cell has to list every task. With the
solutions (hidden tests taken out, as a student has none) nothing may fail, and the last cell has to say that all is answered.
"""

from pathlib import Path

from notebooks import code_cells, read

from flowlib.teaching.classroom import build
from flowlib.teaching.sources import points, written

OPEN = ("NotYet", "NotImplementedError")  # what an unanswered task may raise


def notebooks(folder: Path):
    """Build the assignments into `folder`; yields (name, notebook, whether it is answered)."""
    for released in build(folder):
        name = released.stem
        yield name, read(released), False
        solved = read(folder / "instructor" / name / f"{name}.ipynb")
        for cell in code_cells(solved):
            cell.source = cell.source.split("### BEGIN HIDDEN TESTS")[0]
        yield f"{name}, answered", solved, True


def problems(notebook, answered: bool) -> list[str]:
    """What is wrong with a notebook of an assignment that has been run to its end, errors kept in its outputs."""
    cells, found = code_cells(notebook), []
    for index, cell in enumerate(cells):
        allowed = () if answered or index == 0 else OPEN
        found += [f"cell {index}: {error.ename}: {error.evalue}" for error in errors(cell) if error.ename not in allowed]
    said = "".join(output.get("text", "") for output in cells[-1].outputs)
    tasks = points(notebook.cells)
    if missing := [task for task in tasks | written(notebook.cells) if not any(line.startswith(task) for line in said.splitlines())]:
        found.append(f"the last cell does not list {', '.join(missing)}")
    wanted = "Everything is answered." if answered else f"Still open: {', '.join(tasks)}."
    return found + [f"the last cell does not say {wanted!r}"] * (wanted not in said)


def errors(cell):
    return [output for output in cell.outputs if output.output_type == "error"]
