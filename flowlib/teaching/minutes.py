"""How long students took, as they write it into the last text of their notebooks: of free will, and never graded."""

import re
import statistics

from flowlib.teaching.reading import text_of
from flowlib.teaching.table import update_table

TEXT = """How long did it take you? If you like, write a number behind the colon. It is not graded, and helps to plan the next course.

Minutes:"""
WEEK = 7 * 24 * 60
HOURS = ("h", "hr", "hrs", "hour", "hours")


def written_down(path) -> float | None:
    """What follows the last `Minutes:` in the texts of a submission; None where that is no number above 0 and within a week."""
    try:
        minutes = _minutes(re.findall(r"^\W*Minutes\W*?:(.*)$", text_of(path, "markdown"), re.M)[-1])
    except (IndexError, AttributeError, ValueError):  # no such line, no number: nobody loses anything by it
        return None
    return minutes if 0 < minutes <= WEEK else None


def _minutes(text) -> float:
    """A number as people write it: 90, ~100, **120**, 120min, 1:30, 1 h 5 min, ca. 2 h. ValueError for what may mean several, such as 3-4 h."""
    if re.match(r"\D*(?:[\d.,:]+ *[^\W\d_]* *(?:-|–|to|or|/) *\d|\d+,\d{3}|\d+ +\d)", text, re.I):
        raise ValueError(text)
    both = re.match(r"\D*(\d+) *(?::|h(?:(?:ou)?rs?)?) *(?:and *)?(\d\d?)(?!\d)", text, re.I)  # hours first, and minutes
    if both:
        return 60 * int(both[1]) + int(both[2])
    number, attached, word = re.search(r"(-?\d+(?:[.,]\d+)?)([^\W\d_]*)\s*(\w*)", text).groups()
    if attached and attached.lower() not in (*HOURS, "m", "min", "mins", "minutes"):
        raise ValueError(text)
    return float(number.replace(",", ".")) * (60 if (attached or word).lower() in HOURS else 1)


def collect(paths, table) -> dict[str, list[float | None]]:
    """Write student, assignment and minutes of every submission STUDENT/NAME.ipynb; returns assignment → minutes."""
    taken, rows = {}, []
    for path in paths:
        minutes = written_down(path)
        rows.append((path.parent.name, path.stem, minutes))
        taken.setdefault(path.stem, []).append(minutes)
    update_table(table, ["student", "assignment", "minutes"], rows)
    return taken


def summary(taken: list[float | None]) -> str:
    """Median and range over the students who wrote a number."""
    said = [minutes for minutes in taken if minutes is not None]
    if not said:
        return "nobody wrote down minutes"
    return f"median {statistics.median(said):g} minutes, {min(said):g} to {max(said):g} ({len(said)} of {len(taken)} wrote them down)"
