"""The times on the teaching page are those that the counts and the rates give."""

import re

import course_times as times
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from notebooks import chapters, write

TEXT = """# Two words

:::{admonition} See {ref}`here <there>`
:class: tip
Where $a < b$ and $c > d$, don't stop.
:::

(label)=
$$
a = b
$$ (eq-a)
"""
EXERCISES = """Last one.

## Exercises

```{exercise} Why
:label: ex-why
Because?
```

````{exercise-start} What if (open)
:label: ex-what
````
"""


def test_the_page_and_the_assignments_show_what_is_computed():
    differing = [path.name for path, text in times.rewritten().items() if text != path.read_text(encoding="utf-8")]
    assert differing == [], "run python book/_tools/course_times.py"


def test_what_is_counted():
    cells = [new_markdown_cell(TEXT), new_code_cell("import flowlib", metadata={"tags": ["colab"]}), new_code_cell("draw()")]
    part = times.counted(cells)
    assert (part.words, part.formulas, part.cells) == (len("Two words Where formula and formula don't stop".split()), 1, 1)


def test_a_chapter_is_read_until_its_exercises(tmp_path):
    notebook = new_notebook(
        cells=[new_code_cell("draw()"), new_markdown_cell(EXERCISES), new_code_cell("answer = None"), new_markdown_cell("Not read.")]
    )
    write(notebook, tmp_path / "01_short.ipynb")
    part = times.chapter(tmp_path / "01_short.ipynb", 90)
    assert (part.words, part.formulas, part.cells, part.running) == (2, 0, 1, 1.5)
    assert part.work == times.EXERCISE + times.OPEN
    assert part.reading == 2 / times.WORDS + times.CELL


def test_a_course_adds_up():
    parts = {n: times.Part(words=0, formulas=n, cells=0, running=1.0, work=60.0) for n in range(1, 17)}
    tasks = {n: times.Part(words=0, formulas=60, cells=0, work=60.0) for n in range(1, 5)}
    name, *found = times.course("three weeks", parts, tasks)
    assert name == "three weeks"
    assert found == ["5.2", "5.3", "15.5", "9.0", "0.4", "0.0", "6.0", "0.1"]  # 540, 24, 0, 360 and 6 minutes; 305 … 316 a week
    assert times.course("alone", parts, tasks)[6] == "16.0", "all exercises"


def test_every_chapter_and_every_count_is_there():
    rows = re.findall(r"^\| \{doc\}`\d+ <(\w+)>`((?: \| [\d.]+){6}) \|$", times.made(), re.M)
    assert [name for name, _ in rows] == [path.stem for path in chapters() if path.stem[0].isdigit()]


def test_assignments_take_as_long_as_promised():
    plans = [times.assignment(path).plan for path in times.sources().values()]
    assert len(plans) == 4 and all(60 <= int(plan) <= 120 for plan in plans)


def test_a_page_without_marks_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(times, "PAGE", tmp_path / "teaching.md")
    (tmp_path / "teaching.md").write_text("no marks")
    with pytest.raises(SystemExit, match="marks"):
        times.rewritten()
