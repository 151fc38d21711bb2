"""Images as piles of mass on their pixel grid, and the picture part of the way along a transport plan (M3, M4)."""

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.errors import FlowlibError
from flowlib.transport.checks import check_finite, check_points, check_positive, check_shape
from flowlib.transport.discrete import optimal_coupling
from flowlib.transport.types import Number


def image_to_measure(image: Float[Tensor, "H W"]) -> tuple[Float[Tensor, "n 2"], Float[Tensor, " n"]]:
    """The n pixels with ink as points, and their shares of the ink (sum 1), in reading order.

    A point is (column, −row) from the image's centre in pixels: first coordinate to the right, second upwards.
    Raises FlowlibError for negative values and for an image without ink.
    """
    check_points(image, "image", "H W")
    check_finite(image, "image")
    if bool((image < 0).any()) or not bool((image > 0).any()):
        raise FlowlibError(f"image has values from {float(image.min()):.3g} to {float(image.max()):.3g}; ink is ≥ 0 and somewhere > 0.")
    row, column = image.nonzero(as_tuple=True)
    across, up = _centres(image.shape[1], image), -_centres(image.shape[0], image)
    ink = image[row, column]
    return torch.stack([across[column], up[row]], 1), ink / ink.sum()


def displacement(
    x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], plan: Float[Tensor, "n m"], s: Number
) -> tuple[Float[Tensor, "k d"], Float[Tensor, " k"]]:
    """The pile at time s when each pair's mass P_ij goes straight from x_i to y_j: points (1 − s) x_i + s y_j and
    masses, for the k pairs with P_ij > 0; 0 ≤ s ≤ 1 (McCann 1997; M4 where the plan is optimal)."""
    if not 0 <= s <= 1:
        raise FlowlibError(f"s is {s}; the displacement interpolation is defined for 0 ≤ s ≤ 1.")
    check_shape(plan, (len(x), len(y)), "plan")
    i, j = (plan > 0).nonzero(as_tuple=True)
    return (1 - s) * x[i] + s * y[j], plan[i, j]


def rasterize(points: Float[Tensor, "n 2"], weights: Float[Tensor, " n"], size: tuple[int, int], *, blur: Number = 0.5) -> Float[Tensor, "H W"]:
    """The picture (H, W) = `size` of weighted points, in the coordinates of `image_to_measure`.

    Each point spreads its weight over the pixels as a Gaussian of `blur` > 0 pixels, normalised on the grid: the
    picture's sum is that of the weights, whatever the points do. As blur falls all goes to the nearest pixel.
    """
    check_points(points, "points")
    check_shape(points, (len(points), 2), "points")
    check_shape(weights, (len(points),), "weights")
    check_positive(blur, "blur")
    height, width = size
    across = _spread(points[:, 0], _centres(width, points), blur)
    down = _spread(points[:, 1], -_centres(height, points), blur)
    return torch.einsum("n,nh,nw->hw", weights, down, across)


def displacement_frames(
    first: Float[Tensor, "H W"], second: Float[Tensor, "H W"], times: Float[Tensor, " S"], *, blur: Number = 0.5
) -> Float[Tensor, "S H W"]:
    """The frames at `times` in [0, 1] when the ink of `first` moves onto that of `second` by the optimal plan.

    The piles have mass 1 each; a frame's sum is (1 − s) times the first image's plus s times the second's.
    """
    check_shape(second, first.shape, "second")
    check_points(times, "times", "S")
    (x, a), (y, b) = image_to_measure(first), image_to_measure(second)
    plan, _ = optimal_coupling(x, y, a, b)
    frames = []
    for s in times.tolist():
        ink = (1 - s) * first.sum() + s * second.sum()
        frames.append(ink * rasterize(*displacement(x, y, plan, s), tuple(first.shape), blur=blur))
    return torch.stack(frames)


def _centres(count: int, like: Tensor) -> Float[Tensor, " count"]:
    """The centres of `count` pixels in a row, measured from their middle."""
    return torch.arange(count).to(like) - (count - 1) / 2


def _spread(position: Tensor, centres: Tensor, blur: Number) -> Float[Tensor, "n count"]:
    distances = (position[:, None] - centres).square()
    farther = distances - distances.amin(1, keepdim=True)  # the nearest pixel keeps weight 1 before normalising
    blur = max(blur, torch.finfo(position.dtype).tiny)
    return torch.softmax(-farther / blur / blur / 2, 1)
