"""Images of other kinds, against Pillow's own resizing and the photographs themselves."""

import numpy as np
import pytest
import sklearn.datasets
import torch
from PIL import Image

from flowlib.data import FACTORS, Sequences, photo_patches, sklearn_digits
from flowlib.errors import FlowlibError


def test_digits_are_enlarged_bilinearly_and_centred():
    found = sklearn_digits()
    assert found.shape == (1797, 1, 28, 28) and found.dtype == torch.uint8
    small = sklearn.datasets.load_digits().images
    for index in (0, 7, 1796):
        grey = Image.fromarray((small[index] * 255 / 16).astype(np.float32))
        expected = np.pad(np.asarray(grey.resize((20, 20), Image.Resampling.BILINEAR)), 4)
        assert found[index, 0].numpy() == pytest.approx(expected, abs=0.51)
    assert found.max() == 255


def test_patches_are_parts_of_the_photographs():
    found = photo_patches(6, seed=3)
    assert found.shape == (6, 1, 28, 28) and found.dtype == torch.uint8
    photos = [Image.fromarray(sklearn.datasets.load_sample_image(name)) for name in ("china.jpg", "flower.jpg")]
    origins = set()
    for patch in found[:, 0].numpy().astype(float):
        errors = [nearest(np.asarray(photo.convert("L").reduce(4)), patch) for photo in photos]
        assert min(errors) <= 2  # Pillow rounds twice
        origins.add(int(np.argmin(errors)))
    assert origins == {0, 1}


def nearest(photo, patch):
    """The largest difference from the part of a photograph that is most alike."""
    windows = np.lib.stride_tricks.sliding_window_view(photo.astype(float), patch.shape)
    return np.abs(windows - patch).max((2, 3)).min()


def test_patches_follow_the_seed_alone():
    torch.manual_seed(1)
    first = photo_patches(5)
    torch.manual_seed(2)
    assert torch.equal(first, photo_patches(5)) and torch.equal(first, photo_patches(5, seed=0))
    assert not torch.equal(first, photo_patches(5, seed=1))
    assert photo_patches().shape == (500, 1, 28, 28)


def test_both_become_sequences():
    for images in (sklearn_digits()[:3], photo_patches(3)):
        Sequences(images, FACTORS).full_batch([0, 2], "rotation").check()


@pytest.mark.parametrize("count", [0, -2])
def test_no_patches(count):
    with pytest.raises(FlowlibError, match=f"count = {count}"):
        photo_patches(count)
