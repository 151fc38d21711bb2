"""Grids of images: every pixel where it belongs, labels in order, and mistakes named."""

import io
from itertools import product

import numpy as np
import pytest
import torch
from PIL import Image

from flowlib import viz
from flowlib.errors import FlowlibError
from flowlib.viz.palette import CARD, MUTED
from flowlib.viz.picture import mosaic, pixels_of, png_bytes

GAP = 2  # image pixels between neighbours


def images(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def words(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_mosaic_puts_every_image_in_its_place():
    tiles = np.arange(6).reshape(2, 3, 1, 1, 1) / 10 * np.ones((2, 3, 4, 5, 3))
    canvas, tops = mosaic(tiles, np.array([0, 7]))
    assert canvas.shape == (4 + GAP + 7 + 4, 3 * 5 + 2 * GAP, 3) and tops.tolist() == [0, 4 + GAP + 7]
    assert (canvas[tops[1] : tops[1] + 4, 5 + GAP : 10 + GAP] == 0.4).all()
    assert (canvas[4 : tops[1]] == np.array([252, 252, 250]) / 255).all()


def test_grid_shows_whole_pixels():
    tile = torch.zeros(1, 1, 1, 28, 28)
    tile[..., 3, 5] = 1
    figure = viz.image_grid(tile, max_scale=4)
    shown = np.asarray(pixels_of(figure))
    assert (shown.reshape(-1, 3) == 255).all(1).sum() == 16
    assert (shown.reshape(-1, 3) == 0).all(1).sum() == (28 * 28 - 1) * 16


def test_grid_labels():
    figure = viz.image_grid(images(2, 3, 1, 8, 8), ["first", "second"], [10, 20, 30], "Title")
    assert words(figure) == ["first", "second", "10", "20", "30"]
    assert [text.get_text() for text in figure.texts] == ["Title"]


def test_large_images_fill_the_width():
    figure = viz.image_grid(images(1, 9, 3, 64, 64))
    assert figure.axes[0].get_position().width > 0.95


def test_flow_grid_pairs_rows_and_colours_factors():
    frames = images(2, 4, 3, 8, 8)
    figure = viz.flow_grid(frames, frames, ["scale", "hue"])
    assert words(figure) == ["true", "decoded"] * 2 + ["scale", "hue", "t = 0", "1", "2", "3"]
    colors = {text.get_text(): text.get_color() for text in figure.axes[0].texts}
    assert colors["scale"] == viz.FACTOR_COLORS["scale"] and colors["hue"] == viz.FACTOR_COLORS["hue"]
    assert colors["true"] == MUTED and figure.get_facecolor() == pytest.approx((252 / 255, 252 / 255, 250 / 255, 1))
    assert CARD == "#fcfcfa"


def test_true_frames_stand_above_decoded_ones():
    """White above black, for each factor."""
    figure = viz.flow_grid(torch.ones(2, 3, 1, 8, 8), torch.zeros(2, 3, 1, 8, 8), ["scale", "hue"])
    axes = figure.axes[0]
    pixels = axes.images[0].get_array()
    levels = {}
    for text in axes.texts[:4]:
        height = int(text.xy[1] / axes.images[0].get_extent()[2] * len(pixels))  # of the row that the word stands beside
        levels.setdefault(text.get_text(), set()).add(float(np.asarray(pixels[height, 0]).max()))
    assert levels == {"true": {1.0}, "decoded": {0.0}}


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda x: x * 255, "0.*255.*divide bytes by 255"),
        (lambda x: x * 3 - 1, r"images has values from -0\.\d+.*sigmoid"),
        (lambda x: x.masked_fill(x > 0.5, float("nan")), "NaN"),
        (lambda x: x[0], r"\(3, 1, 8, 8\).*5 axes"),
        (lambda x: x.permute(0, 1, 3, 4, 2).expand(-1, -1, -1, -1, 3), r"channel.*8.*permute"),
        (lambda x: x[:0], "empty"),
        (lambda x: "images", "not an array"),
    ],
)
def test_unusable_images_are_named(spoil, message):
    with pytest.raises(FlowlibError, match=message):
        viz.image_grid(spoil(images(2, 3, 1, 8, 8)))


def test_wrong_labels_and_shapes_are_named():
    with pytest.raises(FlowlibError, match="row_labels has 1 entries.*2 are needed"):
        viz.image_grid(images(2, 3, 1, 8, 8), ["only one"])
    with pytest.raises(FlowlibError, match=r"\(2, 4, 1, 8, 8\).*\(2, 3, 1, 8, 8\)"):
        viz.flow_grid(images(2, 4, 1, 8, 8), images(2, 3, 1, 8, 8), ["a", "b"])


def test_a_tensor_with_gradient_is_welcome():
    viz.image_grid(images(1, 1, 1, 8, 8).requires_grad_())


def test_the_colours_of_images_are_kept_exactly():
    frames = images(1, 3, 3, 16, 16)
    shown = Image.open(io.BytesIO(png_bytes(viz.image_grid(frames))))
    shown = {tuple(color) for color in np.asarray(shown.convert("RGB")).reshape(-1, 3)}
    wanted = np.round(255 * frames.permute(0, 1, 3, 4, 2).reshape(-1, 3).numpy()).astype(int)
    down = list(product((0, -1), repeat=3))  # matplotlib may round a level down
    assert all(any((r + i, g + j, b + k) in shown for i, j, k in down) for r, g, b in wanted)
