"""The whole book as one PDF, printed by headless Chromium from the built site: `make pdf`, after `make book`.

Every page of _toc.yml is printed as a light page without navigation, then all are joined with the contents as
bookmarks. Solutions are open, since paper cannot be opened; the answers of questions stay closed, for the text
that follows tells; code that the page hides stays hidden; widgets show the picture that they open with.

    python book/_tools/pdf.py                          all pages, to _build/flowlib-book.pdf
    python book/_tools/pdf.py book/intro -o x.pdf      these pages
"""

import argparse
import base64
import io
import sys
from pathlib import Path

import yaml
from browser import Browser
from check_pages import ROOT, toc_pages
from pypdf import PdfReader, PdfWriter

HTML = ROOT / "_build" / "html"
TITLE = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["title"]
PAPER = {"paperWidth": 8.27, "paperHeight": 11.69, "marginTop": 0.7, "marginBottom": 0.8, "marginLeft": 0.75, "marginRight": 0.75}  # inches, A4
FOOTER = '<div style="font-size:8px;width:100%;text-align:center"><span class="title"></span> · <span class="pageNumber"></span></div>'
READY = """(async () => {
  if (window.MathJax && MathJax.startup) await MathJax.startup.promise;
  document.querySelectorAll('img').forEach(i => { i.loading = 'eager' });
  await Promise.all([...document.images].map(i => i.decode().catch(() => 0)));
  const heading = [...document.querySelector('.bd-article h1').childNodes].filter(part => part.className !== 'headerlink');
  document.title = heading.map(part => part.textContent).join('');
  return document.title;
})()"""


def printed(browser: Browser, url: str) -> tuple[str, bytes]:
    """The heading of a page, and the page as PDF."""
    browser.open(url)
    title = browser.evaluate(READY)
    asked = {**PAPER, "printBackground": True, "displayHeaderFooter": True, "headerTemplate": "<span></span>", "footerTemplate": FOOTER}
    return title, base64.b64decode(browser.command("Page.printToPDF", asked)["data"])


def join(parts, title: str) -> PdfWriter:
    """One document of ``parts``, pairs of a heading and a PDF's bytes, with a bookmark for each."""
    book = PdfWriter()
    for heading, content in parts:
        book.append(PdfReader(io.BytesIO(content)), outline_item=heading)
    book.compress_identical_objects()  # fonts and logos come once with every page
    book.add_metadata({"/Title": title})
    return book


def main() -> int:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("pages", nargs="*", help="such as book/intro; all without any")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "_build" / "flowlib-book.pdf")
    options = parser.parse_args()
    pages = options.pages or toc_pages()
    missing = [page for page in pages if not (HTML / f"{page}.html").is_file()]
    if missing:
        raise SystemExit(f"not built: {', '.join(missing)}; build the site first: make book")
    with Browser(timeout=300) as browser:
        browser.resize(1000, 1400)
        book = join([printed(browser, (HTML / f"{page}.html").as_uri()) for page in pages], TITLE)
    with open(options.output.with_suffix(".part"), "wb") as file:
        book.write(file)
    options.output.with_suffix(".part").replace(options.output)
    print(f"{len(book.pages)} pages: {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
