"""Keyboard alone moves every picture of the built pages: Tab reaches each of its controls, and its keys change what is seen."""

import pytest
from built import HTML, PAGES, browser, needs_browser, needs_site, read, visit  # noqa: F401

pytestmark = [needs_site, needs_browser]
MOVING = [page for page in PAGES if "data-flowviz=" in read(page)] if (HTML / "index.html").is_file() else []
KEYS = {"range": ["ArrowRight", "ArrowLeft"], "radio": ["ArrowRight", "ArrowLeft"], "select-one": ["ArrowDown", "ArrowUp"], "button": ["Space"]}
PAUSE = "new Promise(done => setTimeout(() => done(0), {}))"

# The reader's focus stands just before the picture number n.
BEFORE = """(n => { window.widget = document.querySelectorAll('[data-flowviz]')[n];
  document.querySelector('#before')?.remove();
  widget.insertAdjacentHTML('beforebegin', '<span id="before" tabindex="-1"></span>');
  document.querySelector('#before').focus() })"""
FOCUS = "(e => widget.contains(e) ? { kind: e.type, name: e.ariaLabel || e.name || e.textContent } : null)(document.activeElement)"
# Which controls there are: of buttons to choose from, the group is one; what has been switched off cannot be pressed.
CONTROLS = """[...widget.querySelectorAll('input, select, button')].filter(e => e.type !== 'radio' || e.checked)
  .map(e => e.ariaLabel || e.name || e.textContent)"""
# Where buttons say when to move ("one step"), the choices before them say only what will move.
SEEN = """[...widget.querySelectorAll('.flowviz-stage img, .flowviz-stage canvas')].map(e => e.src || e.toDataURL())
  .concat(widget.querySelector('.flowviz-do') ? widget.dataset.at : []).join('|')"""


def moves(browser, kind: str) -> bool:
    """Whether a key of the control that has the focus changes the picture."""
    before = browser.evaluate(f"window.before = {SEEN}; before.length")
    assert before, "nothing is shown"
    for key in KEYS[kind]:
        browser.press(key)
        for _ in range(20 if kind == "button" else 2):
            browser.evaluate(PAUSE.format(50))
            if browser.evaluate(f"before !== {SEEN}"):
                return True
    return False


@pytest.mark.parametrize("page", MOVING)
def test_keyboard_moves_every_picture(browser, page):
    visit(browser, f"{HTML.as_uri()}/{page}.html")
    for number in range(browser.evaluate("document.querySelectorAll('[data-flowviz]').length")):
        browser.evaluate(f"{BEFORE}({number})")
        there, reached = browser.evaluate(CONTROLS), []
        browser.press("Tab")
        while focus := browser.evaluate(FOCUS):
            assert len(reached) < len(there), f"picture {number} holds the focus: {reached}"
            assert moves(browser, focus["kind"]), f"picture {number}: the keys of {focus} change nothing"
            reached.append(focus["name"])
            if focus["name"] == "pause":
                browser.press("Space")
            if focus["name"] == "one step":  # twice: what was done can be undone, and something is left for the button after it
                browser.press("Space", "Space")
            browser.press("Tab")
        assert len(reached) == len(there), f"picture {number}: of {there} the Tab key reaches {reached}"
    assert browser.errors == []


def test_a_picture_that_no_key_moves_is_found(browser, tmp_path):
    (tmp_path / "stiff.html").write_text(
        '<figure data-flowviz="x"><div class="flowviz-stage"><img src="data:,"></div><input type="range" min="0" max="3"></figure>'
    )
    browser.open((tmp_path / "stiff.html").as_uri())
    browser.evaluate(f"{BEFORE}(0)")
    browser.press("Tab")
    assert browser.evaluate(FOCUS)["kind"] == "range" and not moves(browser, "range")


def test_no_formula_is_a_stop(browser):
    visit(browser, f"{HTML.as_uri()}/book/04_potential_flows.html")
    assert browser.evaluate("document.querySelectorAll('mjx-container').length") > 100
    assert browser.evaluate("document.querySelectorAll('mjx-container[tabindex=\"0\"]:not([data-scrolls])').length") == 0


VISIBLE = "[...document.querySelectorAll('{}')].find(e => e.offsetParent)"


@pytest.mark.parametrize("opener", [".primary-toggle", ".secondary-toggle", ".search-button"])
def test_a_dialog_gives_the_focus_back(browser, opener):
    visit(browser, f"{HTML.as_uri()}/book/11_composing.html", "phone")
    browser.evaluate(f"window.pressed = {VISIBLE.format(opener)}; pressed.focus()")
    browser.press("Enter")
    assert browser.evaluate(f"{PAUSE.format(300)}.then(() => document.querySelectorAll('dialog[open]').length)") == 1
    browser.press("Escape")
    assert browser.evaluate(
        f"{PAUSE.format(600)}.then(() => [document.querySelectorAll('dialog[open]').length, document.activeElement === pressed])"
    ) == [0, True]


@pytest.mark.parametrize("button", [".dropdown-launch-buttons button", ".btn-fullscreen-button", ".theme-switch-button"])
def test_the_header_shows_where_the_keyboard_is(browser, button):
    browser.resize(1280, 900)
    visit(browser, f"{HTML.as_uri()}/book/11_composing.html")
    browser.press("Tab")  # from here on the page knows that a keyboard is used
    style = browser.evaluate(
        f"(e => {{ e.focus(); const s = getComputedStyle(e); return [s.outlineStyle, parseFloat(s.outlineWidth)] }})({VISIBLE.format(button)})"
    )
    assert style[0] == "solid" and style[1] >= 2
