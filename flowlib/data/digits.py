"""The 10 000 MNIST digits embedded in the repository, and the IDX file format they share with full MNIST."""

import bz2
import gzip
import hashlib
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import torch

from flowlib.errors import FlowlibError

SHA256 = {
    "digits-images.idx.bz2": "565d57ea3d04d065e47f688bef83281b9c51229e7809270ed6b27fcfe53b3549",
    "digits-labels.idx.bz2": "11279b0ac2767f5f9db1911e9f963e51ba60160f117ea9445df86df769ded996",
}
TRAIN = 8000  # the file is shuffled once and for all; the first 8 000 train, the last 2 000 are held out


def data_folder():
    """The repository's data/ folder, or the one that the environment variable FLOWLIB_DATA names."""
    folder = Path(os.environ.get("FLOWLIB_DATA", Path(__file__).resolve().parents[2] / "data"))
    if not folder.is_dir():
        raise FlowlibError(f"no data folder at {folder}: run from a clone of the repository, or set FLOWLIB_DATA to its data/ folder")
    return folder


def parse_idx(content, name):
    """The array in an IDX file's bytes (magic number, sizes, unsigned bytes); raises where they do not fit together."""
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise FlowlibError(f"{name} is not an IDX file of bytes: it starts with {content[:4]!r}; get the file again")
    rank = content[3]
    header = 4 + 4 * rank
    if len(content) < header:
        raise FlowlibError(f"{name} is truncated: it ends within its header; get it again")
    shape = struct.unpack(f">{rank}I", content[4:header])
    if len(content) != header + math.prod(shape):
        raise FlowlibError(f"{name} is truncated: {len(content)} bytes for an array of shape {shape}; get it again")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def read_idx(path):
    """The uint8 array in an IDX file, plain, gzipped (.gz) or bzipped (.bz2)."""
    path = Path(path)
    decompress = {".gz": gzip.decompress, ".bz2": bz2.decompress}.get(path.suffix, bytes)
    try:
        return parse_idx(decompress(path.read_bytes()), path.name)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise FlowlibError(f"{path} cannot be read ({error}); get the file again") from error


def load_digits(split="train", folder=None):
    """The embedded digits: images (n, 1, 28, 28) uint8 and labels (n,) int64; n = 8 000 ("train") or 2 000 ("test").

    Raises FlowlibError for an unknown split and for a missing, truncated or altered file.
    """
    if split not in ("train", "test"):
        raise FlowlibError(f"unknown split {split!r}: choose 'train' (8 000 digits) or 'test' (2 000)")
    folder = data_folder() if folder is None else Path(folder)
    part = slice(None, TRAIN) if split == "train" else slice(TRAIN, None)
    images, labels = (parse_idx(bz2.decompress(_verified(folder / name, sha256)), name)[part] for name, sha256 in SHA256.items())
    return torch.from_numpy(images.copy())[:, None], torch.from_numpy(labels.astype(np.int64))


def _verified(path, sha256):
    if not path.is_file():
        raise FlowlibError(f"{path} is missing: restore it with `git checkout -- data/{path.name}`")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise FlowlibError(f"{path} is truncated or altered (its SHA-256 differs): restore it with `git checkout -- data/{path.name}`")
    return content
