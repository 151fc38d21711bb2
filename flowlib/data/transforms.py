"""Image transformations of growing strength: scale, rotation and hue, alone or composed into one warp.

Scale and rotation are one affine map of the pixel grid, so any combination is one resampling (never two: each
resampling blurs). Angles are in degrees; a positive rotation turns the picture counter-clockwise.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.errors import FlowlibError

FACTORS = ("scale", "rotation", "hue")
IDENTITY = {"scale": 1.0, "rotation": 0.0, "hue": 0.0}
FULL = {"scale": 1.8, "rotation": 80.0, "hue": 160.0}


def factor_index(name, factors=FACTORS):
    """The number of a factor given by name; raises for a name that is not there."""
    if name not in factors:
        raise FlowlibError(f"unknown factor {name!r}: choose one of {', '.join(factors)}")
    return factors.index(name)


def strength(name, step, steps=8):
    """The parameter of transformation `name` after `step` of `steps` equal steps (may go beyond: M19)."""
    factor_index(name)
    return IDENTITY[name] + step / steps * (FULL[name] - IDENTITY[name])


def transform(
    images: Float[Tensor, "B C H W"], scale: Tensor, rotation: Tensor, hue: Tensor
) -> Float[Tensor, "B C H W"]:
    """Scale and turn each image about its centre (bilinear, zeros outside), then turn its colours.

    images : (B, C, H, W) in [0, 1]; C = 3 where the hue moves
    scale, rotation, hue : (B,) factor, degrees, degrees
    """
    moving = (scale != IDENTITY["scale"]) | (rotation != IDENTITY["rotation"])
    warped = images.clone()
    if bool(moving.any()):  # an image at rest stays exactly as it is
        warped[moving] = _warp(images[moving], scale[moving].to(images), rotation[moving].to(images))
    return rotate_hue(warped, hue.to(images)).clamp(0, 1)


def _warp(images, scale, rotation):
    from kornia.geometry.transform import get_rotation_matrix2d, warp_affine

    size = images.shape[-2:]
    centre = torch.tensor([(size[1] - 1) / 2, (size[0] - 1) / 2]).to(images).expand(len(images), 2)
    matrix = get_rotation_matrix2d(centre, rotation, scale[:, None].expand(-1, 2))
    return warp_affine(images, matrix, size, align_corners=True)


def rotate_hue(images: Float[Tensor, "B C H W"], degrees: Float[Tensor, " B"]) -> Float[Tensor, "B C H W"]:
    """Add an angle to the hue of every pixel (HSV); images without colour have no hue to turn."""
    from kornia.enhance import adjust_hue

    degrees = degrees % 360
    moving = degrees != 0
    if not bool(moving.any()):
        return images
    if images.shape[1] != 3:
        raise FlowlibError(f"hue needs images with 3 channels, got {images.shape[1]}: use `colour` to make them red first")
    turned = images.clone()
    turned[moving] = adjust_hue(images[moving], torch.deg2rad(degrees[moving]))
    return turned


def colour(images: Tensor) -> Float[Tensor, "B 3 H W"]:
    """Grey images (B, 1, H, W), bytes or floats in [0, 1], as red ones (the colour whose hue is 0)."""
    if images.ndim != 4 or images.shape[1] != 1:
        raise FlowlibError(f"images of shape {tuple(images.shape)}: give grey images (n, 1, H, W)")
    grey = images.float() / 255 if images.dtype == torch.uint8 else images
    return torch.cat([grey, torch.zeros_like(grey).expand(-1, 2, -1, -1)], dim=1)
