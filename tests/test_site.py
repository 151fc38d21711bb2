"""The built site keeps to itself and reads well: checked in its files, and in a browser at two widths.

Builds nothing: run `make book` first. Without Chromium the browser's part is skipped.
"""

import re
from urllib.parse import unquote, urlsplit

import address
import check_pages
import notebooks
import pytest
import yaml
from built import HTML, PAGES, ROOT, WIDTHS, browser, needs_browser, needs_site, read, served, visit  # noqa: F401

from flowlib.colab import setup_source

pytestmark = needs_site
FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\bsrc=["']([^"']+)"""
    r"""|<link\b(?![^>]*\brel=["'](?:canonical|search|next|prev|author|license)\b)"""
    r"""[^>]*?\bhref=["']([^"']+)"""
)
IN_CSS = re.compile(r"""(?:url\(\s*|@import\s+)["']?((?:https?:)?//[^"')]+)""")
HREF = re.compile(r"""<a\b[^>]*?\bhref=["']([^"']+)""")


def fetched(html: str) -> list[str]:
    """What a browser would fetch for a page."""
    return [script or link for script, link in FETCHED.findall(html)]


def foreign(addresses) -> list[str]:
    return [address for address in addresses if urlsplit(address).netloc]


def test_every_page_is_there_with_content():
    assert check_pages.problems(ROOT) == []


@pytest.mark.parametrize("page", [*PAGES, "search", "genindex"])
def test_page_fetches_nothing_from_elsewhere(page):
    html = read(page)
    assert foreign(fetched(html)) == [] and IN_CSS.findall(html) == []


@pytest.mark.parametrize("page", PAGES)
def test_page_links_only_to_what_is_there(page):
    folder, html = (HTML / page).parent, read(page)
    parts = [urlsplit(address) for address in HREF.findall(html) + fetched(html)]
    local = [part for part in parts if not part.scheme and not part.netloc]
    missing = {part.path for part in local if part.path and not (folder / unquote(part.path)).exists()}
    assert missing == set()


@pytest.mark.parametrize("path", notebooks.chapters(), ids=lambda path: path.stem)
def test_buttons_of_a_chapter_lead_to_its_plain_notebook(path):
    links = HREF.findall(read(f"book/{path.stem}"))
    assert f"../notebooks/{path.name}" in links and f"../_sources/book/{path.name}" not in links
    repository = address.address().removeprefix("https://github.com/")
    colab = [link for link in links if link.startswith("https://colab.")]
    assert colab == [f"https://colab.research.google.com/github/{repository}/blob/notebooks/{path.name}"]
    plain = notebooks.read(HTML / "notebooks" / path.name)
    assert plain.cells[0].source == setup_source(address.address())
    assert [cell.source for cell in notebooks.code_cells(plain) if cell.outputs] == []


def test_the_branch_that_colab_opens_is_the_one_that_is_published():
    workflow = (ROOT / ".github" / "workflows" / "site.yml").read_text(encoding="utf-8")
    assert "initial-branch notebooks " in workflow and 'GITHUB_REPOSITORY" notebooks' in workflow


def test_what_is_published_is_what_make_book_builds_once_it_has_been_checked():
    steps = yaml.safe_load((ROOT / ".github" / "workflows" / "site.yml").read_text(encoding="utf-8"))["jobs"]["deploy"]["steps"]
    said = [step.get("run") or step["uses"] for step in steps]
    book, tests, upload, deploy = (
        next(n for n, text in enumerate(said) if text.startswith(start))
        for start in ("make book", ".venv/bin/python -m pytest tests/test_site", "actions/upload-pages-artifact", "actions/deploy-pages")
    )
    assert book < tests < upload < deploy and steps[upload]["with"]["path"] == HTML.relative_to(ROOT).as_posix()
    assert not any("continue-on-error" in step or "if" in step for step in steps), "a failed step stops the others"
    between = [n for n in range(book + 1, upload) if "_build/html" in said[n]]
    assert all(said[n].startswith("cp -r _build/html/notebooks") and said[n].count("_build") == 1 for n in between)
    recipe = re.search(r"^book:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)[1]
    assert "jupyter-book build ." in recipe and "check_pages.py" in recipe.splitlines()[-1], "a missing page fails the build"


def test_style_sheets_fetch_nothing_from_elsewhere():
    sheets = list((HTML / "_static").rglob("*.css"))
    assert sheets and {s.name: found for s in sheets if (found := IN_CSS.findall(s.read_text("utf-8")))} == {}


@pytest.mark.parametrize(
    "tag, expected",
    [
        ('<script src="https://cdn.example.org/x.js">', 1),
        ('<script async="async" src="//example.org/x.js">', 1),
        ('<link rel="stylesheet" href="https://example.org/x.css">', 1),
        ("<img alt='' src='http://example.org/x.png'>", 1),
        ('<link rel="canonical" href="https://example.org/">', 0),
        ('<a href="https://example.org">', 0),
        ('<script src="../_static/x.js">', 0),
        ('<img src="data:image/png;base64,AA//">', 0),
    ],
)
def test_foreign_addresses_are_recognised(tag, expected):
    assert len(foreign(fetched(tag))) == expected


@pytest.fixture(params=["http", "file"])
def base(request):
    return request.getfixturevalue("served") if request.param == "http" else HTML.as_uri()


@needs_browser
@pytest.mark.parametrize("page", PAGES)
def test_page_in_the_browser(browser, base, page):
    visit(browser, f"{base}/{page}.html")
    outside = [r for r in browser.requests if not r.startswith((base, "data:", "blob:", "about:"))]
    assert outside == [] and browser.errors == [] and browser.failed == []
    formulas = "[...document.querySelectorAll('span.math, div.math')]"
    unset = f"{formulas}.filter(e => !e.querySelector('mjx-container')).length"
    assert browser.evaluate(unset) == 0, "formulas that MathJax did not set"
    assert browser.evaluate("document.querySelectorAll('mjx-merror, [data-mjx-error]').length") == 0
    broken = "[...document.images].filter(i => i.complete && !i.naturalWidth)"
    assert browser.evaluate(f"{broken}.map(i => i.currentSrc.slice(0, 80))") == []


@needs_browser
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("page", PAGES)
def test_page_never_scrolls_sideways(browser, page, width):
    visit(browser, f"{HTML.as_uri()}/{page}.html", width)
    browser.evaluate("document.querySelectorAll('details, .dropdown').forEach(e => { e.open = true })")
    excess = browser.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert excess <= 0, browser.evaluate(WIDEST)


# The elements that stick out of the window and are in no scrolling box of their own.
WIDEST = """(() => {
  const scrolls = e => { for (; e && e !== document.body; e = e.parentElement)
    if (getComputedStyle(e).overflowX !== 'visible') return true; return false };
  return [...document.querySelectorAll('article *')]
    .filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !scrolls(e))
    .slice(0, 5).map(e => `${e.tagName}.${e.className}: ${e.textContent.trim().slice(0, 60)}`).join('\\n')
})()"""


@needs_browser
def test_dark_page_is_dark_and_pictures_keep_a_light_card(browser):
    page = max(PAGES, key=lambda page: read(page).count("<img"))
    visit(browser, f"{HTML.as_uri()}/{page}.html", dark=True)
    assert browser.evaluate(BRIGHTNESS.format("document.body")) < 0.2
    picture = "document.querySelector('article figure img:not(.dark-light)')"
    if browser.evaluate(f"!!{picture}"):
        assert browser.evaluate(BRIGHTNESS.format(picture)) > 0.9


# The mean of red, green and blue of an element's ground, from 0 to 1.
BRIGHTNESS = """(colour => colour.match(/\\d+/g).slice(0, 3).reduce((sum, part) => sum + +part, 0) / 765)
    (getComputedStyle({}).backgroundColor)"""


@needs_browser
def test_search_finds_pages(browser, base):
    visit(browser, f"{base}/search.html?q=continuity")
    assert (
        browser.evaluate("""new Promise(done => { let tries = 0; const look = () => {
        const found = document.querySelectorAll('#search-results li').length;
        found || ++tries > 50 ? done(found) : setTimeout(look, 100) }; look() })""")
        > 0
    )
    assert [r for r in browser.requests if not r.startswith((base, "data:"))] == []
