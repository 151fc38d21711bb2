"""Full factorial data as numbered PNG files in a folder, beside their labels: the format of Falcor3D and Isaac3D."""

import os
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from flowlib.data.grid import Grid
from flowlib.data.labels import check_labels
from flowlib.errors import FlowlibError

LABELS = "train-rec.labels"
BOX = Image.Resampling.BOX


class NumberedImages:
    """The images 000000.png … of a folder, by number; a file is opened when its image is asked for.

    path : the folder with the PNG files, or the one that holds it as `images`;  grid : the factors
    source : where the data set comes from, for messages;  size : the side that images are brought to (None: their own)
    Raises FlowlibError for a missing folder, and for the wrong number of files.
    """

    channels = 3

    def __init__(self, path, grid: Grid, source: str, size: int | None = None):
        folder = Path(path)
        self.folder = folder / "images" if (folder / "images").is_dir() else folder
        self.grid, self._source, self._wanted = grid, source, size
        if not self.folder.is_dir():
            raise FlowlibError(f"{folder} is no folder: {source}")
        self._check_names()
        self.size = size or self._image(0).shape[0]

    def __len__(self):
        return len(self.grid)

    def read(self, indices) -> UInt8[Tensor, "n 3 H W"]:
        """The images with these numbers, in their order."""
        indices = np.asarray(indices, dtype=np.int64)
        self.grid.digits(indices)  # refuses numbers that do not exist
        images = {index: self._image(index) for index in set(indices.tolist())}
        if wrong := [index for index, image in images.items() if image.shape[0] != self.size]:
            raise FlowlibError(f"{self._path(wrong[0])} has another size than the first image, {self.size}: get it again")
        return torch.from_numpy(np.stack([images[index] for index in indices.tolist()]).transpose(0, 3, 1, 2).copy())

    def check(self):
        """Raise FlowlibError unless the labels stand in the order of the numbering, and every file is whole, by PNG's own checksums, and of one size."""
        check_labels(read_labels(self.folder, self._source), self.grid, self.folder)
        sizes = set()
        for index in range(len(self)):
            with self._opened(index) as image:
                sizes.add(image.size)
                image.verify()
            if len(sizes) > 1:
                raise FlowlibError(f"{self._path(index)} has another size than the images before it: get it again")

    def _path(self, index):
        return self.folder / f"{index:06}.png"

    def _check_names(self):
        found = {entry.name for entry in os.scandir(self.folder) if entry.name.endswith(".png")}
        missing = next((index for index in range(len(self)) if f"{index:06}.png" not in found), None)
        if missing is not None:
            raise FlowlibError(
                f"{self._path(missing)} is missing: there should be {len(self)} images, and {len(found)} are there; {self._source}"
            )
        if len(found) != len(self):
            raise FlowlibError(f"{self.folder} holds {len(found)} images, {len(self)} of them belong to this data set: take the others out")

    def _image(self, index):
        """(H, W, 3) bytes."""
        with self._opened(index) as opened:
            image = opened.convert("RGB")
            return np.asarray(image.resize((self._wanted,) * 2, BOX) if self._wanted else image)

    @contextmanager
    def _opened(self, index):
        """The image, for `with`: raises FlowlibError, naming its file, for whatever is wrong with it."""
        path = self._path(index)
        try:
            with Image.open(path) as opened:
                if opened.mode not in ("RGB", "RGBA") or opened.width != opened.height:
                    raise FlowlibError(f"{path} is {opened.width} × {opened.height} of mode {opened.mode}: it should be a square in RGB")
                yield opened
        except (OSError, SyntaxError, ValueError) as error:  # Pillow's names for a broken file
            raise FlowlibError(f"{path} cannot be read ({error}): get it again") from error


def read_labels(folder, source):
    """The array in `train-rec.labels`, which lies in the folder of the images or in the one above."""
    path = next((place / LABELS for place in (folder, folder.parent) if (place / LABELS).is_file()), None)
    if path is None:
        raise FlowlibError(f"{LABELS} is missing in {folder} and {folder.parent}: {source}")
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise FlowlibError(f"{path} cannot be read as an array of numpy ({error}): get it again") from error
