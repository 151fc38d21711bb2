"""What the tests of the built site share: its files, its address over http, and one browser for each module."""

import functools
import http.server
import threading
from pathlib import Path

import pytest

pytest.importorskip("yaml")

import check_pages  # noqa: E402
from browser import MISSING, Browser, find_chromium  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"
PAGES = check_pages.toc_pages(ROOT)
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}

needs_site = pytest.mark.skipif(not (HTML / "index.html").is_file(), reason="the site is not built: make book")
needs_browser = pytest.mark.skipif(find_chromium() is None, reason=MISSING)


def read(page: str) -> str:
    return (HTML / f"{page}.html").read_text(encoding="utf-8")


def visit(browser, address: str, width: str = "desktop", dark: bool = False) -> None:
    browser.resize(*WIDTHS[width], dark)
    browser.open(address)
    browser.evaluate("window.MathJax && MathJax.startup ? MathJax.startup.promise.then(() => true) : true")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def served():
    """The site's address over http."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=HTML))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def browser():
    with Browser() as opened:
        yield opened
