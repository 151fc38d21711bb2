"""The folder of downloads and of what is computed once: one process at a time, verified by checksum, made again where damaged."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from flowlib.atomic_io import write_file
from flowlib.errors import FlowlibError


def cache_folder() -> Path:
    """Where downloads are kept: $FLOWLIB_CACHE, or ~/.cache/flowlib."""
    chosen = os.environ.get("FLOWLIB_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "flowlib"  # a user without a home needs none where one is chosen


def alone(path: Path):
    """A lock beside a file or folder, held, for `with`: of several processes one makes it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(f"{path}.lock").acquire()
    except OSError as error:
        raise FlowlibError(f"{path} cannot be made ({error.strerror}); set FLOWLIB_CACHE to a writable folder") from error


def cached(name: str, sha256: str, compute: Callable[[], bytes], folder=None) -> bytes:
    """The content of folder/NAME-….bin with this SHA-256, or what `compute` gives, which is then kept there.

    folder : None: NAME in the cache. Raises FlowlibError where it cannot be written, and where this machine computes other bytes.
    """
    folder = cache_folder() / name if folder is None else Path(folder)
    path = folder / f"{name}-{sha256[:8]}.bin"
    if (content := _kept(path, sha256)) is not None:
        return content
    with alone(folder):  # the others read what one of them kept
        content = _kept(path, sha256)
        if content is None:
            content = compute()
            if (found := hashlib.sha256(content).hexdigest()) != sha256:
                raise FlowlibError(f"{name}: what is rendered here has SHA-256 {found}, not {sha256}: NumPy computes otherwise on this machine")
            folder.mkdir(exist_ok=True)
            write_file(path, lambda temporary: temporary.write_bytes(content))
    return content


def _kept(path, sha256):
    content = path.read_bytes() if path.is_file() else b""
    return content if hashlib.sha256(content).hexdigest() == sha256 else None
