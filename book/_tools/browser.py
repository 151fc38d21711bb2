"""Headless Chromium through the DevTools protocol over a pipe: no driver, no port, no further package."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-sync", "--disable-background-networking", "--disable-component-update",
         "--disable-default-apps", "--disable-extensions", "--disable-dev-shm-usage", "--hide-scrollbars",
         "--mute-audio", "--allow-file-access-from-files", "--remote-debugging-pipe")


def find_chromium() -> str | None:
    """Path of an installed Chromium or Chrome; the variable CHROMIUM goes first."""
    candidates = (os.environ.get("CHROMIUM"), *NAMES)
    return next((found for name in candidates if name and (found := shutil.which(name))), None)


class BrowserError(RuntimeError):
    """The browser answered with an error, or not at all."""


class Browser:
    """One page in one browser.

    Of the page that was opened last, ``requests`` lists every URL that it asked for, ``failed`` those that
    did not load, and ``errors`` every uncaught exception.
    """

    def __init__(self, executable: str | None = None, timeout: float = 60):
        executable = executable or find_chromium()
        if executable is None:
            raise BrowserError("no Chromium found: install it, or name it in the variable CHROMIUM")
        self.timeout, self.requests, self.failed, self.errors = timeout, [], [], []
        self._count, self._buffer, self._events, self._urls = 0, b"", [], {}
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._start(executable)
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = None
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime"):
            self._call(f"{domain}.enable")

    def _start(self, executable: str) -> None:
        read_commands, self._out = os.pipe()
        self._in, write_answers = os.pipe()
        # The browser reads descriptor 3 and writes descriptor 4.
        script = 'exec "$@" 3<&%d 4>&%d' % (read_commands, write_answers)
        profile = f"--user-data-dir={self._profile.name}"
        command = ["bash", "-c", script, "chromium", executable, *FLAGS, profile]
        self._session = None
        nowhere = subprocess.DEVNULL
        self._process = subprocess.Popen(command, pass_fds=(read_commands, write_answers), stdin=nowhere,
                                         stdout=nowhere, stderr=nowhere, start_new_session=True)
        os.close(read_commands)
        os.close(write_answers)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        try:
            self._session = None
            self._call("Browser.close")
        except (BrowserError, OSError):
            pass
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
        os.close(self._out)
        os.close(self._in)
        self._profile.cleanup()

    def resize(self, width: int, height: int, dark: bool = False) -> None:
        """Set the window's size and whether the reader prefers a dark page."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                   mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, url: str, settle: float = 0.5) -> None:
        """Go to ``url``; return when it has loaded and no request has started for ``settle`` seconds."""
        for noted in (self.requests, self.failed, self.errors, self._events, self._urls):
            noted.clear()
        self._call("Page.navigate", url=url)
        self._wait_for("Page.loadEventFired")
        deadline, seen = time.monotonic() + self.timeout, -1
        while seen != len(self.requests) and time.monotonic() < deadline:
            seen = len(self.requests)
            self._pump(settle)

    def evaluate(self, expression: str):
        """The value of a JavaScript expression; a promise is awaited."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def screenshot(self, path: Path) -> None:
        """Write what the window shows as PNG."""
        answer = self._call("Page.captureScreenshot", format="png")
        Path(path).write_bytes(base64.b64decode(answer["data"]))

    def _call(self, method: str, **parameters) -> dict:
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        answer = self._receive(lambda m: m.get("id") == message["id"], method)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def _wait_for(self, event: str) -> None:
        if event not in self._events:
            self._receive(lambda m: m.get("method") == event, event)

    def _pump(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._next(left)

    def _receive(self, wanted, what: str) -> dict:
        deadline = time.monotonic() + self.timeout
        while (left := deadline - time.monotonic()) > 0:
            message = self._next(left)
            if message and wanted(message):
                return message
        raise BrowserError(f"the browser did not answer {what} within {self.timeout} s")

    def _next(self, seconds: float) -> dict | None:
        """The next message, noted; None when none comes within ``seconds``."""
        while b"\0" not in self._buffer:
            if not select.select([self._in], [], [], seconds)[0]:
                return None
            chunk = os.read(self._in, 1 << 20)
            if not chunk:
                raise BrowserError("the browser ended")
            self._buffer += chunk
        raw, self._buffer = self._buffer.split(b"\0", 1)
        message = json.loads(raw)
        self._note(message)
        return message

    def _note(self, message: dict) -> None:
        method = message.get("method")
        self._events.append(method)
        if method == "Network.requestWillBeSent":
            self._urls[message["params"]["requestId"]] = url = message["params"]["request"]["url"]
            self.requests.append(url)
        elif method == "Network.loadingFailed":
            self.failed.append(self._urls.get(message["params"]["requestId"], "?"))
        elif method == "Network.responseReceived" and message["params"]["response"]["status"] >= 400:
            self.failed.append(message["params"]["response"]["url"])
        elif method == "Runtime.exceptionThrown":
            details = message["params"]["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details.get("text")))
