"""The times on the page "Teaching with this book", computed from what the chapters and the assignments hold.

python book/_tools/course_times.py            rewrite them in book/teaching.md, and what the assignments tell students to plan
python book/_tools/course_times.py --check    change nothing; fail if a text differs
"""

import re
import statistics
import sys
from dataclasses import dataclass

from notebooks import BOOK, read, tags, write_text
from notebooks import rewritten as between_marks

from flowlib.experiments.tables import layout, read_results
from flowlib.teaching.sources import grade_id, notebook, points, sources, written

WORDS, FORMULA, CELL = 100, 1, 1  # words a minute; minutes for a formula that stands by itself, and for a cell of code
EXERCISE, OPEN = 15, 30  # minutes for an exercise, and for an open one
TEST_POINT, READER_POINT, SEEDS = 4, 5, 3  # minutes for a point that a test gives, and that a reader gives; seeds trained for the project
# name → (minutes in class a week, its weeks as (chapters, exercises or None for all, assignments))
SYLLABI = {
    "three weeks": (180, [((1, 2), 0, (1,)), ((3, 4), 0, (2,)), ((6, 8), 0, (3,))]),
    "six weeks": (120, [((1, 2), 0, (1,)), ((3, 4), 0, (2,)), ((5, 6), 2, ()), ((7, 8), 0, (3,)), ((9, 10), 0, ()), ((11,), 0, (4,))]),
    "alone": (0, [((n,), None, {2: (1,), 4: (2,), 8: (3,), 10: (4,)}.get(n, ())) for n in range(1, 17)]),
}
PAGE = BOOK / "teaching.md"


@dataclass
class Part:
    """A chapter or an assignment: what there is to read, and minutes of running it and of work on its exercises or tasks."""

    words: int
    formulas: int
    cells: int
    running: float = 0.0
    work: float = 0.0

    @property
    def reading(self):
        return self.words / WORDS + self.formulas * FORMULA + self.cells * CELL

    @property
    def plan(self):
        """Without running, which goes on by itself."""
        return five(self.reading + self.work)

    def line(self):
        return [five(self.reading), five(self.work), f"{self.running:.1f}", f"{round(self.words, -2)}", f"{self.formulas}", f"{self.cells}"]


def five(minutes) -> str:
    """To five minutes: more is not known."""
    return str(5 * round(minutes / 5))


def counted(cells) -> Part:
    """What is read: texts, with a formula within a line as a word, and code, but neither the set-up cell nor answers."""
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    text = re.sub("### BEGIN SOLUTION.*?### END SOLUTION", "", text, flags=re.S)
    text, formulas = re.subn(r"\$\$.+?\$\$", " ", text, flags=re.S)
    text = re.sub(r"\$[^$]+\$", " formula ", text)
    text = re.sub(r"^\s*[`:]{3,}.*$|^:[\w-]+:.*$|\([\w-]+\)=?$|\{[\w:-]+\}|<[^>\n]*>", " ", text, flags=re.M)  # directives, labels, roles
    code = [cell for cell in cells if cell.cell_type == "code" and "colab" not in tags(cell) and not str(grade_id(cell)).startswith("answer-")]
    return Part(len(re.findall(r"\w[\w'’-]*", text)), formulas, len(code))


def chapter(path, seconds) -> Part:
    """Read is what stands before the exercises."""
    cells = read(path).cells
    end = next(index for index, cell in enumerate(cells) if re.search("^## Exercises", cell.source, re.M))
    cells[end].source, exercises = re.split("^## Exercises", cells[end].source, maxsplit=1, flags=re.M)
    part = counted(cells[: end + 1])
    exercises = "\n\n".join([exercises, *(cell.source for cell in cells[end + 1 :] if cell.cell_type == "markdown")])
    count, discussed = len(re.findall(r"^[`:]{3,}\{exercise(?:-start)?\}", exercises, re.M)), exercises.count("(open)")
    part.running, part.work = seconds / 60, EXERCISE * (count - discussed) + OPEN * discussed
    return part


def assignment(path) -> Part:
    cells = notebook(path).cells
    part = counted(cells)
    part.work = TEST_POINT * sum(points(cells).values()) + READER_POINT * sum(written(cells).values())
    if written(cells):
        part.running = SEEDS * statistics.mean(row["trained"]["seconds"] for row in read_results("comparison")["rows"]) / 60
    return part


def course(name, chapters, assignments):
    """The line of a syllabus, in hours."""
    (meeting, weeks), table = SYLLABI[name], []  # a row for each week
    for numbers, exercises, tasks in weeks:
        parts = [chapters[n] for n in numbers]
        work = sum(part.work for part in parts) if exercises is None else EXERCISE * exercises
        handed_in = sum(part.reading + part.running + part.work for part in (assignments[n] for n in tasks))
        table.append([meeting, sum(part.reading for part in parts), work, handed_in, sum(part.running for part in parts)])
    weekly = [sum(row) for row in table]
    return [name, *(f"{minutes / 60:.1f}" for minutes in (statistics.mean(weekly), max(weekly), sum(weekly), *map(sum, zip(*table))))]


def made() -> str:
    """What stands between the page's marks."""
    ran = re.findall(r"(\{doc\}`(\d+) <(\w+)>`) \| (\d+) \|", (BOOK / "running.md").read_text(encoding="utf-8"))
    chapters = {int(number): chapter(BOOK / f"{name}.ipynb", int(seconds)) for _, number, name, seconds in ran}
    assignments = {number: assignment(path) for number, path in enumerate(sources().values(), start=1)}
    counts = ["running", "words", "formulas", "cells"]
    first = [["chapter", "reading", "exercises", *counts], *([link, *chapters[int(number)].line()] for link, number, *_ in ran)]
    second = [["assignment", "plan", "reading", "tasks", *counts], *([str(n), part.plan, *part.line()] for n, part in assignments.items())]
    third = [["syllabus", "a week", "fullest week", "in all", "in class", "reading", "exercises", "assignments", "running"]]
    return f"""- Reading: {WORDS} words a minute, where a formula within a line is a word; {FORMULA} minute for each formula that stands by itself, and {CELL} for each cell of code.
- Running: what all cells of a chapter took from the first one on, as {{doc}}`running` shows; for assignment 4, the mean training of the committed comparison, for {SEEDS} seeds.
- Exercises: {EXERCISE} minutes each, and {OPEN} for an open one.
- Tasks: {TEST_POINT} minutes for each point that a test gives, and {READER_POINT} for each that a reader gives.
- In class: {SYLLABI["three weeks"][0]} minutes a week in the unit of three weeks, {SYLLABI["six weeks"][0]} in the seminar of six.

Minutes for each chapter, with words to a hundred; what follows the exercises is not counted:

{layout(first, "markdown")}

Minutes for each assignment; the plan is reading and tasks:

{layout(second, "markdown")}

Hours for each syllabus; a chapter that is read in part counts as a whole:

{layout([*third, *(course(name, chapters, assignments) for name in SYLLABI)], "markdown")}"""


def rewritten() -> dict:
    """File → its text with the times as they are computed now: the page, and the assignments."""
    texts = {PAGE: between_marks(PAGE.read_text(encoding="utf-8"), {"times": made()})}
    for path in sources().values():
        texts[path], count = re.subn(r"Plan \d+ minutes", f"Plan {assignment(path).plan} minutes", path.read_text(encoding="utf-8"))
        if count != 1:
            raise SystemExit(f"{path.name} needs one 'Plan … minutes'")
    return texts


def main(arguments):
    differing = {path: text for path, text in rewritten().items() if text != path.read_text(encoding="utf-8")}
    if arguments == ["--check"]:
        sys.exit(f"times differ in {[path.name for path in differing]}: run python book/_tools/course_times.py" if differing else 0)
    for path, text in differing.items():
        write_text(text, path)


if __name__ == "__main__":
    main(sys.argv[1:])
