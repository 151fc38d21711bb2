"""What students and spreadsheets do to notebooks and tables, one thing at a time: repaired, or read as it was meant."""

import copy
import csv

import nbformat
import pytest

pytest.importorskip("jupytext")

from test_teaching import SOURCE

from flowlib.errors import FlowlibError
from flowlib.teaching.ids import doubts, id_of
from flowlib.teaching.minutes import TEXT, summary, written_down
from flowlib.teaching.repair import completed, repaired, undoubled, without_answer
from flowlib.teaching.sources import grade_id, notebook, sources
from flowlib.teaching.table import update_table


def test_cells_that_were_deleted_are_put_back(tmp_path):
    (tmp_path / "1_small.py").write_text(SOURCE)
    released, handed_in = notebook(tmp_path / "1_small.py"), notebook(tmp_path / "1_small.py")
    handed_in.cells = [cell for cell in handed_in.cells if grade_id(cell) not in ("double", "answer-half")]
    whole, missing = completed(handed_in, released)
    assert missing == ["double", "answer-half"]
    assert [grade_id(cell) for cell in whole.cells if grade_id(cell)] == [grade_id(cell) for cell in released.cells if grade_id(cell)]


def test_of_cells_that_were_copied_or_split_one_keeps_the_name(tmp_path):
    (tmp_path / "1_small.py").write_text(SOURCE)
    released, handed_in = notebook(tmp_path / "1_small.py"), notebook(tmp_path / "1_small.py")
    cells = {grade_id(cell): cell for cell in handed_in.cells}
    copies = []
    for name, sources_ in (
        ("answer-double", ["def double(x):\n    return 2 * x", cells["answer-double"].source]),
        ("double", ["pass", "assert 0"]),
    ):
        place = handed_in.cells.index(cells[name])
        for source in sources_:
            copies.append(copy.deepcopy(cells[name]))
            copies[-1].source = source
            handed_in.cells.insert(place + 1, copies[-1])
    whole, doubled = undoubled(handed_in, released)
    named = [(grade_id(cell), cell.source) for cell in whole.cells if grade_id(cell)]
    assert sorted(doubled) == ["answer-double", "double"] and len(named) == len(dict(named)) == len(
        [cell for cell in released.cells if grade_id(cell)]
    )
    assert dict(named)["answer-double"].startswith("def double(x):\n    return 2 * x"), (
        "the one that was changed, also where it is not the last"
    )
    assert len({cell["id"] for cell in whole.cells}) == len(whole.cells) and all(one in whole.cells for one in copies), "all cells stay"
    nbformat.validate(whole)


def test_of_two_drafts_of_an_answer_the_later_one_counts(tmp_path):
    (tmp_path / "1_small.py").write_text(SOURCE)
    released, handed_in = notebook(tmp_path / "1_small.py"), notebook(tmp_path / "1_small.py")
    answer = next(cell for cell in handed_in.cells if grade_id(cell) == "answer-double")
    later = copy.deepcopy(answer)
    answer.source, later.source = "def double(x):\n    return x + 2", "def double(x):\n    return x + x"
    handed_in.cells.insert(handed_in.cells.index(answer) + 1, later)
    whole, doubled = undoubled(handed_in, released)
    assert doubled == ["answer-double"]
    assert [cell.source for cell in whole.cells if grade_id(cell) == "answer-double"] == ["def double(x):\n    return x + x"]


def test_a_notebook_without_any_metadata_is_not_graded_with_zero(tmp_path):
    (tmp_path / "1_small.py").write_text(SOURCE)
    released, handed_in = notebook(tmp_path / "1_small.py"), notebook(tmp_path / "1_small.py")
    for cell in handed_in.cells:
        cell.metadata.pop("nbgrader", None)
    with pytest.raises(FlowlibError, match="no cell has nbgrader's metadata any more"):
        repaired(handed_in, released)


def test_an_answer_is_taken_out(tmp_path):
    (tmp_path / "1_small.py").write_text(SOURCE)
    book = notebook(tmp_path / "1_small.py")
    before = [cell.source for cell in book.cells]
    after = without_answer(book, "double")
    changed = [cell for cell, source in zip(after.cells, before, strict=True) if cell.source != source]
    assert [grade_id(cell) for cell in changed] == ["answer-double"] and "2 * x" not in changed[0].source
    nbformat.validate(after)


def test_a_table_keeps_what_it_has_of_others(tmp_path):
    table, names = tmp_path / "points.csv", ["student", "assignment", "points"]
    update_table(table, names, [("ann", "1", 3), ("bob", "1", None)])
    update_table(table, names, [("ann", "2", 5), ("bob", "1", 4)])
    assert list(csv.reader(table.open())) == [names, ["ann", "1", "3"], ["ann", "2", "5"], ["bob", "1", "4"]]
    table.write_text(table.read_text(), encoding="utf-8-sig")  # as a spreadsheet saves it
    update_table(table, names, [("bob", "2", 1)])
    assert len(list(csv.reader(table.open()))) == 5
    before = table.read_bytes()
    update_table(table, [*names, "note"], [("ann", "2", 5, "late")])
    assert list(csv.reader(table.open())) == [[*names, "note"], ["ann", "2", "5", "late"]]
    assert [path.read_bytes() for path in tmp_path.glob("points.csv.*")] == [before], "what has other columns is kept"


def test_a_table_in_another_encoding_is_kept_aside(tmp_path, capsys):
    """A spreadsheet that writes Latin-1: its names would be garbled for good."""
    table, names = tmp_path / "points.csv", ["student", "assignment", "points"]
    before = "student,assignment,points\nzo\u00eb,1,3\n".encode("latin-1")
    table.write_bytes(before)
    update_table(table, names, [("bob", "1", 4)])
    assert list(csv.reader(table.open(encoding="utf-8"))) == [names, ["bob", "1", "4"]]
    assert [path.read_bytes() for path in tmp_path.glob("points.csv.*")] == [before]
    assert "saved by another program: it is kept as" in capsys.readouterr().out


def test_ids_that_are_nobodys_own_are_named(tmp_path):
    paths = []
    for student, line in (
        ("ann", 'STUDENT = "ann"'),
        ("cat", "STUDENT = ' Ann'"),
        ("bob", 'STUDENT = "your id"'),
        ("dan", 'STUDENT = "dan"'),
        ("eve", "x = 1"),
        ("fay", """STUDENT = "o'neil\""""),
        ("gus", """STUDENT = "o'brien\""""),
    ):
        paths.append(tmp_path / student / "1_small.ipynb")
        paths[-1].parent.mkdir()
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(f"import os\n{line}")]), paths[-1])
    assert doubts([*paths, tmp_path / "none" / "1_small.ipynb"]) == [
        "1_small: ann, cat have the same STUDENT, 'ann'", "1_small: bob left STUDENT as it was, so the data are not their own",
    ]  # fmt: skip
    assert all('STUDENT = "your id"' in source.read_text() for name, source in sources().items() if "STUDENT" in source.read_text())


@pytest.mark.parametrize(
    "line, wanted",
    [
        ("Minutes: 90", 90), (f"{TEXT} 7.5\n", 7.5), ("Minutes: 5\n\nMinutes: 6 or so", 6), (TEXT, None), (f"{TEXT}\n\nsorry", None), ("Minutes: long", None),
        ("Minutes: -5", None), ("Minutes: 0", None), ("Minutes: NaN", None), ("Minutes: inf", None), ("Minutes: 1e9", None), ("no such line", None),
        ("Minutes: 120min", 120), ("Minutes: ~100", 100), ("Minutes: 1:30", 90), ("Minutes: ca. 2 h", 120), ("Minutes: **120**", 120), ("**Minutes:** 90", 90),
        ("Minutes: 1,5 hours", 90), ("Minutes: 45 minutes", 45), ("Minutes: 1 h 5 min", 65), ("Minutes: 3-4 h", None),
        ("Minutes: 2 to 3 hours", None), ("Minutes: 1,000", None), ("Minutes: 1 1/2 h", None), ("Minutes: 12:30-14:00", None),
        ("Minutes: 2 hrs", 120), ("Minutes: 1 h 30 min", 90), ("Minutes: 1h30", 90), ("Minutes: 90 (10:15 to 11:45)", 90), ("Minutes: 1.5 h", 90),
    ],
)  # fmt: skip
def test_minutes_are_a_number_or_nothing(tmp_path, line, wanted):
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(line)]), tmp_path / "1_small.ipynb")
    assert written_down(tmp_path / "1_small.ipynb") == wanted
    assert written_down(tmp_path / "no such file.ipynb") is None


def test_minutes_of_a_class():
    assert summary([60.0, None, 100.0, 70.0]) == "median 70 minutes, 60 to 100 (3 of 4 wrote them down)"
    assert summary([None]) == "nobody wrote down minutes"


def test_the_last_id_counts(tmp_path):
    """As it does for the notebook that runs."""
    for cell, found in (('STUDENT = "a"\nSTUDENT = "b"', "b"), ("STUDENT = 12", "12"), ("STUDENT = 1_234  # mine", "1234")):
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
        nbformat.write(book, tmp_path / "1_small.ipynb")
        assert id_of(tmp_path / "1_small.ipynb") == found
