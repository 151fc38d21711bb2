"""Image transformations of growing strength, by name; a new one is one decorated function.

Geometric ones are matrices, so any combination is one resampling (each resampling blurs). What changes colours or pixels follows, in the
order of registration. Angles are in degrees; a positive rotation turns the picture counter-clockwise.
"""

import functools
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.devices import is_out_of_memory
from flowlib.errors import FlowlibError

FACTORS = ("scale", "rotation", "hue")  # those of the digits


@dataclass(frozen=True)
class Transformation:
    """A function of strength, from `rest` (which changes nothing) to `full` after T steps, and on at the same pace beyond.

    warp : function(strength (B,), size) → matrices (B, 3, 3) that move pixels (x right, y down, 1) about the image's centre; otherwise
        function(images (B, C, H, W) in [0, 1], strength (B,)) → images of the same shape, clamped to [0, 1] afterwards
    """

    function: Callable
    rest: float
    full: float
    warp: bool


TRANSFORMATIONS: dict[str, Transformation] = {}


def transformation(name: str, rest: float = 0.0, full: float = 1.0, warp: bool = False):
    """A decorator: the function is a transformation under this name from then on (see `Transformation`).

    It is called for images that are not at rest only. Raises FlowlibError for rest = full, and where the name is left out.
    """
    if not isinstance(name, str) or not name:
        raise FlowlibError(f"a transformation named {name!r}: write @flowlib.transformation('fade') above the function, a name in brackets")
    try:
        begin, end = float(rest), float(full)
    except (TypeError, ValueError):
        begin = end = float("nan")
    if not (abs(begin) < float("inf") and abs(end) < float("inf") and begin != end):
        raise FlowlibError(f"transformation {name!r} from {rest!r} to {full!r}: give two different finite strengths")

    def add(function):
        there = TRANSFORMATIONS.get(name)
        if there is not None and there.function.__module__ == __name__ != getattr(function, "__module__", None):
            raise FlowlibError(f"transformation {name!r} is one of flowlib's own: choose another name")
        TRANSFORMATIONS[name] = Transformation(function, begin, end, warp)
        return function

    return add


def known(name: str) -> Transformation:
    """The transformation of that name; raises FlowlibError where none is registered."""
    if name not in TRANSFORMATIONS:
        listed = ", ".join(TRANSFORMATIONS)
        raise FlowlibError(
            f"unknown factor {name!r}: choose one of {listed}, or register it (`flowlib.transformation`; on the command line, --plugin FILE)"
        )
    return TRANSFORMATIONS[name]


def is_own(name: str) -> bool:
    """Whether the transformation of that name is a user's, not one of flowlib's."""
    return not known(name).function.__module__.startswith("flowlib.")


def strength(name, step, steps=8):
    """The parameter of transformation `name` after `step` of `steps` equal steps (may go beyond: M19)."""
    one = known(name)
    return one.rest + step / steps * (one.full - one.rest)


def transform(
    images: Float[Tensor, "B C H W"],
    scale: Tensor | None = None, rotation: Tensor | None = None, hue: Tensor | None = None, **others: Tensor,
) -> Float[Tensor, "B C H W"]:  # fmt: skip
    """Apply transformations by name, each with its strengths (B,): one bilinear warp (zeros outside), then colours and pixels.

    images : (B, C, H, W) in [0, 1], as is the result; an image at rest stays exactly as it is
    Raises FlowlibError for bytes, for other than one strength for each image, and where a transformation changes the shape, or returns NaN,
        bytes for images, or a matrix without an inverse.
    """
    strengths = {"scale": scale, "rotation": rotation, "hue": hue} | others
    strengths = {name: _strengths(name, value, images) for name, value in strengths.items() if value is not None}
    moving = {name: value != known(name).rest for name, value in strengths.items()}
    rows_of = {name: one.nonzero()[:, 0] for name, one in moving.items()}
    inside = [name for name in TRANSFORMATIONS if name in strengths and len(rows_of[name])]
    images = _warped(images.clone(), [name for name in inside if known(name).warp], strengths, moving)
    for name in inside:
        if not known(name).warp:
            rows = rows_of[name]
            chosen = images[rows]
            images[rows] = _applied(name, (chosen, strengths[name][rows]), chosen)
    return images.clamp(0, 1)


def _strengths(name, given, images):
    if not images.is_floating_point():
        raise FlowlibError(f"images of {images.dtype}: give floats in [0, 1], bytes divided by 255")
    strengths = torch.as_tensor(given).to(images)
    if strengths.shape != images.shape[:1]:
        raise FlowlibError(
            f"{name} {tuple(strengths.shape)} for images {tuple(images.shape)}: give a strength for each image, ({len(images)},)"
        )
    return strengths


def _warped(images, names, strengths, moving):
    """All geometric transformations as one map of the pixel grid."""
    if not names:
        return images
    from kornia.geometry.transform import warp_affine

    rows, (height, width) = torch.stack([moving[name] for name in names]).any(0).nonzero()[:, 0], images.shape[-2:]
    centre = _identity(images, len(rows))
    centre[:, 0, 2], centre[:, 1, 2] = (width - 1) / 2, (height - 1) / 2
    back = _identity(images, len(centre))
    back[:, :2, 2] = -centre[:, :2, 2]
    own = {name: _applied(name, (strengths[name][rows], width), centre) for name in names}
    matrix = centre @ functools.reduce(lambda first, then: then @ first, own.values()) @ back
    try:
        images[rows] = warp_affine(images[rows], matrix[:, :2], (height, width), align_corners=True)
    except torch.linalg.LinAlgError as error:
        flat = [name for name in names if torch.linalg.inv_ex(own[name]).info.any()] or names
        raise FlowlibError(
            f"transformation {flat[0]!r} returned a matrix without an inverse, which presses the image flat: let it be invertible at every "
            "strength that is reached, such as a scale above 0"
        ) from error
    return images


def _identity(like, count):
    return torch.eye(3, dtype=like.dtype, device=like.device).repeat(count, 1, 1)


def _applied(name, arguments, wanted):
    """What the transformation returns; raises, naming it, unless these are finite values of the shape of `wanted`."""
    try:
        result = known(name).function(*arguments)
    except Exception as error:  # whatever a user's own function does
        if isinstance(error, FlowlibError) or is_out_of_memory(error):
            raise
        given = " and ".join(str(tuple(one.shape)) if isinstance(one, Tensor) else str(one) for one in arguments)
        where = _where(known(name).function, error)
        raise FlowlibError(f"transformation {name!r}, given {given}, failed in {where}: {type(error).__name__}: {error}") from error
    if not isinstance(result, Tensor) or result.shape != wanted.shape:
        shape = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
        raise FlowlibError(f"transformation {name!r} returned {shape}, wanted a tensor {tuple(wanted.shape)}: it must keep the shape")
    if not bool(result.isfinite().all()):
        raise FlowlibError(f"transformation {name!r} returned NaN or infinite values: look for a division or a logarithm in it")
    if known(name).warp and bool((result[:, 2] != result.new_tensor([0, 0, 1])).any()):
        raise FlowlibError(f"transformation {name!r} returned a matrix whose last row is not (0, 0, 1): warps are affine, without perspective")
    if not known(name).warp and not result.is_floating_point() and result.dtype != torch.bool:
        raise FlowlibError(f"transformation {name!r} returned {result.dtype}: give floats in [0, 1], bytes divided by 255")
    return result.to(wanted)


def _where(function, error):
    """File and line where a user's function failed: in it, or, where it cannot be called like this, its first line."""
    frames = traceback.extract_tb(error.__traceback__)
    if len(frames) == 1:  # never entered
        code = getattr(getattr(function, "func", function), "__code__", None)  # also of a functools.partial
        return f"{code.co_filename}, line {code.co_firstlineno}" if code else f"the call of {function!r}"
    frame = frames[:2][-1]  # behind our call stands the function's own line
    return f"{frame.filename}, line {frame.lineno}"


@transformation("scale", rest=1.0, full=1.8, warp=True)
def scale_matrix(factor: Float[Tensor, " B"], size: int) -> Float[Tensor, "B 3 3"]:
    """Enlarge by a factor."""
    matrix = _identity(factor, len(factor))
    matrix[:, 0, 0] = matrix[:, 1, 1] = factor
    return matrix


@transformation("rotation", full=80.0, warp=True)
def rotation_matrix(degrees: Float[Tensor, " B"], size: int) -> Float[Tensor, "B 3 3"]:
    """Turn counter-clockwise as displayed."""
    from kornia.geometry import angle_to_rotation_matrix

    matrix = _identity(degrees, len(degrees))
    matrix[:, :2, :2] = angle_to_rotation_matrix(degrees)
    return matrix


@transformation("shear", full=0.6, warp=True)
def shear_matrix(slope: Float[Tensor, " B"], size: int) -> Float[Tensor, "B 3 3"]:
    """Slant to the right: a row moves by `slope` times its height above the centre."""
    return _entry(slope, 0, 1, -slope)


@transformation("translation_x", full=0.25, warp=True)
def translation_x_matrix(share: Float[Tensor, " B"], size: int) -> Float[Tensor, "B 3 3"]:
    """Move to the right by a share of the image's side."""
    return _entry(share, 0, 2, size * share)


@transformation("translation_y", full=0.25, warp=True)
def translation_y_matrix(share: Float[Tensor, " B"], size: int) -> Float[Tensor, "B 3 3"]:
    """Move down by a share of the image's side."""
    return _entry(share, 1, 2, size * share)


def _entry(like, row, column, values):
    matrix = _identity(like, len(like))
    matrix[:, row, column] = values
    return matrix


@transformation("hue", full=160.0)
def rotate_hue(images: Float[Tensor, "B C H W"], degrees: Float[Tensor, " B"]) -> Float[Tensor, "B C H W"]:
    """Add an angle to the hue of every pixel (HSV); images without colour have no hue to turn."""
    from kornia.enhance import adjust_hue

    degrees = degrees % 360
    moving = degrees.nonzero()[:, 0]
    if not len(moving):
        return images
    if images.shape[1] != 3:
        raise FlowlibError(f"hue needs images with 3 channels, got {images.shape[1]}: use `colour` to make them red first, or other factors")
    turned = images.clone()
    turned[moving] = adjust_hue(images[moving], torch.deg2rad(degrees[moving]))
    return turned


@transformation("brightness", rest=1.0, full=0.5)
def brighten(images: Float[Tensor, "B C H W"], factor: Float[Tensor, " B"]) -> Float[Tensor, "B C H W"]:
    """Multiply by a factor; 0 after twice T steps."""
    return images * factor[:, None, None, None]


@transformation("blur", full=0.06)
def blur(images: Float[Tensor, "B C H W"], share: Float[Tensor, " B"]) -> Float[Tensor, "B C H W"]:
    """Gaussian blur whose standard deviation is a share of the image's side."""
    from kornia.filters import gaussian_blur2d

    side = min(images.shape[-2:])
    reach = min(side - 1, int(3 * side * float(share.max())) + 1)
    return gaussian_blur2d(images, 2 * reach + 1, (side * share)[:, None].expand(-1, 2), border_type="constant")


def colour(images: Tensor) -> Float[Tensor, "B 3 H W"]:
    """Grey images (B, 1, H, W), bytes or floats in [0, 1], as red ones (the colour whose hue is 0)."""
    if images.ndim != 4 or images.shape[1] != 1:
        raise FlowlibError(f"images of shape {tuple(images.shape)}: give grey images (n, 1, H, W)")
    grey = as_floats(images)
    return torch.cat([grey, torch.zeros_like(grey).expand(-1, 2, -1, -1)], dim=1)


def as_floats(images: Tensor, device=None) -> Tensor:
    """Bytes as floats in [0, 1], and floats of any precision in the default one, which is the models' own; on a device, where one is given."""
    floats = images.to(device=device).to(torch.get_default_dtype())  # bytes travel as bytes
    return floats / 255 if images.dtype == torch.uint8 else floats
