"""Bytes that are computed once into the cache: verified by checksum, written whole, computed again where damaged."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from flowlib.atomic_io import write_file
from flowlib.data.mnist import cache_folder
from flowlib.errors import FlowlibError


def cached(name: str, sha256: str, compute: Callable[[], bytes], folder=None) -> bytes:
    """The content of folder/NAME-….bin with this SHA-256, or what `compute` gives, which is then kept there.

    folder : None: NAME in the cache. Raises FlowlibError where it cannot be written, and where this machine computes other bytes.
    """
    folder = cache_folder() / name if folder is None else Path(folder)
    path = folder / f"{name}-{sha256[:8]}.bin"
    if (content := _kept(path, sha256)) is not None:
        return content
    with _alone(folder):  # of several processes one computes, and the others read what it kept
        content = _kept(path, sha256)
        if content is None:
            content = compute()
            if (found := hashlib.sha256(content).hexdigest()) != sha256:
                raise FlowlibError(f"{name}: what is rendered here has SHA-256 {found}, not {sha256}: NumPy computes otherwise on this machine")
            _make(folder)
            write_file(path, lambda temporary: temporary.write_bytes(content))
    return content


def _alone(folder):
    """A lock beside the folder, held."""
    _make(folder.parent)
    try:
        return FileLock(f"{folder}.lock").acquire()
    except OSError as error:
        raise FlowlibError(f"{folder}.lock cannot be made ({error.strerror}); set FLOWLIB_CACHE to a writable folder") from error


def _make(folder):
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FlowlibError(f"{folder} cannot be made ({error.strerror}); set FLOWLIB_CACHE to a writable folder") from error


def _kept(path, sha256):
    content = path.read_bytes() if path.is_file() else b""
    return content if hashlib.sha256(content).hexdigest() == sha256 else None
