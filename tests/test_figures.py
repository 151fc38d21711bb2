"""`make figures`: what a chapter shows becomes SVG files, named by chapter and figure; the same each time."""

import re
import sys
import xml.etree.ElementTree as xml
import zipfile

import pytest

pytest.importorskip("nbclient")

import figures  # noqa: E402
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook  # noqa: E402
from notebooks import ROOT, chapters, read, write  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"
DRAW = """
from flowlib import viz
figure, axes = viz.new_figure(height=2)
axes.plot([0, 1], [0, 1])
axes.imshow([[0, 1], [1, 0]])
figure"""
TWO = "first, second = (viz.new_figure(height=2)[0] for _ in range(2))\ndisplay(first, second)"


def cell(source, name=None):
    return new_code_cell(source, metadata={"mystnb": {"figure": {"name": name}}} if name else {})


@pytest.fixture(scope="module")
def chapter(tmp_path_factory):
    path = tmp_path_factory.mktemp("chapter") / "07_small.ipynb"
    setup = new_code_cell("", metadata={"tags": ["colab"]})
    cells = [new_markdown_cell("# Small"), setup, cell(DRAW, "fig-one"), cell(TWO, "fig-two"), cell("print(1)"), cell("first")]
    write(new_notebook(cells=cells), path)
    return path


@pytest.fixture(scope="module")
def runs(chapter):
    """The figures of the chapter, twice."""
    before = chapter.read_bytes()
    found = [figures.figures(chapter) for _ in range(2)]
    assert chapter.read_bytes() == before, "the chapter itself stays as it is"
    return found


def test_figures_are_named_by_chapter_and_figure_or_cell(runs):
    assert list(runs[0]) == ["07-fig-one.svg", "07-fig-two-1.svg", "07-fig-two-2.svg", "07-cell-5.svg"]


def test_a_figure_is_an_svg_that_shows_lines_and_pictures_and_asks_nobody(runs):
    tree = xml.fromstring(runs[0]["07-fig-one.svg"])
    assert tree.tag == f"{SVG}svg" and len(list(tree.iter(f"{SVG}path"))) > 5 and len(list(tree.iter(f"{SVG}image"))) == 1
    links = re.findall(r'(?:href|src)="([^"]*)"', runs[0]["07-fig-one.svg"])
    assert links and all(link.startswith(("#", "data:image/png;base64,")) for link in links)


def test_the_same_figure_is_the_same_file(runs):
    assert runs[0] == runs[1]


def test_all_are_written_and_packed_with_the_drawings(chapter, tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "figures", lambda path: {"07-fig-one.svg": "<svg/>"})
    monkeypatch.setattr(sys, "argv", ["figures.py", str(chapter), "-o", str(tmp_path / "out")])
    assert figures.main() == 0
    with zipfile.ZipFile(tmp_path / "out" / figures.ARCHIVE) as archive:
        assert set(archive.namelist()) == {"07-fig-one.svg", *figures.DRAWN}
        assert all(archive.read(name) == (ROOT / "book" / "_static" / name).read_bytes() for name in figures.DRAWN)


def test_no_two_figures_of_the_book_have_one_name():
    names = [
        (path.stem.split("_")[0], name)
        for path in chapters()
        for cell in read(path).cells
        if (name := cell.metadata.get("mystnb", {}).get("figure", {}).get("name"))
    ]
    assert len(names) > 40 and len(set(names)) == len(names)
