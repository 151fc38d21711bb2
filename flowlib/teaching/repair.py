"""What students' editors do to a notebook, undone before it is graded: cells that were deleted, copied or split, metadata that is gone."""

from collections import Counter

from flowlib.errors import FlowlibError
from flowlib.teaching.reading import cells_of
from flowlib.teaching.sources import grade_id


def repaired(handed_in, released):
    """A submission as nbgrader takes it. Returns (notebook, names of cells that were put back, names of cells that were there more than once).

    Raises FlowlibError where no cell of the assignment is left.
    """
    if not any(grade_id(cell) for cell in handed_in.cells):
        raise FlowlibError("no cell has nbgrader's metadata any more: copy the answers into a new copy of the assignment")
    whole, doubled = undoubled(handed_in, released)
    whole, missing = completed(whole, released)
    return whole, missing, doubled


def completed(handed_in, released):
    """A submission with the released cells that it lacks put back where they were. Returns (notebook, names of those cells)."""
    cells, missing, before = list(handed_in.cells), [], None
    for cell in released.cells:
        name = grade_id(cell)
        if name is None:
            continue
        if name not in map(grade_id, cells):
            place = 0 if before is None else [grade_id(other) for other in cells].index(before) + 1
            cells.insert(place, cell)
            missing.append(name)
        before = name
    handed_in.cells = cells
    return handed_in, missing


def undoubled(handed_in, released):
    """A submission in which every name belongs to one cell. Returns (notebook, names that belonged to several).

    A cell that is copied or split keeps its metadata, and nbgrader would refuse the notebook. All the cells stay and run in their order; the
    name goes to the last of them that was changed, of tests to the last.
    """
    handed_out = {grade_id(cell): cell for cell in released.cells if grade_id(cell)}
    doubled = [name for name, count in Counter(map(grade_id, handed_in.cells)).items() if name in handed_out and count > 1]
    for name in doubled:
        *copies, last = [cell for cell in handed_in.cells if grade_id(cell) == name]
        changed = [cell for cell in (*copies, last) if cell.source != handed_out[name].source]
        chosen = changed[-1] if changed and not handed_out[name].metadata["nbgrader"]["locked"] else last
        for cell in (*copies, last):
            if cell is not chosen:
                del cell.metadata["nbgrader"]
    for number, cell in enumerate(handed_in.cells if doubled else ()):  # copies may share their ids, too
        cell["id"] = f"cell-{number}"
    return handed_in, doubled


def without_answer(handed_in, task):
    """The submission with the answer to a task taken out: the rest of a notebook whose process dies in this task's test can be graded."""
    for cell in handed_in.cells:
        if grade_id(cell) == f"answer-{task}":
            cell.source = f"# Taken out for grading: the notebook's process died in the test of {task}."
    return handed_in


def texts(path) -> dict[str, str]:
    """Task → text of those that a person grades, in a notebook's file; none where it is not there or cannot be read."""
    return {grade_id(cell): cell.source for cell in cells_of(path, "markdown") if grade_id(cell)}


def timed_out(executed) -> list[str | None]:
    """The names of cells of an executed notebook that were stopped for want of time; None for one that has none."""
    return [grade_id(cell) for cell in executed.cells if any(one.get("ename") == "CellTimeoutError" for one in cell.get("outputs", ()))]
