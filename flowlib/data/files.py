"""Data from a path: a folder of PNG and JPEG images, or a file of sequences, .npz or .h5.

A folder's images are those below it, too, without what is hidden, and without the pictures in a run's folder; upright, as their EXIF says.
"""

import functools
import hashlib
import os
import warnings
import zipfile
from collections import Counter
from dataclasses import replace
from numbers import Integral
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from flowlib.config import CHANGED
from flowlib.data.catalogue import at_home, factorial_options, is_factorial
from flowlib.data.digests import digest_of
from flowlib.data.effects import strengths_of
from flowlib.data.options import part_of, refuse, training_options
from flowlib.data.recorded import RecordedSequences, numbered
from flowlib.data.sequences import ImageSequences, checked_images
from flowlib.data.transforms import FACTORS, is_own
from flowlib.errors import FlowlibError

IMAGES, SEQUENCES = (".png", ".jpg", ".jpeg"), (".npz", ".h5", ".hdf5")
GREY = ("1", "L", "LA")
DARK = 0.25  # brightest pixel below which images were probably stored in a part of their range
WEIGHTS = {"model.safetensors", "checkpoint.safetensors"}  # beside config.json: the folder of a run


def options_of(path, size=None) -> dict:
    """What data at a path say of a run's configuration: data (the whole path), data_digest, channels, size, factors and, of sequences, horizon.

    size : the side that images of a folder are brought to: the largest central square, resized. None: they have one side already
    """
    if size is not None and (not isinstance(size, Integral) or isinstance(size, bool) or size < 4):
        raise FlowlibError(f"size = {size!r}: give a whole number of pixels, 4 or more a side")
    size = None if size is None else int(size)
    if is_factorial(path):
        return factorial_options(path, size)
    if not str(path):
        raise FlowlibError("the data's path is an empty text: name a folder or a file ('.' is the folder you are in)")
    path = at_home(path).resolve()
    content = _content(path, size)
    data = {"data": str(path), "data_digest": digest(path)}
    if isinstance(content, torch.Tensor):
        colours = content.shape[1]
        factors = FACTORS if colours == 3 else FACTORS[:2]
        return data | {"channels": colours, "size": content.shape[-1], "factors": factors}
    frames, factor, names = content
    source = RecordedSequences(frames, factor, names or (("a", "b", "c") if factor is None else None))
    found = data | {"channels": source.channels, "size": source.size, "horizon": source.steps, "factors": source.factors}
    return found if source.labelled else found | {"model": "flow-inferred"}


def load_path(config, split):
    """The sequences of one part of the data at `config.data`.

    A share `config.held_out` of the images, or of every factor's sequences, is "test" (`part_of`).
    """
    content = _content(Path(config.data), config.size)
    of_images = isinstance(content, torch.Tensor)
    if config.data_digest:
        there = digest(config.data)
        _check_digest(config, there, *([_with_strengths(there, config)] if of_images else []))
    if of_images:
        rows = part_of(len(content), config, split).sort().values
        refuse(config, "images of a folder", "left_out", "corner", "parted")
        return ImageSequences(content[rows], config.factors, config.horizon, **training_options(config, split))
    refuse(config, "recorded sequences", "starts", "programs", "left_out", "corner", "parted")
    frames, factor, names = content
    if names is not None and tuple(config.factors) != names:
        raise FlowlibError(f"factors = {tuple(config.factors)}: {config.data} names its labels {names}, in this order; leave factors out")
    alike = [np.arange(len(frames))] if factor is None else [np.flatnonzero(factor == label) for label in np.unique(factor)]
    rows = np.sort(np.concatenate([own[part_of(len(own), config, split).numpy()] for own in alike]))
    return RecordedSequences(frames[rows], None if factor is None else factor[rows], config.factors)


def remarks(config, source) -> list[str]:
    """What is worth a word before training on images at a path: files that are left out, copies, and pixels that are nearly all dark."""
    folder = Path(config.data)
    if not isinstance(source, ImageSequences) or not config.data_digest or not folder.is_dir():
        return []
    found, kinds = [], tuple(kind for kind in Image.registered_extensions() if kind not in IMAGES)
    if others := Counter(path.suffix.lower() for path in _below(folder, kinds)):
        listed = ", ".join(f"{count} {kind}" for kind, count in sorted(others.items()))
        found.append(f"left out: {listed}; save them as PNG or JPEG to use them")
    images = _content(folder, config.size)
    if copies := len(images) - len({hashlib.sha256(image.numpy()).digest() for image in images}):
        found.append(f"{copies} of {len(images)} images are copies of others: what is held out may be in training, too; take them out")
    if (brightest := source.images.max() / 255) < DARK:
        found.append(
            f"the brightest of all pixels is {brightest:.2f} of the range (16 bits are divided by 65 535): stretch the images' contrast"
        )
    return found


def sealed(config, source):
    """The configuration of a run on data that it names: of images at a path, its digest also tells how strong their transformations are; of
    digits, where some of these are a user's own."""
    if config.data in ("digits", "mnist"):
        own = any(map(is_own, config.factors))
        return replace(config, data_digest=_with_strengths(config.data, config)) if own else config
    if not config.data_digest or not isinstance(source, ImageSequences):
        return config
    return replace(config, data_digest=_with_strengths(digest(config.data), config))


def check_sealed(config):
    """Raise FlowlibError where the transformations of digits are no longer as strong as when this configuration was made (`sealed`)."""
    if config.data_digest:
        _check_digest(config, _with_strengths(config.data, config))


def _check_digest(config, *known):
    if config.data_digest not in known:
        raise FlowlibError(f"{CHANGED.format(config.data)} since this configuration was made: put back what it held, or train anew")


def _with_strengths(found, config):
    return f"{found}-{digest_of(strengths_of(config.factors, config.channels, config.size))[:8]}"


def _content(path, size):
    """Images (n, C, H, W) uint8, or (frames, factor or None, names or None)."""
    if path.is_dir():
        return _images(_files(path), size)
    if not path.is_file() or path.suffix.lower() not in SEQUENCES:
        raise FlowlibError(f"{path} is no folder of images and no file {' or '.join(SEQUENCES)} of sequences: name one, or digits or mnist")
    return _sequences(*_files(path)[0])


def _files(path):
    """((file, time of its last change), …) of a folder of images, or of a file alone."""
    files = sorted(_below(path, IMAGES)) if path.is_dir() else [path]
    if not files:
        raise FlowlibError(f"{path} holds no image: put PNG or JPEG files into it")
    for file in files:
        if not os.access(file, os.R_OK):
            raise _unreadable(file)
    return tuple((file, file.stat().st_mtime_ns) for file in files)


def _below(folder, kinds):
    """The files with these endings in a folder and in those inside it, but for hidden ones and those of runs."""

    def refuse_folder(error):
        raise _unreadable(error.filename) from error

    seen = set(folder.resolve().parents)  # no link leads out of the folder upwards, and none is followed twice
    for where, folders, names in os.walk(folder, onerror=refuse_folder, followlinks=True):
        where, place = Path(where), Path(where).resolve()
        if place in seen:
            folders.clear()
            continue
        seen.add(place)
        if where != folder and "config.json" in names and not WEIGHTS.isdisjoint(names):
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (where / name for name in names if not name.startswith(".") and name.lower().endswith(kinds))


def _unreadable(path):
    return FlowlibError(f"{path} cannot be read: the permission to read it is missing (chmod u+rX gives it), or it is gone")


def digest(path) -> str:
    """16 digits that tell the content of data at a path: bytes and names of the files. Which ones are held out depends on them all."""
    return _digest(_files(Path(path)), Path(path))


@functools.lru_cache(maxsize=1)
def _digest(files, folder):
    found = hashlib.sha256()
    for file, _ in files:
        found.update(os.fsencode(file.relative_to(folder).as_posix()) + b"\0")
        with open(file, "rb") as opened:
            found.update(hashlib.file_digest(opened, "sha256").digest())
    return found.hexdigest()[:16]


@functools.lru_cache(maxsize=1)  # training, held-out part and their shape are three questions to one folder
def _images(files, size):
    images, refused = [], []
    for file, _ in files:
        try:
            images.append(_read_image(file, size))
        except FlowlibError as error:
            refused.append(str(error))
    if refused:
        more = f" ({len(refused)} of {len(files)} files, the first ones)" if len(refused) > 1 else ""
        raise FlowlibError("\n".join(refused[:5]) + more)
    by_size = {image.size: file for image, (file, _) in zip(images, files)}
    sizes = sorted(by_size)
    if len(sizes) > 1 or sizes[0][0] != sizes[0][1]:
        shown = ", ".join(f"{by_size[one].name} {one[0]} × {one[1]}" for one in dict.fromkeys((sizes[0], sizes[-1])))
        raise FlowlibError(f"images must be squares of one size ({shown}): give a size (--size 64), to which the central squares are brought")
    kind = "L" if all(image.mode in GREY for image in images) else "RGB"
    pixels = np.stack([np.asarray(image.convert(kind)) for image in images])
    return torch.from_numpy(pixels[:, None] if kind == "L" else np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))


def _read_image(file, size):
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(file) as opened:  # it warns of many pixels, and of damaged EXIF
            opened.load()
            image = _upright(opened)
        image = _eight_bits(image, file, opened.format) if image.mode[0] in "IF" else image.convert("L" if image.mode in GREY else "RGB")
    except Image.DecompressionBombError as error:
        most = 2 * Image.MAX_IMAGE_PIXELS // 10**6
        raise FlowlibError(f"{file} has more than {most} million pixels: save it smaller, or take it out of the folder") from error
    except (OSError, SyntaxError, ValueError) as error:  # Pillow's names for a broken file
        raise FlowlibError(f"{file} cannot be read as an image ({error}): replace it, or take it out of the folder") from error
    return image if size is None or image.size == (size, size) else ImageOps.fit(image, (size, size))


def _upright(image):
    """Turned as its EXIF orientation says; where that is damaged, as it is, for its pixels can be read all the same."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        return image


def _eight_bits(image, file, kind):
    """Grey of 16 bits as bytes: Pillow's own conversion cuts off what is above 255."""
    if not image.mode.startswith("I;16") and kind != "PNG":  # which has no more than 16 bits, in older versions of Pillow as mode I
        raise FlowlibError(f"{file} has pixels of 32 bits (mode {image.mode}): save it with 8 or 16 bits a channel")
    return Image.fromarray((np.asarray(image, dtype=np.float64) / 257).round().astype(np.uint8))


@functools.lru_cache(maxsize=1)
def _sequences(path, _):
    try:
        with _arrays(path) as file:
            found = {name: file[name][()] for name in ("frames", "factor", "factors") if name in file} | {"names": sorted(file)}
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:  # h5py's of a group where an array should be
        raise FlowlibError(f"{path} cannot be read ({error}): write it again, with numpy.savez or h5py") from error
    if "frames" not in found:
        raise FlowlibError(
            f"{path} holds {found['names'] or 'nothing'}: it needs `frames` (N, T+1, C, H, W), and may have `factor` (N,) and `factors`, names"
        )
    others = sorted(set(found["names"]) - {"frames", "factor", "factors"})
    if others and "factor" not in found:
        raise FlowlibError(
            f"{path} has no `factor`, but {', '.join(others)}: name the labels `factor`, or take the others out where there are none"
        )
    frames = checked_images(found["frames"], "(N, T+1, C, H, W)").numpy()
    names = found.get("factors")
    if names is not None:  # one name may stand alone, without an axis
        names = tuple(one.decode() if isinstance(one, bytes) else str(one) for one in np.atleast_1d(names).tolist())
    return frames, *numbered(found.get("factor"), names)


def _arrays(path):
    """The file, opened: an array by its name, and what names there are."""
    if path.suffix.lower() == ".npz":
        return np.load(path, allow_pickle=False)
    try:
        import h5py
    except ImportError as error:
        raise FlowlibError(f"{path} needs the package h5py: pip install h5py, or write the arrays with numpy.savez") from error
    return h5py.File(path)
