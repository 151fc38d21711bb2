"""Look at a built page as a reader sees it.

    python book/_tools/screenshot.py 01_moving_probability                   desktop, light
    python book/_tools/screenshot.py intro --width 390 --dark -o /tmp/x.png  phone, dark

PAGE is a page's name below book/ (or any HTML file). Build first (`make book`). Without -o the picture
goes to _build/screenshots/. --at SELECTOR scrolls an element into view and takes the window,
not the whole page; --slices takes a long page window by window.
"""

import argparse
import sys
from pathlib import Path

from browser import Browser
from notebooks import ROOT

HTML = ROOT / "_build" / "html"
TALLEST = 16000  # pixels; a longer page is cut
STICKY = 60  # pixels of the header that stays on top of every window


def page_file(page: str) -> Path:
    for candidate in (Path(page), HTML / "book" / f"{page}.html", HTML / f"{page}.html"):
        if candidate.is_file():
            return candidate.resolve()
    raise SystemExit(f"no page {page} in {HTML}; build it first: make book")


def pictures(browser: Browser, options, output: Path):
    """Bring each part of the page that is wanted into the window, and name its picture."""
    height = browser.evaluate("document.documentElement.scrollHeight")
    if options.at:
        browser.evaluate(f"document.querySelector({options.at!r}).scrollIntoView({{block: 'center'}})")
        yield output
    elif options.slices:
        for number, top in enumerate(range(0, height, options.height - STICKY), start=1):
            browser.evaluate(f"window.scrollTo({{top: {top}, behavior: 'instant'}})")
            yield output.with_stem(f"{output.stem}-{number:02}")
    else:
        browser.resize(options.width, min(height, TALLEST), options.dark)
        yield output


def main() -> int:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("page")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=900)
    parser.add_argument("--dark", action="store_true", help="as a reader who prefers dark pages sees it")
    parser.add_argument("--at", metavar="SELECTOR", help="take the window around this element (CSS selector)")
    parser.add_argument("--slices", action="store_true", help="the page in windows: NAME-01.png, NAME-02.png, …")
    parser.add_argument("-o", "--output", type=Path, help="PNG file")
    options = parser.parse_args()
    source = page_file(options.page)
    mode = "dark" if options.dark else "light"
    output = options.output or ROOT / "_build/screenshots" / f"{source.stem}-{options.width}-{mode}.png"
    output.parent.mkdir(parents=True, exist_ok=True)
    with Browser() as browser:
        browser.resize(options.width, options.height, options.dark)
        browser.open(source.as_uri())
        for picture in pictures(browser, options, output):
            browser.evaluate("new Promise(done => setTimeout(done, 500))")
            browser.screenshot(picture)
            print(picture)
        for error in browser.errors:
            print(f"the page raised: {error}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
