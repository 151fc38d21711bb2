"""Headless Chromium for the tests and for screenshots: Selenium, with Debian's packages chromium and chromium-driver."""

import json
import os
import shutil
import time
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--mute-audio",
    "--allow-file-access-from-files",
)
MISSING = "no Chromium with its driver and Selenium: apt-get install chromium chromium-driver, pip install selenium"


def find_chromium() -> str | None:
    """Path of a Chromium or Chrome that can be driven here, or None; the variable CHROMIUM goes first."""
    try:
        import selenium  # noqa: F401
    except ImportError:
        return None
    candidates = (os.environ.get("CHROMIUM"), *NAMES)
    found = next((found for name in candidates if name and (found := shutil.which(name))), None)
    return found if shutil.which("chromedriver") else None


class BrowserError(RuntimeError):
    """There is no browser, or the page answered with an error."""


class Browser:
    """One page in one browser.

    Of the page that was opened last, ``requests`` lists every URL that it asked for, ``failed`` those that
    did not load, and ``errors`` every uncaught exception, each up to the last call of ``open`` or ``evaluate``.
    """

    def __init__(self, executable: str | None = None, timeout: float = 60):
        executable = executable or find_chromium()
        if executable is None:
            raise BrowserError(MISSING)
        from selenium import webdriver

        options = webdriver.ChromeOptions()
        options.binary_location = executable
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        for flag in FLAGS:
            options.add_argument(flag)
        self._driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
        self._driver.set_page_load_timeout(timeout)
        self._driver.set_script_timeout(timeout)
        self.timeout, self.requests, self.failed, self.errors, self._urls = timeout, [], [], [], {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._driver.quit()

    def resize(self, width: int, height: int, dark: bool = False) -> None:
        """Set the window's size and whether the reader prefers a dark page."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def open(self, url: str, settle: float = 0.5) -> None:
        """Go to ``url``; return when it has loaded and no request has started for ``settle`` seconds."""
        self._note()
        for noted in (self.requests, self.failed, self.errors, self._urls):
            noted.clear()
        self._driver.get(url)
        deadline, seen = time.monotonic() + self.timeout, -1
        while seen != len(self.requests) and time.monotonic() < deadline:
            seen = len(self.requests)
            time.sleep(settle)
            self._note()

    def evaluate(self, expression: str):
        """The value of a JavaScript expression; a promise is awaited."""
        asked = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        answer = self._driver.execute_cdp_cmd("Runtime.evaluate", asked)
        self._note()
        if "exceptionDetails" in answer:
            raise BrowserError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def press(self, *keys: str) -> None:
        """Press keys one after the other, such as ``Tab``, ``ArrowRight`` or ``Space`` (names of Selenium's Keys, or letters)."""
        from selenium.webdriver import ActionChains, Keys

        names = {
            "ArrowRight": Keys.ARROW_RIGHT,
            "ArrowLeft": Keys.ARROW_LEFT,
            "Tab": Keys.TAB,
            "Space": Keys.SPACE,
            "End": Keys.END,
            "Enter": Keys.ENTER,
            "Escape": Keys.ESCAPE,
            "ArrowDown": Keys.ARROW_DOWN,
            "ArrowUp": Keys.ARROW_UP,
        }
        ActionChains(self._driver).send_keys(*(names.get(key, key) for key in keys)).perform()

    def command(self, name: str, parameters: dict):
        """The answer of the browser to a command of its DevTools protocol, such as ``Page.printToPDF``."""
        return self._driver.execute_cdp_cmd(name, parameters)

    def screenshot(self, path: Path) -> None:
        """Write what the window shows as PNG."""
        self._driver.save_screenshot(str(path))

    def _note(self) -> None:
        """Read what the browser has logged since the last time."""
        for entry in self._driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            method, parameters = message["method"], message["params"]
            if method == "Network.requestWillBeSent":
                self._urls[parameters["requestId"]] = url = parameters["request"]["url"]
                self.requests.append(url)
            elif method == "Network.loadingFailed":
                self.failed.append(self._urls.get(parameters["requestId"], "?"))
            elif method == "Network.responseReceived" and parameters["response"]["status"] >= 400:
                self.failed.append(parameters["response"]["url"])
        logged = self._driver.get_log("browser")
        self.errors += [entry["message"] for entry in logged if (entry["source"], entry["level"]) == ("javascript", "SEVERE")]
