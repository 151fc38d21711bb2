"""All 70 000 MNIST digits, downloaded once into a cache and verified by their published MD5."""

import numpy as np
import torch

from flowlib.data.cache import cache_folder
from flowlib.data.digits import read_idx
from flowlib.data.download import fetch
from flowlib.errors import FlowlibError

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    "https://storage.googleapis.com/cvdf-datasets/mnist",
)
MD5 = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}


def load_mnist(split="train", folder=None, mirrors=MIRRORS):
    """Full MNIST: images (n, 1, 28, 28) uint8 and labels (n,) int64; n = 60 000 ("train") or 10 000 ("test").

    Raises FlowlibError for an unknown split, or when the files are not there and cannot be downloaded intact.
    """
    prefixes = {"train": "train", "test": "t10k"}
    if split not in prefixes:
        raise FlowlibError(f"unknown split {split!r}: choose 'train' (60 000 digits) or 'test' (10 000)")
    folder = cache_folder() / "mnist" if folder is None else folder
    names = [name for name in MD5 if name.startswith(prefixes[split])]
    images, labels = (read_idx(fetch(name, MD5[name], mirrors, folder)) for name in names)
    return torch.from_numpy(images.copy())[:, None], torch.from_numpy(labels.astype(np.int64))
