"""The slides of the two lectures: complete, alone with their folder, and each within its window."""

import re
import zipfile

import pytest
from bs4 import BeautifulSoup
from built import HTML, browser, needs_browser, needs_site  # noqa: F401

pytest.importorskip("sphinx_revealjs", reason="reveal.js is missing: pip install -r requirements.txt")

import slide_blocks  # noqa: E402
import slides  # noqa: E402

pytestmark = needs_site
NAMES = [path.stem for path in slides.chapters() if path.name.startswith(slides.LECTURES)]
MYST = re.compile(r"\{[\w:-]+\}`|:{3,}|`{3,}|\{\{|^\([\w-]+\)=$", re.M)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slides")
    for name in NAMES:
        slides.write(name, folder)
    slides.vendor(folder)
    slides.pack(folder)
    return folder


def parsed(folder, name):
    return BeautifulSoup((folder / f"{name}.html").read_text(encoding="utf-8"), "html.parser")


def chapter(name):
    """The parts of a chapter's page that are shown."""
    article = slide_blocks.cleaned(BeautifulSoup((HTML / "book" / f"{name}.html").read_text(encoding="utf-8"), "html.parser").article)
    hidden = ", ".join(f"#{part}" for part in slides.LEFT_OUT) + ", .exercise, .solution, .proof:not(.theorem, .corollary)"
    for part in article.select(hidden):
        part.extract()
    return article


def test_there_are_two_lectures():
    assert len(NAMES) == 2


@pytest.mark.parametrize("name", NAMES)
def test_every_heading_formula_theorem_and_picture_is_shown_once(folder, name):
    made, page = parsed(folder, name), chapter(name)
    for note in made.select("aside.notes"):
        note.extract()
    titles = {" ".join(h.get_text().split()) for h in page.find_all("h2")}
    shown = [" ".join(h.find(string=True, recursive=False).split()) for h in made.find_all("h2")]
    assert titles - {" ".join(h.get_text().split()) for h in made.find_all(["h2", "small"])} == set() and "What to remember" in shown[-1]
    for what in ("div.math", ".theorem", "figure img[src^='_images']", ".flowquiz", "[data-flowviz]"):
        assert len(made.select(what)) == len(page.select(what)), what
    assert 25 <= len(made.select("section section")) <= 70 and all(section.get_text().strip() for section in made.select("section section"))


@pytest.mark.parametrize("name", NAMES)
def test_no_directive_is_left_and_no_exercise(folder, name):
    made = parsed(folder, name)
    for script in made.select("script, style"):
        script.extract()
    assert MYST.findall(made.get_text()) == [] and made.select(".exercise, .solution, .cell_input") == []


@pytest.mark.parametrize("name", NAMES)
def test_whatever_a_slide_asks_for_lies_beside_it(folder, name):
    asked = [e.get("src") or e.get("href") for e in parsed(folder, name).select("[src], [href]")]
    assert {address for address in asked if not address.startswith("data:") and not (folder / address).is_file()} == set()
    sheets = [file.read_text(encoding="utf-8") for file in folder.rglob("*.css")]
    assert sheets and not any(re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", sheet) for sheet in sheets)
    with zipfile.ZipFile(folder / slides.ARCHIVE) as archive:
        packed = set(archive.namelist())
    assert {f"{name}.html", "vendor/slides.js", "vendor/reveal/LICENSE"} <= packed and slides.ARCHIVE not in packed


# Of the slide that is seen: what ends below or beside its window. What a formula is made of may be larger than what is seen of it.
OUTSIDE = """[...Reveal.getCurrentSlide().querySelectorAll('*:not(aside, aside *, mjx-container *)')]
  .filter(e => (r => r.height && (r.bottom > 700 || r.right > 1280 || r.top < 0))(e.getBoundingClientRect()))
  .map(e => `${e.tagName}.${e.className}: ${e.textContent.trim().slice(0, 60)}`)"""
BROKEN = """[...document.querySelectorAll('mjx-merror, [data-mjx-error]')].length
  + [...document.images].filter(i => i.complete && !i.naturalWidth).length"""


@needs_browser
@pytest.mark.parametrize("name", NAMES)
def test_each_slide_fits_its_window_and_asks_nobody(browser, folder, name):
    browser.resize(1280, 720)
    browser.open((folder / f"{name}.html").as_uri())
    browser.evaluate("MathJax.startup.promise.then(() => new Promise(done => setTimeout(() => done(0), 300)))")
    wanted, seen, outside = len(parsed(folder, name).select("section section")), [], {}
    assert browser.evaluate("Reveal.getTotalSlides()") == wanted
    for number in range(1, wanted + 1):
        seen.append(browser.evaluate("JSON.stringify(Reveal.getIndices())"))
        if found := browser.evaluate(OUTSIDE):
            outside[number] = found
        browser.press("Space")
        browser.evaluate("new Promise(done => requestAnimationFrame(() => done(0)))")
    assert outside == {} and len(set(seen)) == wanted and browser.evaluate("Reveal.isLastSlide()"), "the space bar leads through all"
    unset = "[...document.querySelectorAll('.slides .math')].filter(e => !e.closest('aside') && !e.querySelector('mjx-container')).length"
    assert browser.evaluate(unset) == 0 == browser.evaluate(BROKEN)
    assert [r for r in browser.requests if not r.startswith((folder.as_uri(), "data:", "blob:"))] == []
    assert browser.failed == [] and browser.errors == []
