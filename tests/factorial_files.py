"""Small files in exactly the formats of Shapes3D, Falcor3D and Isaac3D."""

import numpy as np
from PIL import Image

from flowlib.data.grid import Grid


def values(grid: Grid):
    """The labels: every factor's values evenly in [0, 1], in the order of the numbering."""
    digits = grid.digits(np.arange(len(grid)))
    return digits / np.maximum(np.array(grid.sizes) - 1, 1)


def pictures(grid: Grid, side: int):
    """(N, H, W, 3) bytes; the first pixel's colours hold the image's number."""
    images = np.random.RandomState(0).randint(0, 256, (len(grid), side, side, 3)).astype(np.uint8)
    number = np.arange(len(grid))
    images[:, 0, 0] = np.stack([number // 256, number % 256, number * 0], -1)
    return images


def numbers(images):
    """What `pictures` wrote into the first pixel of images (n, 3, H, W)."""
    return (images[:, 0, 0, 0].long() * 256 + images[:, 1, 0, 0]).tolist()


def write_shapes(path, grid: Grid, chunks=None, **changed):
    """A file like 3dshapes.h5; keyword arguments replace its arrays."""
    import h5py

    arrays = {"images": pictures(grid, 64), "labels": values(grid)} | changed
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            if array is not None:
                packing = {"chunks": chunks, "compression": "gzip"} if chunks and name == "images" else {}
                file.create_dataset(name, data=array, **packing)
    return path


def write_numbered(folder, grid: Grid, side=16, labels=None):
    """A folder like Falcor3D_down128 or Isaac3D_down128."""
    (folder / "images").mkdir(parents=True)
    for number, picture in enumerate(pictures(grid, side)):
        Image.fromarray(picture).save(folder / "images" / f"{number:06}.png")
    with open(folder / "train-rec.labels", "wb") as file:
        np.save(file, values(grid).astype(np.float32) if labels is None else labels)
    return folder
