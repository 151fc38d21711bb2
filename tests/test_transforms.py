"""Scale, rotation and hue against scipy's interpolation and colorsys (test_sequences.py: whole sequences)."""

import colorsys
import inspect

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, map_coordinates

from flowlib.data import TRANSFORMATIONS, ImageSequences, colour, rotate_hue, strength, transform, transformation
from flowlib.errors import FlowlibError


def images(count=3, size=(12, 12), seed=0):
    return torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(seed))


def moved(pictures, scale=1.0, rotation=0.0, hue=0.0):
    """`transform` with the same strength for every image."""
    return transform(pictures, *(torch.full((len(pictures),), float(value)) for value in (scale, rotation, hue)))


def warped_by_scipy(picture, scale, degrees):
    """Each output pixel p shows the input at centre + R(−degrees) (p − centre) / scale, x right, y up."""
    height, width = picture.shape
    rows, columns = np.mgrid[:height, :width].astype(float)
    x, y = columns - (width - 1) / 2, (height - 1) / 2 - rows
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    x, y = (c * x + s * y) / scale, (-s * x + c * y) / scale
    sources = [(height - 1) / 2 - y, x + (width - 1) / 2]
    return map_coordinates(picture, sources, order=1, mode="grid-constant", cval=0.0)


@pytest.mark.parametrize(
    "scale, degrees",
    [(1.8, 0.0), (0.6, 0.0), (1.0, 30.0), (1.0, 80.0), (1.0, -47.0), (1.4, 33.0), (2.3, 100.0)],
)
@pytest.mark.parametrize("size", [(12, 12), (9, 14)])
def test_warp_is_bilinear_about_the_centre(scale, degrees, size):
    pictures = images(size=size)
    found = moved(pictures, scale, degrees)
    for picture, image in zip(pictures, found):
        expected = np.stack([warped_by_scipy(channel, scale, degrees) for channel in picture.numpy().astype(float)])
        assert np.allclose(image.numpy(), expected, atol=2e-5)


def test_a_positive_quarter_turn_is_counter_clockwise_as_displayed():
    """torch.rot90 turns the first axis (down) to the second (right): counter-clockwise on the screen."""
    pictures = images()
    for turns in (1, 2, 3, -1):
        assert torch.allclose(moved(pictures, rotation=90 * turns), torch.rot90(pictures, turns, (2, 3)), atol=1e-5)
    corner = torch.zeros(1, 3, 8, 8)
    corner[..., 0, 7] = 1  # top right goes to top left
    assert moved(corner, rotation=90)[0, 0, 0, 0] > 0.999


def test_scale_enlarges():
    dot = torch.zeros(1, 3, 9, 9)
    dot[..., 4, 6] = 1  # two pixels right of the centre
    assert moved(dot, scale=2.0)[0, 0, 4].argmax() == 8
    assert moved(torch.ones(1, 3, 9, 9), scale=0.5)[0, 0, 0, 0] == 0  # outside is black


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_at_rest_nothing_changes_by_a_bit(dtype):
    pictures = images().to(dtype)
    for rest in (moved(pictures), moved(pictures, hue=360.0), moved(images(seed=1).to(dtype)[:0])):
        assert rest.dtype == dtype
        assert torch.equal(rest, pictures[: len(rest)])
    assert moved(pictures) is not pictures


def test_one_image_at_rest_in_a_moving_batch_does_not_change_by_a_bit():
    pictures = images()
    found = transform(pictures, torch.tensor([1.0, 1.5, 1.0]), torch.tensor([0.0, 0.0, 20.0]), torch.zeros(3))
    assert torch.equal(found[0], pictures[0])
    assert torch.equal(found[1:2], moved(pictures[1:2], scale=1.5))
    assert torch.equal(found[2:], moved(pictures[2:], rotation=20))


@pytest.mark.parametrize("degrees, colours", [(120, "grb"), (240, "brg"), (-120, "brg"), (480, "grb"), (360, "rgb")])
def test_hue_of_thirds_permutes_the_channels_of_red_exactly(degrees, colours):
    """Red at 120° is green, at 240° blue: channel by channel the same grey values, and exact zeros."""
    grey = torch.rand(2, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    red = colour(grey)
    turned = rotate_hue(red, torch.full((2,), float(degrees)))
    bright = {"grb": 1, "brg": 2, "rgb": 0}[colours]
    assert torch.allclose(turned[:, bright], grey[:, 0], atol=1e-6)
    others = turned[:, [channel for channel in range(3) if channel != bright]]
    assert others.abs().max() < 1e-5
    pure = rotate_hue(colour(torch.ones(1, 1, 2, 2)), torch.tensor([float(degrees)]))
    assert torch.equal(pure[0, :, 0, 0], torch.eye(3)[bright])


@pytest.mark.parametrize("degrees", [20.0, 160.0, -75.0, 300.0, 555.0])
def test_hue_of_any_colour_agrees_with_colorsys(degrees):
    pictures = images(1, (5, 5))
    turned = rotate_hue(pictures, torch.tensor([degrees]))
    for pixel, found in zip(pictures[0].flatten(1).T.tolist(), turned[0].flatten(1).T.tolist()):
        h, s, v = colorsys.rgb_to_hsv(*pixel)
        assert found == pytest.approx(colorsys.hsv_to_rgb((h + degrees / 360) % 1, s, v), abs=1e-4)


def test_each_image_turns_by_its_own_hue():
    pictures = images()
    turned = rotate_hue(pictures, torch.tensor([0.0, 120.0, 240.0]))
    assert torch.equal(turned[0], pictures[0])
    assert torch.allclose(turned[1], pictures[1].roll(1, 0), atol=1e-4)  # red's value becomes green's
    assert torch.allclose(turned[2], pictures[2].roll(2, 0), atol=1e-4)


@pytest.mark.parametrize("strengths", [torch.tensor([1.5]), torch.tensor([1.5, 1.2, 1.1]), torch.tensor(1.5), torch.ones(4, 1)])
def test_a_strength_for_each_image(strengths):
    with pytest.raises(FlowlibError, match=r"scale .* for images \(4, 3, 12, 12\): give a strength for each image"):
        transform(images(4), scale=strengths)


def test_bytes_are_refused():
    """Strengths would become bytes, too: 1.5 is 1, at rest."""
    with pytest.raises(FlowlibError, match="images of torch.uint8: give floats"):
        inspect.unwrap(transform)((255 * images(2)).to(torch.uint8), scale=torch.tensor([1.5, 1.5]))  # as it is where shapes are not checked


def test_grey_has_no_hue_to_turn():
    grey = images()[:, :1].expand(-1, 3, -1, -1)
    assert torch.allclose(rotate_hue(grey, torch.full((3,), 77.0)), grey, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 4])
def test_hue_needs_three_channels(channels):
    pictures = torch.rand(2, channels, 4, 4)
    with pytest.raises(FlowlibError, match=f"3 channels, got {channels}: use `colour`"):
        moved(pictures, hue=10)
    assert moved(pictures, scale=1.2).shape == pictures.shape  # the warp does not care


def test_one_composed_warp_is_not_two():
    """Scale and rotation about one centre commute; resampling twice blurs, so it cannot give the same."""
    pictures = images(size=(28, 28))
    composed = moved(pictures, scale=1.5, rotation=25)
    twice = moved(moved(pictures, scale=1.5), rotation=25)
    assert (composed - twice).abs().max() > 0.01
    for channel, expected in zip(composed[0].numpy(), pictures[0].numpy()):
        assert np.allclose(channel, warped_by_scipy(expected.astype(float), 1.5, 25), atol=2e-5)


def test_hue_beside_a_warp_is_the_hue_of_the_warped_image():
    pictures = images()
    assert torch.allclose(moved(pictures, 1.3, 15, 160), moved(moved(pictures, 1.3, 15), hue=160), atol=1e-6)


def test_values_stay_in_range():
    extremes = (images() > 0.5).float()
    found = moved(extremes, 1.37, 33, 131)
    assert found.min() >= 0 and found.max() <= 1


class TestStrength:
    def test_equal_steps_to_the_papers_ends(self):
        steps = range(9)
        assert [strength("scale", t) for t in steps] == pytest.approx([1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8])
        assert [strength("rotation", t) for t in steps] == pytest.approx([0, 10, 20, 30, 40, 50, 60, 70, 80])
        assert [strength("hue", t) for t in steps] == pytest.approx([0, 20, 40, 60, 80, 100, 120, 140, 160])

    def test_beyond_the_end_and_other_horizons(self):
        assert strength("scale", 10) == pytest.approx(2.0)
        assert strength("rotation", 12) == pytest.approx(120)
        assert strength("hue", 3, steps=4) == pytest.approx(120)

    def test_a_warp_in_perspective_is_refused(self, monkeypatch):
        def tilt(strength, size):
            matrix = torch.eye(3).repeat(len(strength), 1, 1)
            matrix[:, 2, 0] = 0.02 * strength
            return matrix

        monkeypatch.setitem(TRANSFORMATIONS, "tilt", None)  # which is taken back at the end
        del TRANSFORMATIONS["tilt"]
        transformation("tilt", full=1.0, warp=True)(tilt)
        with pytest.raises(FlowlibError, match=r"'tilt' returned a matrix whose last row is not \(0, 0, 1\)"):
            ImageSequences(torch.rand(2, 1, 16, 16), ("tilt",), 2)

    def test_unknown_transformation(self):
        with pytest.raises(FlowlibError, match="unknown factor 'twist': choose one of scale, rotation"):
            strength("twist", 1)


class TestColour:
    def test_bytes_and_floats_give_the_same_red(self):
        grey = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
        red = colour(grey)
        assert torch.equal(red[:, 0], grey[:, 0] / 255) and red[:, 1:].abs().max() == 0
        assert torch.equal(colour(grey / 255), red)

    def test_colours_are_refused(self):
        with pytest.raises(FlowlibError, match=r"shape \(2, 3, 4, 4\): give grey images \(n, 1, H, W\)"):
            colour(torch.rand(2, 3, 4, 4))


def test_brighter_than_white_is_white():
    found = transform(0.5 + 0.5 * images(2), brightness=torch.tensor([3.0, 1.5]))
    assert found.max() == 1 and torch.equal(found[0], torch.ones_like(found[0]))


def test_the_order_is_the_registrys_and_not_the_callers():
    """Scale, a warp, before the blur, whatever is named first."""
    pictures, (half, some) = images(1), torch.tensor([[0.5], [0.05]])
    assert torch.equal(transform(pictures, blur=some, scale=half), transform(pictures, scale=half, blur=some))
    darker = torch.tensor([0.6])
    assert torch.equal(transform(pictures, blur=some, brightness=darker), transform(pictures, brightness=darker, blur=some))


def test_blur_is_scipys_with_nothing_outside():
    """A point and a white image: the tail at two and a half deviations, and the dark rim."""
    point, white = torch.zeros(1, 1, 29, 29), torch.ones(1, 1, 29, 29)
    point[0, 0, 14, 14] = 1
    for picture in (point, white):
        found = transform(picture, blur=torch.tensor([0.07]))[0, 0].double().numpy()
        deviation = 29 * 0.07
        truth = gaussian_filter(picture[0, 0].double().numpy(), deviation, mode="constant", radius=int(3 * deviation) + 1)
        assert np.abs(found - truth).max() < 1e-6
    assert found[0, 0] < 0.5
