"""Images the models never met: other digits, and photographs (M19). Both come with scikit-learn."""

import torch
import torch.nn.functional as F

from flowlib.errors import FlowlibError

DIGIT, SIZE = 20, 28  # the sides of an MNIST digit and of its image


def sklearn_digits():
    """(1797, 1, 28, 28) uint8: scikit-learn's 8 × 8 digits (values 0 … 16), enlarged bilinearly to 20 × 20 and centred.

    Source: Alpaydin & Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998.
    """
    from sklearn.datasets import load_digits

    grey = torch.from_numpy(load_digits().images).float()[:, None] / 16
    large = F.interpolate(grey, size=(DIGIT, DIGIT), mode="bilinear", align_corners=False)
    return (255 * F.pad(large, [(SIZE - DIGIT) // 2] * 4)).round().to(torch.uint8)


def photo_patches(count=500, seed=0):
    """(count, 1, 28, 28) uint8: random patches of scikit-learn's two photographs, grey and a quarter as large.

    Raises FlowlibError for count < 1.
    """
    if count < 1:
        raise FlowlibError(f"count = {count}: ask for at least one patch")
    photos = [_grey_photo(name) for name in ("china.jpg", "flower.jpg")]
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(photos), (count,), generator=generator).tolist()
    return torch.stack([_patch(photos[index], generator) for index in chosen]).round().to(torch.uint8)


def _grey_photo(name):
    """(1, H, W) luminance 0 … 255 (ITU-R BT.601), a quarter as long: 28 pixels then show things, not a piece of sky."""
    from sklearn.datasets import load_sample_image

    grey = torch.from_numpy(load_sample_image(name).copy()).float() @ torch.tensor([0.299, 0.587, 0.114])
    return F.avg_pool2d(grey[None], 4)


def _patch(photo, generator):
    top, left = (int(torch.randint(side - SIZE + 1, (), generator=generator)) for side in photo.shape[-2:])
    return photo[:, top : top + SIZE, left : left + SIZE]
