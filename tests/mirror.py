"""A web server on 127.0.0.1 whose files and faults a test chooses."""

import contextlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Mirror:
    """What the server holds (`files`), how it misbehaves (`fault`), the Range header of every request.

    fault : None; "truncate" promises the whole file and breaks off after half; "stall" sends half and waits;
    "garbage" does not speak HTTP; "no range" sends the whole file whatever is asked, "no range, truncate" half of it
    """

    def __init__(self, files, fault=None):
        self.files, self.fault, self.ranges, self.url = files, fault, [], None


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        """Quiet."""

    def do_GET(self):
        mirror, asked = self.server.mirror, self.headers.get("Range")
        mirror.ranges.append(asked)
        content = mirror.files.get(self.path.lstrip("/"))
        if mirror.fault == "garbage":
            self.wfile.write(b"SSH-2.0-OpenSSH\r\n")
        elif content is None:
            self.send_error(404)
        elif asked and "no range" not in (mirror.fault or ""):
            self._send_from(content, int(asked.removeprefix("bytes=").removesuffix("-")))
        else:
            self._send(200, content)

    def _send_from(self, content, start):
        if start >= len(content):
            self.send_error(416)
        else:
            self._send(206, content[start:])

    def _send(self, status, content):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        fault = self.server.mirror.fault or ""
        self.wfile.write(content[: len(content) // 2] if "truncate" in fault or fault == "stall" else content)
        if fault == "stall":
            time.sleep(1)


@contextlib.contextmanager
def serving(mirror):
    """Run a mirror for the length of a with-block; its address is `mirror.url`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.mirror = mirror
    mirror.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield mirror
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
