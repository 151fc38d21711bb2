"""A page in a real browser, opened as a file: no kernel, no server, no network."""

import pytest
from browser import MISSING, Browser, find_chromium

needs_browser = pytest.mark.skipif(find_chromium() is None, reason=MISSING)

PAGE = '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><body>'
PROBE = """(async () => {{
const wait = ms => new Promise(done => setTimeout(done, ms));
const $ = (q, n = 0) => document.querySelectorAll(q)[n];
const input = (e, v, type = "input") => {{ e.value = v; e.dispatchEvent(new Event(type)) }};
const shown = async (n = 0) => {{ const i = $("img", n), c = new OffscreenCanvas(4, 4), x = c.getContext("2d");
  await i.decode(); x.drawImage(i, 0, 0, 4, 4); return x.getImageData(1, 1, 1, 1).data[0] }};
const pixels = n => {{ const c = $("canvas", n), x = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
  return [0, 1, 2].map(k => [...x].filter((v, i) => i % 4 === k)) }};
{} }})()"""


class Page:
    """One page in a browser that other tests have used: `open` it, then `probe` it, again and again."""

    def __init__(self, browser, path):
        self.browser, self.path = browser, path

    def open(self, body, width=700, dark=False):
        """Show HTML in a window of this width; returns the page. Fails where it asks for anything or raises."""
        self.path.write_text(PAGE + body, encoding="utf-8")
        self.browser.resize(width, 900, dark)
        self.browser.open(self.path.as_uri(), settle=0.05)
        asked = [url for url in self.browser.requests if not url.startswith(("data:", self.path.as_uri()))]
        assert (asked, self.browser.failed, self.browser.errors) == ([], [], [])
        return self

    def probe(self, script):
        """What the body of an async function returns in the page; it sees the helpers of PROBE."""
        value = self.browser.evaluate(PROBE.format(script))
        assert self.browser.errors == []
        return value

    def press(self, *keys):
        """Press keys where the focus is; returns the page."""
        self.browser.press(*keys)
        return self


@pytest.fixture(scope="module")
def browser():
    with Browser() as opened:
        yield opened


@pytest.fixture
def page(browser, tmp_path):
    return Page(browser, tmp_path / "page.html")
