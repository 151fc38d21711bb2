"""Verified, resumable downloads: several mirrors, a checksum for every file, nothing left half-written."""

import hashlib
import http.client
import urllib.error
import urllib.request
from pathlib import Path

from flowlib.data.cache import alone
from flowlib.errors import FlowlibError

CHUNK = 1 << 20


def fetch(name: str, checksum: str, mirrors, folder, timeout: float = 30.0) -> Path:
    """The path of `name` in `folder`, downloaded from the first mirror that has it intact.

    A file already there is verified, not downloaded again. An interrupted download goes on from its `.part` file. A file whose
    checksum differs is thrown away and the next mirror is tried. Raises FlowlibError when no mirror delivers.

    checksum : MD5 or SHA-256 in hexadecimal digits, told apart by their number
    """
    folder = Path(folder)
    path, part, failures = folder / name, folder / f"{name}.part", []
    if _intact(path, checksum):
        return path
    with alone(folder):
        folder.mkdir(exist_ok=True)
        if _intact(path, checksum):
            return path
        for mirror in mirrors:
            failure = _failure(f"{mirror.rstrip('/')}/{name}", part, checksum, timeout)
            if failure is None:
                part.replace(path)
                return path
            failures.append(f"{mirror}: {failure}")
    raise FlowlibError(
        f"{name} could not be downloaded. Tried:\n  " + "\n  ".join(failures)
        + f"\nCheck the connection and run the same command again (it resumes), or put the file into {folder} yourself."
    )  # fmt: skip


def _intact(path, checksum):
    return path.is_file() and _checksum(path, checksum)[1] == checksum


def _failure(url, part, checksum, timeout):
    """Download one file from one mirror into `part`; returns what went wrong, or None."""
    resumed = part.exists()
    try:
        _download(url, part, timeout)
    except (OSError, http.client.HTTPException) as error:
        return str(error)
    kind, found = _checksum(part, checksum)
    if found == checksum:
        return None
    part.unlink()
    if resumed:  # the altered bytes may have been there before: begin again
        return _failure(url, part, checksum, timeout)
    return f"the file's {kind} is {found}, expected {checksum}"


def _checksum(path, expected):
    """(name, value) of a file's checksum of the kind that is expected."""
    kind = "SHA-256" if len(expected) == 64 else "MD5"
    with open(path, "rb") as file:
        return kind, hashlib.file_digest(file, kind.replace("-", "").lower()).hexdigest()


def _download(url, part, timeout):
    """Append what is missing to `part`; where the server does not resume, write over it from the front: a break leaves what was there."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing beyond what is there: complete, or altered; the checksum decides
            return
        raise
    with response, open(part, "ab" if response.status == 206 else "r+b" if have else "wb") as file:
        expected = response.headers.get("Content-Length")
        received = 0
        while chunk := response.read(CHUNK):
            file.write(chunk)
            received += len(chunk)
        if expected is not None and received < int(expected):
            raise OSError(f"the connection broke after {received} of {expected} bytes")
        file.truncate(file.tell())
