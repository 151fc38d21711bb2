"""The site for every reader: accessibility by axe, boxes that scroll, questions that remember, the book on paper."""

import importlib.util
import io
from pathlib import Path

import pytest

from built import HTML, PAGES, WIDTHS, browser, needs_browser, needs_site, served, visit  # noqa: F401

pytestmark = [needs_site, needs_browser]

# Colours do not hang on the width, so these two settings see all; two pages are looked at in all four.
SETTINGS = [("desktop", False), ("phone", True)]
RICHEST = [page for page in PAGES if page.endswith(("01_moving_probability", "notation"))]
LOOKS = [(page, *setting) for page in [*PAGES, "search", "404"] for setting in SETTINGS]
LOOKS += [(page, "desktop", True) for page in RICHEST] + [(page, "phone", False) for page in RICHEST]

# Of code, one token of each kind is enough: a page has thousands. Formulas are MathJax's, tested by its makers.
PREPARE = """(() => {
  document.querySelectorAll('details').forEach(e => { e.removeAttribute('name'); e.open = true });
  document.querySelectorAll('.admonition.toggle-hidden .toggle-button').forEach(e => e.click());
  const seen = new Set();
  document.querySelectorAll('.highlight pre span').forEach(e => {
    seen.has(e.className) ? e.setAttribute('data-seen', '') : seen.add(e.className) });
})()"""
LOOK = """axe.run({exclude: [['mjx-container'], ['[data-seen]']]}, {resultTypes: ['violations'],
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']}).then(found => found.violations.flatMap(
    v => v.nodes.map(n => `${v.id}: ${n.target.join(' ')}: ${n.failureSummary.split('\\n')[1].trim()}`)))"""


@pytest.fixture(scope="module")
def axe():
    found = importlib.util.find_spec("axe_core_python")
    if found is None:
        pytest.skip("axe is not installed: pip install axe-core-python")
    return Path(found.origin).with_name("axe.min.js").read_text(encoding="utf-8")


def look(browser, axe):
    """The violations that axe sees in the page that is open."""
    browser.evaluate(PREPARE)
    browser.evaluate(f"{axe};0")
    return browser.evaluate(LOOK)


@pytest.mark.parametrize("page, width, dark", LOOKS)
def test_axe_finds_nothing(browser, axe, page, width, dark):
    visit(browser, f"{HTML.as_uri()}/{page}.html", width, dark)
    assert look(browser, axe) == []


def test_axe_finds_what_is_wrong(browser, axe, tmp_path):
    (tmp_path / "wrong.html").write_text('<html lang="en"><title>x</title><p style="color:#aaa;background:#fff">pale</p><a href="#x"></a><img src="x.png">')
    browser.open((tmp_path / "wrong.html").as_uri())
    assert {found.split(":")[0] for found in look(browser, axe)} == {"color-contrast", "link-name", "image-alt"}


BOXES = """[...document.querySelectorAll('.bd-article *')].filter(e => e.clientWidth > 50 && e.scrollWidth > e.clientWidth + 1
    && ['auto', 'scroll'].includes(getComputedStyle(e).overflowX))"""


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("page", PAGES)
def test_boxes_that_scroll_say_so(browser, page, width):
    visit(browser, f"{HTML.as_uri()}/{page}.html", width)
    browser.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 200)))")
    silent = f"{BOXES}.filter(e => e.tabIndex < 0 || e.role !== 'region' || !e.ariaLabel || getComputedStyle(e).maskImage === 'none')"
    assert browser.evaluate(f"{silent}.map(e => e.outerHTML.slice(0, 120))") == []


def test_a_box_fades_where_there_is_more_and_scrolls_by_keyboard(browser):
    page = next(page for page in PAGES if "01_" in page)
    visit(browser, f"{HTML.as_uri()}/{page}.html", "phone")
    browser.evaluate(f"new Promise(done => setTimeout(done, 300)).then(() => {{ window.box = {BOXES}[0]; box.focus() }})")
    assert browser.evaluate("box.className.match(/more-\\w+/g)") == ["more-right"]
    browser.press(*["ArrowRight"] * 3)
    browser.evaluate("new Promise(done => setTimeout(done, 400))")
    assert browser.evaluate("box.scrollLeft") > 0 and browser.evaluate("box.className").count("more-left") == 1
    browser.evaluate("box.scrollLeft = 1e5; new Promise(done => setTimeout(done, 200))")
    assert browser.evaluate("box.className.match(/more-\\w+/g)") == ["more-left"]


CHAPTER = next((page for page in PAGES if "02_" in page), PAGES[0])
MARKS = "[...document.querySelectorAll('.quiz-mark')].map(e => e.textContent.trim())"
STATUS = "document.querySelector('.quiz-progress [role=status]').textContent"
OPEN = "[...document.querySelectorAll('.flowquiz details[open]')].map(e => e.className)"
ANSWER = "document.querySelectorAll('.flowquiz')[{}].querySelector('.flowquiz-{} summary').click()"


@pytest.fixture(params=["http", "file"])
def chapter(request, browser):
    base = request.getfixturevalue("served") if request.param == "http" else HTML.as_uri()
    visit(browser, f"{base}/{CHAPTER}.html")
    browser.evaluate("localStorage.removeItem('flowlib-book.answers')")
    visit(browser, f"{base}/{CHAPTER}.html")
    return lambda page=CHAPTER: visit(browser, f"{base}/{page}.html")


def test_questions_remember_their_answers_and_forget_them(browser, chapter):
    of = browser.evaluate("document.querySelectorAll('.flowquiz').length")
    assert of >= 2 and browser.evaluate(STATUS).endswith(f"0 of {of} answered, 0 right.")
    browser.evaluate(ANSWER.format(0, "wrong"))
    browser.evaluate(ANSWER.format(1, "right"))
    assert browser.evaluate(STATUS).endswith(f"2 of {of} answered, 1 right.")
    chapter()
    assert browser.evaluate(OPEN) == ["flowquiz-wrong", "flowquiz-right"]
    assert browser.evaluate(STATUS).endswith(f"2 of {of} answered, 1 right.")
    browser.evaluate(ANSWER.format(0, "right"))
    assert browser.evaluate(STATUS).endswith(f"2 of {of} answered, 2 right.")
    chapter("book/intro")
    assert browser.evaluate(STATUS).startswith("Questions that you have answered: 2. ") and browser.evaluate(STATUS).endswith(f", 2 of {of}.")
    assert browser.evaluate(MARKS) == ["✓" if of == 2 else f"2/{of}"]
    browser.evaluate("document.querySelector('.quiz-forget').click()")
    assert browser.evaluate(MARKS) == [] and browser.evaluate("localStorage.getItem('flowlib-book.answers')") is None
    chapter()
    assert browser.evaluate(OPEN) == [] and browser.errors == []


def test_questions_work_by_keyboard(browser, chapter):
    browser.evaluate("document.querySelector('.flowquiz-right summary').focus()")
    browser.press("Enter")
    assert browser.evaluate(OPEN) == ["flowquiz-right"] and "1 right" in browser.evaluate(STATUS)


def test_questions_of_another_edition_are_forgotten(browser, chapter):
    name = CHAPTER.split("/")[-1]
    stale = {"wrong-key": {"choice": 0, "right": True}}
    browser.evaluate(f"localStorage.setItem('flowlib-book.answers', JSON.stringify({{'{name}': {{of: 9, answers: {stale}}}}}))".replace("True", "true"))
    chapter()
    assert " 0 of " in browser.evaluate(STATUS) and browser.evaluate(OPEN) == []


@pytest.mark.parametrize("kept", ["null", "[]", "{", "{\"intro\": 3}", "{\"NAME\": {\"answers\": 1}}"])
def test_what_is_kept_may_be_damaged(browser, chapter, kept):
    browser.evaluate(f"localStorage.setItem('flowlib-book.answers', {kept.replace('NAME', CHAPTER.split('/')[-1])!r})")
    chapter()
    browser.evaluate(ANSWER.format(0, "right"))
    assert "1 right" in browser.evaluate(STATUS) and browser.errors == []


def test_questions_work_where_nothing_may_be_kept(browser, served):
    script = "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError') } })"
    added = browser.command("Page.addScriptToEvaluateOnNewDocument", {"source": script})
    try:
        visit(browser, f"{served}/{CHAPTER}.html")
        browser.evaluate(ANSWER.format(0, "right"))
        assert browser.evaluate(OPEN) == ["flowquiz-right"] and "1 right" in browser.evaluate(STATUS)
        assert not [error for error in browser.errors if "answers.js" in error or "scrolling.js" in error]
    finally:
        browser.command("Page.removeScriptToEvaluateOnNewDocument", added)


def test_the_book_on_paper(browser):
    pypdf, pdf = pytest.importorskip("pypdf"), pytest.importorskip("pdf")
    pages = ["book/intro", CHAPTER]
    parts = [pdf.printed(browser, (HTML / f"{page}.html").as_uri()) for page in pages]
    written = io.BytesIO()
    pdf.join(parts, "The book").write(written)
    book = pypdf.PdfReader(written)
    alone = [len(pypdf.PdfReader(io.BytesIO(content)).pages) for _, content in parts]
    assert len(book.pages) == sum(alone) and alone[0] >= 3 and alone[1] >= 10
    assert [(mark.title, book.get_destination_page_number(mark)) for mark in book.outline] == [(parts[0][0], 0), (parts[1][0], alone[0])]
    text = " ".join(" ".join(page.extract_text() for page in book.pages).split())
    for shown in ("From optimal transport to latent flows", "Solution", "Exercise"):
        assert shown in text
    for hidden in ("Questions of this chapter", "Skip to main content", "Show code cell"):
        assert hidden not in text
