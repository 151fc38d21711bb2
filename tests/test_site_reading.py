"""The site for every reader: accessibility by axe, questions that remember."""

import importlib.util
from pathlib import Path

import pytest
from built import HTML, PAGES, browser, needs_browser, needs_site, served, visit  # noqa: F401

pytestmark = [needs_site, needs_browser]

# A page of each kind: colours do not hang on the width, so these settings see every colour and every width.
CHAPTERS = [page for page in PAGES if page.endswith(("02_optimal_transport", "05_diffusion", "10_baselines"))]
LOOKS = [(page, "desktop", False) for page in ["book/intro", *CHAPTERS, "book/references", "search", "404"]]
LOOKS += [(page, "phone", True) for page in ["book/intro", "book/05_diffusion", "404"] if page in [*PAGES, "404"]]

# Of code, one token of each kind is enough: a page has thousands. Formulas are MathJax's, tested by its makers.
PREPARE = """(() => {
  document.querySelectorAll('details').forEach(e => { e.removeAttribute('name'); e.open = true });
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
    (tmp_path / "wrong.html").write_text(
        '<html lang="en"><title>x</title><p style="color:#aaa;background:#fff">pale</p><a href="#x"></a><img src="x.png">'
    )
    browser.open((tmp_path / "wrong.html").as_uri())
    assert {found.split(":")[0] for found in look(browser, axe)} == {"color-contrast", "link-name", "image-alt"}


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
