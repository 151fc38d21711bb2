"""Sources beside the digits: any images with named transformations, recorded sequences, torch datasets; what they refuse."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, shift
from source_frames import FRAMES, LABELS, pictures
from tiny import as_it_was, digits

from flowlib.data import (
    FACTORS,
    TRANSFORMATIONS,
    DatasetSequences,
    ImageSequences,
    RecordedSequences,
    Sequences,
    strength,
    transform,
    transformation,
)  # fmt: skip
from flowlib.errors import FlowlibError


@pytest.fixture
def own():
    """Names that a test registers are gone after it."""
    with as_it_was(TRANSFORMATIONS):
        yield


class TestTransformations:
    """Each against scipy, or by its definition."""

    def at(self, images, **strengths):
        return transform(images, **{name: torch.full((len(images),), value) for name, value in strengths.items()})

    def test_shear_moves_rows_to_the_right_by_their_height(self):
        image = torch.zeros(1, 1, 17, 17)
        image[..., 8] = 1  # a vertical line through the centre
        found = self.at(image, shear=0.5)[0, 0]
        for row in range(17):
            expected = 8 + 0.5 * (8 - row)  # the top row has height 8
            assert (found[row] * torch.arange(17)).sum() == pytest.approx(expected, abs=1e-3)

    @pytest.mark.parametrize("name, move", [("translation_x", (0, 0, 0, 4)), ("translation_y", (0, 0, 4, 0))])
    def test_translations_by_a_share_of_the_side(self, name, move):
        images = pictures()
        assert np.allclose(self.at(images, **{name: 0.25}), shift(images.numpy(), move, order=1), atol=1e-4)

    def test_brightness(self):
        assert torch.allclose(self.at(pictures(), brightness=0.3), 0.3 * pictures())

    def test_blur_is_gaussian(self):
        images = pictures(size=24)
        expected = gaussian_filter(images.numpy(), (0, 0, 1.2, 1.2), mode="constant", truncate=4)
        assert np.allclose(self.at(images, blur=0.05)[..., 6:18, 6:18], expected[..., 6:18, 6:18], atol=2e-3)

    def test_geometric_ones_are_one_matrix(self):
        """Shear after rotation after scale: their matrices multiplied, resampled once."""
        image = pictures(1, size=21)
        angle = np.radians(25)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])  # x right, y down
        matrix = np.array([[1, -0.3], [0, 1]]) @ turn @ (1.3 * np.eye(2))
        grid = np.stack(np.meshgrid(np.arange(21.0), np.arange(21.0)), -1) - 10  # (x, y) of every pixel
        sources = grid @ np.linalg.inv(matrix).T + 10
        from scipy.ndimage import map_coordinates

        found = self.at(image, scale=1.3, rotation=25.0, shear=0.3)
        for channel in range(3):
            expected = map_coordinates(image[0, channel].numpy(), [sources[..., 1], sources[..., 0]], order=1, mode="grid-constant")
            assert np.allclose(found[0, channel], expected, atol=1e-4)

    @pytest.mark.parametrize("name", TRANSFORMATIONS)
    def test_rest_changes_nothing_and_full_strength_comes_after_T_steps(self, name):
        images, one = pictures(), TRANSFORMATIONS[name]
        assert torch.equal(self.at(images, **{name: one.rest}), images)
        assert strength(name, 5, 5) == pytest.approx(one.full) and strength(name, 0, 5) == one.rest
        assert not torch.allclose(self.at(images, **{name: one.full}), images, atol=0.05)

    def test_a_new_one_is_one_function(self, own):
        @transformation("invert", full=1.0)
        def invert(images, share):
            share = share[:, None, None, None]
            return (1 - share) * images + share * (1 - images)

        made = ImageSequences(pictures(), ("shear", "invert"), 4)
        frames = made.full_batch([1], "invert").frames[0]
        assert torch.allclose(frames[4], 1 - frames[0], atol=1e-6) and torch.allclose(frames[2], torch.full_like(frames[2], 0.5))
        assert torch.equal(made.full_batch([1], "shear").frames, ImageSequences(pictures(), ("shear",), 4).full_batch([1], 0).frames)

    @pytest.mark.parametrize(
        "result, message",
        [
            (lambda x: x[:, :1], r"'bad' returned \(1, 1, 16, 16\), wanted .*\(1, 3, 16, 16\)"), (lambda x: x * torch.nan, "'bad' returned NaN"),
            (lambda x: None, "'bad' returned NoneType"), (lambda x: x[..., 1:], "must keep the shape"),
            (lambda x: (255 * x).byte(), "'bad' returned torch.uint8: give floats"),
        ],
    )  # fmt: skip
    def test_a_bad_one_is_found_when_the_source_is_made(self, own, result, message):
        transformation("bad")(lambda images, strength: result(images))
        with pytest.raises(FlowlibError, match=message):
            ImageSequences(pictures(), ("scale", "bad"), 3)

    def test_one_that_breaks_at_full_strength_only(self, own):
        transformation("late", full=2.0)(lambda images, strength: images / (strength < 1.99)[:, None, None, None])
        with pytest.raises(FlowlibError, match="'late' returned NaN"):
            ImageSequences(pictures(), ("scale", "late"), 3)

    def test_a_matrix_without_an_inverse(self, own):
        transformation("vanish", rest=1.0, full=0.0, warp=True)(
            lambda share, size: torch.diag_embed(torch.stack([share, share, torch.ones_like(share)], -1))
        )
        with pytest.raises(FlowlibError, match="'vanish' returned a matrix without an inverse"):
            ImageSequences(pictures(), ("scale", "vanish"), 3)

    def test_strengths_that_do_not_differ(self):
        with pytest.raises(FlowlibError, match="'still' from 1.0 to 1.0"):
            transformation("still", rest=1.0, full=1.0)


class TestImages:
    @pytest.mark.parametrize("channels", [1, 2, 3, 5])
    def test_any_number_of_channels_and_steps(self, channels):
        made = ImageSequences(pictures(4, channels, 18), ("shear", "blur"), 6)
        batch = made.training_batch(4, 6, torch.Generator().manual_seed(0))
        assert batch.frames.shape == (4, 7, channels, 18, 18) and batch.check() is batch
        assert (made.channels, made.size, made.steps, len(made)) == (channels, 18, 6, 4)

    def test_red_images_are_the_digits(self):
        red = torch.cat([digits(3, 12), torch.zeros(3, 2, 12, 12)], 1)
        general, grey = ImageSequences(red, FACTORS, 4, "moved"), Sequences(digits(3, 12), FACTORS, 4, "moved")
        one, other = (made.training_batch(12, 2, torch.Generator().manual_seed(1)) for made in (general, grey))
        assert torch.equal(one.frames, other.frames) and torch.equal(one.times, other.times)

    def test_arrays_of_bytes(self):
        bytes_ = (255 * pictures()).to(torch.uint8)
        assert torch.equal(ImageSequences(bytes_.numpy(), ("shear",)).first_frames(), bytes_ / 255)

    @pytest.mark.parametrize(
        "images, factors, message",
        [
            (pictures()[:0], ("shear",), "one or more"), (pictures()[..., :12], ("shear",), "H = W"), (pictures(channels=1), ("hue",), "3 channels, got 1"),
            (pictures() * 255, ("shear",), "range from .* floats in .0, 1."), (pictures().long(), ("shear",), "type torch.int64"),
            (pictures() + torch.nan, ("shear",), "nan"), (pictures(), (), "name one or more"), (pictures(), ("shear", "shear"), "different"),
            (None, ("shear",), "a NoneType holds no images"), (["a.png", "b.png"], ("shear",), "a list holds no images"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_used(self, images, factors, message):
        with pytest.raises(FlowlibError, match=message):
            ImageSequences(images, factors)

    def test_arrays_that_are_read_backwards(self):
        images = pictures().numpy()[::-1, ..., ::-1]
        assert torch.equal(ImageSequences(images, ("shear",)).first_frames(), pictures().flip(0, 3))
        labels = LABELS.numpy()[::-1]
        made = RecordedSequences(FRAMES.numpy()[..., ::-1], labels)
        assert torch.equal(made.full_batch([0], 1).frames[0], FRAMES[0].flip(3))
        assert torch.equal(DatasetSequences([(one[..., ::-1], 0) for one in FRAMES.numpy()]).first_frames([0])[0], FRAMES[0, 0].flip(2))

    @pytest.mark.parametrize("precision", [torch.float64, torch.float16, torch.bfloat16])
    @pytest.mark.parametrize("default", [torch.float32, torch.float64])
    def test_floats_of_any_precision_become_the_models_own(self, precision, default):
        torch.set_default_dtype(default)
        images, frames = pictures(channels=1).to(precision), FRAMES.to(precision)
        for made in (
            ImageSequences(images, ("shear",)), Sequences(images, FACTORS), RecordedSequences(frames, LABELS), DatasetSequences(list(zip(frames, LABELS))),
        ):  # fmt: skip
            batches = made.training_batch(6, 1, torch.Generator().manual_seed(0)), made.full_batch([0], 0)
            assert all(batch.check().frames.dtype == default for batch in batches)
        assert torch.equal(RecordedSequences(frames, LABELS).first_frames([0])[0], frames[0, 0].to(default))

    @pytest.mark.parametrize("starts", ["plain", "moved"])
    def test_shares_of_processes_are_the_whole_batch(self, starts):
        made = ImageSequences(pictures(), ("shear", "hue"), 4, starts)
        whole, *parts = (made.training_batch(12, 2, torch.Generator().manual_seed(5), part) for part in ((0, 1), (0, 3), (1, 3), (2, 3)))
        for name in ("frames", "times", "factor"):
            joined = torch.stack([getattr(one, name).unflatten(0, (2, 2)) for one in parts], 1).flatten(0, 2)
            assert torch.equal(getattr(whole, name), joined)
