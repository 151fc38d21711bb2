"""The book on paper: pages printed by the browser and joined, each with its bookmark, its words, and its solutions open."""

import sys

import pytest
from built import HTML, needs_browser, needs_site

pytest.importorskip("pypdf")

import pdf  # noqa: E402
from bs4 import BeautifulSoup  # noqa: E402
from pypdf import PdfReader  # noqa: E402

pytestmark = [needs_site, needs_browser]
PRINTED = ["book/intro", "book/05_diffusion"]


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    path = tmp_path_factory.mktemp("pdf") / "book.pdf"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["pdf.py", *PRINTED, "-o", str(path)])
        assert pdf.main() == 0
    assert [file.name for file in path.parent.iterdir()] == ["book.pdf"], "nothing half-written is left"
    return PdfReader(path)


def article(page):
    return BeautifulSoup((HTML / f"{page}.html").read_text(encoding="utf-8"), "html.parser").find(class_="bd-article")


def squeezed(text):
    """A text's letters and digits alone: how a printer breaks lines and joins letters does not matter."""
    return "".join(letter for letter in text.replace("ﬁ", "fi").replace("ﬂ", "fl").replace("ﬀ", "ff").replace("ﬃ", "ffi") if letter.isalnum())


def test_each_page_of_the_site_begins_a_page_and_has_a_bookmark(book):
    assert [squeezed(mark.title) for mark in book.outline] == [squeezed(article(page).h1.get_text().rstrip("#")) for page in PRINTED]
    starts = [book.get_destination_page_number(mark) for mark in book.outline]
    assert starts[0] == 0 < starts[1] and len(book.pages) > starts[1] + 3
    for mark, start in zip(book.outline, starts):
        assert squeezed(mark.title) in squeezed(book.pages[start].extract_text())
    assert book.metadata.title == pdf.TITLE
    sizes = {tuple(float(side) for side in page.mediabox[2:]) for page in book.pages}
    assert all(abs(width - 595.3) < 1.5 and abs(height - 841.9) < 1.5 for width, height in sizes), "A4"


def test_the_words_are_there_the_solutions_open_and_the_answers_closed(book):
    printed = squeezed("".join(page.extract_text() for page in book.pages))
    chapter = article(PRINTED[1])
    for number in chapter.select(".caption-number"):
        assert squeezed(number.get_text()) in printed
    plain = [p.get_text() for p in chapter.select("section > p") if not p.find(class_="math") and not p.find("code")]
    assert len(plain) > 5 and [text for text in plain if squeezed(text) not in printed] == []
    solution = next(p.get_text() for p in chapter.select(".solution p") if not p.find(class_="math") and len(p.get_text().split()) > 5)
    assert squeezed(solution) in printed
    answers = [p.get_text() for p in chapter.select(".flowquiz details > p")]
    assert answers and [text for text in answers if squeezed(text) in printed] == []


def test_pictures_are_printed_and_navigation_is_not(book):
    shown = sum(len(page.images) for page in book.pages)
    assert shown >= len(article(PRINTED[1]).select(".cell_output figure > a > img, .cell_output figure > img"))
    first = book.pages[0].extract_text()
    assert "Search" not in first and "Contents" not in first


def test_a_page_that_is_not_built_is_named(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["pdf.py", "book/nowhere"])
    with pytest.raises(SystemExit, match="not built: book/nowhere"):
        pdf.main()
