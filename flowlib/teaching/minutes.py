"""How long students took, as they write it into the last text of their notebooks: of free will, and never graded."""

import re
import statistics

import nbformat

from flowlib.atomic_io import write_csv

TEXT = """How long did it take you? If you like, write a number behind the colon. It is not graded, and helps to plan the next course.

Minutes:"""
WEEK = 7 * 24 * 60


def written_down(path) -> float | None:
    """What follows the last `Minutes:` in the texts of a submission; None where that is no number above 0 and within a week."""
    try:
        texts = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown"]
        minutes = float(re.findall(r"^Minutes:[ \t]*(\S+)", "\n".join(texts), re.M)[-1])
    except Exception:  # a broken file, no such line, no number: nobody loses anything by it
        return None
    return minutes if 0 < minutes <= WEEK else None


def collect(paths, table) -> dict[str, list[float | None]]:
    """Write student, assignment and minutes of every submission STUDENT/NAME.ipynb; returns assignment → minutes."""
    taken, rows = {}, [("student", "assignment", "minutes")]
    for path in paths:
        minutes = written_down(path)
        rows.append((path.parent.name, path.stem, minutes))
        taken.setdefault(path.stem, []).append(minutes)
    write_csv(table, rows)
    return taken


def summary(taken: list[float | None]) -> str:
    """Median and range over the students who wrote a number."""
    said = [minutes for minutes in taken if minutes is not None]
    if not said:
        return "nobody wrote down minutes"
    return f"median {statistics.median(said):g} minutes, {min(said):g} to {max(said):g} ({len(said)} of {len(taken)} wrote them down)"
