"""Shapes3D (Burgess & Kim, 2018): 480 000 rendered rooms, read from 3dshapes.h5 a few images at a time."""

import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from flowlib.atomic_io import write_file
from flowlib.data.cache import alone, cache_folder
from flowlib.data.download import fetch
from flowlib.data.grid import Grid
from flowlib.data.labels import check_labels
from flowlib.data.scenes.rooms import GRID  # rooms have its factors, in its order
from flowlib.errors import FlowlibError

FILE, SHA256 = "3dshapes.h5", "0a0f6ed98baff276a50f3a081a7434d788da63cb135a98189b2a5b5769be1785"
MIRRORS = ("https://storage.googleapis.com/3d-shapes",)
SIDE = 64
LOOKED_AT = 64  # images at a time, of a file that is not compressed


def download(folder=None, mirrors=MIRRORS) -> Path:
    """The path of 3dshapes.h5 (268 MB, Apache-2.0), downloaded once into the cache, resumably, and verified."""
    return fetch(FILE, SHA256, mirrors, cache_folder() / "shapes3d" if folder is None else folder)


class Shapes3D:
    """The images of 3dshapes.h5, by number.

    path : of the file, or None: it is downloaded once;  grid : its factors
    Where the file's compressed blocks cut images into pieces, they are unpacked once beside it (5.9 GB), and mapped from there.
    Raises FlowlibError for a missing, truncated or different file.
    """

    channels, size = 3, SIDE

    def __init__(self, path=None, grid: Grid = GRID):
        self.path, self.grid = Path(download() if path is None else path), grid
        with self._open() as file:
            self._check_layout(file)
            chunks = file["images"].chunks
        whole = chunks is None or chunks[1:] == (SIDE, SIDE, 3) and chunks[0] <= 64
        self._unpacked = None if whole else self._unpack()

    def __len__(self):
        return len(self.grid)

    def read(self, indices) -> UInt8[Tensor, "n 3 64 64"]:
        """The images with these numbers, in their order."""
        indices = np.asarray(indices, dtype=np.int64)
        self.grid.digits(indices)  # refuses numbers that do not exist
        wanted, places = np.unique(indices, return_inverse=True)
        if self._unpacked is not None:
            found = self._unpacked[wanted]
        else:
            with self._open() as file:
                found = self._rows(file["images"], wanted)
        return torch.from_numpy(np.ascontiguousarray(found[places].transpose(0, 3, 1, 2)))

    def check(self):
        """Raise FlowlibError unless labels stand in the order of the numbering, and every image can be read (a minute or so)."""
        with self._open() as file:
            check_labels(file["labels"][()], self.grid, self.path)
            for _ in self._blocks(file["images"]):
                pass

    def _rows(self, images, wanted):
        with self._damage_named():
            return np.stack([images[row] for row in wanted])

    def _blocks(self, images):
        """(number of the first, images (n, 64, 64, 3)) of one row of compressed blocks after the other."""
        step = (images.chunks or (LOOKED_AT,))[0]
        for first in range(0, len(images), step):
            with self._damage_named():
                found = images[first : first + step]
            yield first, found

    @contextmanager
    def _damage_named(self):
        try:
            yield
        except OSError as error:
            raise FlowlibError(f"{self.path} is damaged ({error}): remove it, and download it again") from error

    def _open(self):
        return open_h5(self.path)

    def _check_layout(self, file):
        wanted = {"images": ((len(self.grid), SIDE, SIDE, 3), "uint8"), "labels": ((len(self.grid), len(self.grid.names)), "float64")}
        for name, (shape, kind) in wanted.items():
            one = file.get(name)
            found = (tuple(one.shape), str(one.dtype)) if hasattr(one, "shape") else "nothing" if one is None else "a group"
            if found != (shape, kind):
                raise FlowlibError(f"{self.path} is not {FILE}: `{name}` should be {shape} of {kind}, and is {found}; get the file again")

    def _unpack(self):
        """All images, as bytes in a file that is mapped and not loaded. It has the time of the file that it was made of, and is made anew for another."""
        shape = (len(self.grid), SIDE, SIDE, 3)
        target = self.path.with_name(f"{self.path.stem}-unpacked.npy")
        if not self._belongs(target):
            with alone(target):
                if not self._belongs(target):  # another process may have made it meanwhile
                    write_file(target, lambda temporary: self._copy(temporary, shape))
        unpacked = np.load(target, mmap_mode="r")
        if unpacked.shape != shape or unpacked.dtype != np.uint8:
            raise FlowlibError(f"{target} does not belong to {self.path}: remove it, it is made again")
        return unpacked

    def _belongs(self, target):
        return target.is_file() and target.stat().st_mtime_ns == self.path.stat().st_mtime_ns

    def _copy(self, temporary, shape):
        unpacked = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
        with self._open() as file:
            for first, block in self._blocks(file["images"]):
                unpacked[first : first + len(block)] = block
        unpacked.flush()
        of = self.path.stat()
        os.utime(temporary, ns=(of.st_atime_ns, of.st_mtime_ns))


def open_h5(path):
    """An HDF5 file opened for reading; raises FlowlibError where it or the package is missing, or it is none."""
    try:
        import h5py
    except ImportError as error:
        raise FlowlibError(f"{path} needs the package h5py: pip install h5py") from error
    if not Path(path).is_file():
        raise FlowlibError(f"{path} is missing: download it ({MIRRORS[0]}/{FILE}, 268 MB), or leave the path out")
    try:
        return h5py.File(path)
    except OSError as error:
        raise FlowlibError(f"{path} cannot be read ({error}): it is truncated or no HDF5 file; get it again") from error
