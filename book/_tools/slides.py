"""Slides of chapters, from their built pages: `make slides`, after `make book`. They open from a folder, without a network.

A chapter's parts become columns of slides. Shown are headings, formulas, theorems, pictures, questions, lists, what the cells printed,
and of a paragraph its beginning, its sentences in bold type, and the last where a formula follows. The full paragraphs and the proofs
stand in the speaker's notes (key S). Code, exercises, further reading and laboratories are left out.

    python book/_tools/slides.py                         the two lectures, to _build/slides
    python book/_tools/slides.py 02 05 -o x              other chapters
"""

import argparse
import importlib.util
import shutil
import sys
import zipfile
from html import escape
from pathlib import Path

import slide_blocks
import yaml
from bs4 import BeautifulSoup
from notebooks import BOOK, ROOT, chapters, write_text

sys.path.append(str(BOOK / "_ext"))
from offline_site import copy_mathjax_parts  # noqa: E402

HTML = ROOT / "_build" / "html"
FOLDER = ROOT / "_build" / "slides"
OURS = BOOK / "_slides"  # page.html, slides.css, slides.js
LECTURES = ("04", "08")
LEFT_OUT = ("exercises", "further-reading", "laboratory")
HEIGHT = 560  # pixels below the heading, of a slide of 1280 × 720
BOOK_TITLE = escape(yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["title"])
ARCHIVE = "flowlib-book-slides.zip"
REVEAL_PARTS = ("dist/reset.css", "dist/reveal.css", "dist/reveal.js", "dist/theme/white.css", "dist/theme/fonts/source-sans-pro", "plugin/notes/notes.js", "LICENSE")  # fmt: skip


def reveal_files() -> Path:
    """The folder of the reveal.js that the package sphinx-revealjs carries."""
    spec = importlib.util.find_spec("sphinx_revealjs")
    if spec is None:
        raise SystemExit("reveal.js is missing: pip install -r requirements.txt")
    return Path(spec.submodule_search_locations[0], "_static", "revealjs")


def columns(article) -> list[list[str]]:
    """The slides of a page's article, a list for each of its parts; every slide is one <section>."""
    top = article.find("section")
    title = top.find("h1", recursive=False)
    found = [[_slide("", [slide_blocks.Block(f"<h1>{slide_blocks.inner(title)}</h1>\n<p>{BOOK_TITLE}</p>")]), *_stack("", top)]]
    found += [list(_stacks(part)) for part in top.find_all("section", recursive=False) if part.get("id") not in LEFT_OUT]
    found += [_stack(_name(box), box) for box in top.select(".admonition") if slide_blocks.is_summary(box)]
    return [slides for slides in found if slides]


def _stacks(part, above=""):
    """The slides of a part, then those of the parts in it, whose headings begin with that of the whole."""
    heading = slide_blocks.inner(part.find(["h2", "h3", "h4"], recursive=False))
    yield from _stack(f"<small>{above}</small>{heading}" if above else heading, part)
    for inner in part.find_all("section", recursive=False):
        yield from _stacks(inner, heading)


def _stack(heading, part):
    return [_slide(heading, blocks) for blocks in packed(slide_blocks.blocks(part))]


def _name(box):
    return slide_blocks.inner(box.find(class_="admonition-title").extract())


def packed(blocks, limit=HEIGHT):
    """Blocks on slides, as they come: what belongs together stays together where one slide can hold it."""
    slides = [[]]
    for group in grouped(blocks):
        pieces = [group] if _height(group) <= limit else [[block] for block in group]
        for piece in pieces:
            full = any(block.closes for block in slides[-1]) or _height(slides[-1] + piece) > limit
            if slides[-1] and full and _height(piece):
                slides.append([])
            slides[-1] += piece
    return [slide for slide in slides if slide]


def grouped(blocks):
    """Blocks that belong together: what leads to the next one, and what goes on where the last one ended."""
    groups = []
    for block in blocks:
        if groups and (groups[-1][-1].leads or block.follows):
            groups[-1].append(block)
        else:
            groups.append([block])
    return groups


def _height(blocks):
    return sum(block.height for block in blocks)


def _slide(heading, blocks):
    head = f"<h2>{heading}</h2>\n" if heading else ""
    notes = "\n".join(block.notes for block in blocks if block.notes)
    aside = f'\n<aside class="notes">{notes}</aside>' if notes else ""
    return f"<section>\n{head}" + "\n".join(block.html for block in blocks if block.html) + aside + "\n</section>"


def page(name: str) -> str:
    """The slides of the chapter NAME as one HTML page."""
    soup = BeautifulSoup((HTML / "book" / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
    article = slide_blocks.cleaned(soup.find(class_="bd-article"))
    title = " ".join(article.h1.get_text().split())
    body = "\n".join("<section>\n" + "\n".join(slides) + "\n</section>" for slides in columns(article))
    return (OURS / "page.html").read_text(encoding="utf-8").replace("TITLE", escape(title)).replace("SLIDES", body)


def write(name: str, folder: Path = FOLDER) -> Path:
    """Write FOLDER/NAME.html with the pictures that it shows."""
    folder.mkdir(parents=True, exist_ok=True)
    html = page(name)
    for image in BeautifulSoup(html, "html.parser").select("img[src^='_images/']"):
        (folder / "_images").mkdir(exist_ok=True)
        shutil.copyfile(HTML / image["src"], folder / image["src"])
    write_text(html, folder / f"{name}.html")
    return folder / f"{name}.html"


def vendor(folder: Path = FOLDER) -> None:
    """Copy reveal.js, MathJax and our own style beside the slides."""
    for part in REVEAL_PARTS:
        source, target = reveal_files() / part, folder / "vendor" / "reveal" / part
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, target, dirs_exist_ok=True) if source.is_dir() else shutil.copyfile(source, target)
    copy_mathjax_parts(folder / "vendor" / "mathjax")
    for name in ("slides.css", "slides.js"):
        shutil.copyfile(OURS / name, folder / "vendor" / name)


def pack(folder: Path = FOLDER) -> Path:
    """An archive of all that a lecture needs, in its folder."""
    with zipfile.ZipFile(folder / ARCHIVE, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(file for file in folder.rglob("*") if file.is_file() and file.name != ARCHIVE):
            archive.write(file, file.relative_to(folder))
    return folder / ARCHIVE


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chapters", nargs="*", default=LECTURES, help="how their names begin, e.g. 02 (default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, default=FOLDER)
    options = parser.parse_args()
    wanted = [path.stem for path in chapters() if path.name.startswith(tuple(options.chapters))]
    if missing := [name for name in wanted if not (HTML / "book" / f"{name}.html").is_file()]:
        raise SystemExit(f"not built: {', '.join(missing)}; build the site first: make book")
    shutil.rmtree(options.output / "_images", ignore_errors=True)
    for name in wanted:
        print(write(name, options.output))
    vendor(options.output)
    print(pack(options.output))
    return 0


if __name__ == "__main__":
    sys.exit(main())
