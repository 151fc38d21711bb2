"""The site for every reader: accessibility by axe, questions that remember."""

import importlib.util
import json
from pathlib import Path

import pytest
from built import HTML, PAGES, WIDTHS, browser, needs_browser, needs_site, served, visit  # noqa: F401

pytestmark = [needs_site, needs_browser]

# Formulas are MathJax's, tested by its makers. Of the rest everything is looked at, also what is folded.
PREPARE = """(() => {
  document.head.append(Object.assign(document.createElement('style'), {textContent: '* { transition: none !important; animation: none !important }'}));
  document.querySelectorAll('details').forEach(e => { e.removeAttribute('name'); e.open = true });
  document.querySelectorAll('mjx-container').forEach(e => e.replaceWith('x'));
  document.querySelectorAll('.highlight pre span').forEach(e => e.textContent || e.remove());
  document.querySelectorAll('article script').forEach(e => e.remove());
})()"""
# A colour comes from an element's kind and from the boxes that it is in: one element of each is enough for colours.
THIN = """(() => {
  const seen = new Set(), kind = e => e.tagName + '.' + e.className + (e.getAttribute('style') || '') + (e.href ? '@' : '');
  const path = e => e.parentElement && e.tagName !== 'ARTICLE' ? path(e.parentElement) + kind(e) : '';
  for (const e of [...document.querySelectorAll('article *')].reverse()) {
    if (e.children.length || !e.parentElement) continue;
    const name = path(e);
    seen.has(name) ? e.remove() : seen.add(name);
  }
})()"""
LOOK = """(({rules, only}) => axe.run(document, {resultTypes: ['violations'], preload: false, iframes: false, ...only, rules})
  .then(found => found.violations.flatMap(v => v.nodes.map(
    n => `${v.id}: ${n.target.join(' ')}: ${n.failureSummary.split('\\n')[1].trim()}`))))"""
LEVELS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
STRUCTURE = {"only": LEVELS, "rules": {"color-contrast": {"enabled": False}}}
COLOURS = {"only": {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}}
FRAMES = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))"


@pytest.fixture(scope="module")
def axe():
    found = importlib.util.find_spec("axe_core_python")
    if found is None:
        pytest.skip("axe is not installed: pip install axe-core-python")
    return Path(found.origin).with_name("axe.min.js").read_text(encoding="utf-8")


def look(browser, what) -> list[str]:
    """The violations of level A and AA that axe sees in the page as it stands."""
    return browser.evaluate(f"{FRAMES}.then(() => {LOOK}({json.dumps(what)}))")


def looks(browser, axe, address) -> dict:
    """The violations of a page in both widths, light and dark; it is loaded once, in the desktop's light."""
    visit(browser, address)
    browser.evaluate(PREPARE)
    browser.evaluate(f"{axe};axe.configure({{noHtml: true}});0")
    found = {}
    for width, size in WIDTHS.items():
        browser.resize(*size)
        found[width] = look(browser, STRUCTURE)
    browser.evaluate(THIN)
    for width, size in WIDTHS.items():
        for dark in (False, True):
            browser.resize(*size, dark)
            found[width, "dark" if dark else "light"] = look(browser, COLOURS)
    return {how: seen for how, seen in found.items() if seen}


@pytest.mark.parametrize("page", [*PAGES, "search", "genindex", "404"])
def test_axe_finds_nothing(browser, axe, page):
    assert looks(browser, axe, f"{HTML.as_uri()}/{page}.html") == {}


def test_axe_finds_what_is_wrong(browser, axe, tmp_path):
    (tmp_path / "wrong.html").write_text(
        '<html lang="en"><title>x</title><p style="color:#aaa;background:#fff">pale</p><a href="#x"></a><img src="x.png">'
    )
    seen = looks(browser, axe, (tmp_path / "wrong.html").as_uri())
    assert {found.split(":")[0] for found in seen["phone"]} == {"link-name", "image-alt"}
    assert {found.split(":")[0] for found in seen["phone", "light"]} == {"color-contrast"}


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


def test_questions_work_where_nothing_can_be_stored(browser, served):
    """A reader who forbids storage: every use of it throws."""
    forbid = "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('denied', 'SecurityError') } })"
    made = browser.command("Page.addScriptToEvaluateOnNewDocument", {"source": forbid})
    try:
        visit(browser, f"{served}/{CHAPTER}.html")
        assert browser.evaluate("(() => { try { localStorage; return 'allowed' } catch { return 'denied' } })()") == "denied"
        browser.evaluate(ANSWER.format(0, "wrong"))
        browser.evaluate(ANSWER.format(1, "right"))
        assert browser.evaluate(OPEN) == ["flowquiz-wrong", "flowquiz-right"] and "2 of" in browser.evaluate(STATUS)
        browser.evaluate("document.querySelector('.quiz-forget').click()")
        assert browser.evaluate(OPEN) == [] and ": 0 of" in browser.evaluate(STATUS) and not [e for e in browser.errors if "answers.js" in e]
    finally:
        browser.command("Page.removeScriptToEvaluateOnNewDocument", made)


# The text of a formula for screen readers, which nobody sees, is wider than the formula.
# Every box of the article that scrolls sideways, and how it says so: [kind, fades right, fades left, can be reached, its name].
BOXES = """[...document.querySelectorAll('.bd-article *')].filter(e => e.scrollWidth - e.clientWidth > 2 && e.clientWidth
    && !(e.matches('span.math') && e.querySelector('mjx-math').getBoundingClientRect().right <= e.getBoundingClientRect().right + 1)
    && ['auto', 'scroll'].includes(getComputedStyle(e).overflowX)).map(e => [e.tagName + '.' + e.className,
    /gradient\\(to left/.test(getComputedStyle(e).maskImage), /gradient\\(to right/.test(getComputedStyle(e).maskImage), e.tabIndex, e.ariaLabel])"""


@pytest.mark.parametrize("page", [page for page in PAGES if page.endswith(("intro", "03_dynamic_transport", "10_baselines"))])
def test_what_scrolls_on_a_phone_shows_it(browser, page):
    visit(browser, f"{HTML.as_uri()}/{page}.html", "phone")
    browser.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true })")
    browser.evaluate("new Promise(done => setTimeout(() => done(0), 300))")
    boxes = browser.evaluate(BOXES)
    assert [box for box in boxes if not (box[1] and box[3] == 0 and box[4].endswith("scrolls sideways"))] == []
    if page != "book/intro":
        assert boxes
        browser.evaluate("document.querySelector('.more-right').scrollLeft = 1e6")
        browser.evaluate("new Promise(done => setTimeout(() => done(0), 200))")
        assert [box[1:3] for box in browser.evaluate(BOXES) if box[2]] == [[False, True]], "at its end a box fades on the other side only"
