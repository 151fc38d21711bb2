"""Are files the data set that they should be? Layout, count and order of the labels; and one sequence per factor, to look at."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from flowlib.atomic_io import write_file
from flowlib.data.catalogue import open_images
from flowlib.data.factorial import FactorialSequences


def check(name: str, path=None, picture=None) -> Path:
    """Verify a data set; returns where it was drawn, a row for each factor, which moves from a random image.

    name, path : as `open_images` takes them;  picture : the PNG file to write (None: NAME-factors.png here)
    Raises FlowlibError for files that are missing, truncated, reordered, or of another kind.
    """
    images = open_images(name, path)
    if hasattr(images, "check"):
        images.check()
    picture = Path(f"{name}-factors.png" if picture is None else picture)
    sheet = Image.fromarray(sheet_of(images))
    write_file(picture, lambda temporary: sheet.save(temporary, format="PNG"))
    return picture


def sheet_of(images, seed=0) -> np.ndarray:
    """(rows, columns, 3) bytes: for each factor all of its values in a row, from one random image."""
    source = FactorialSequences(images)
    begin = np.random.RandomState(seed).randint(len(images), size=1)
    rows = [source.numbers(begin, k, np.arange(length + 1))[0] for k, length in enumerate(source.lengths)]
    sheet = torch.full((len(rows), max(map(len, rows)), 3, images.size, images.size), 255, dtype=torch.uint8)
    for place, row in enumerate(rows):
        sheet[place, : len(row)] = images.read(row)
    return sheet.permute(0, 3, 1, 4, 2).reshape(len(rows) * images.size, -1, 3).numpy()
