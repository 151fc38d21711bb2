"""Sources beside the digits: any images with named transformations, recorded sequences, torch datasets; what they refuse."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, shift
from tiny import digits

from flowlib.config import Config
from flowlib.data import (
    FACTORS,
    TRANSFORMATIONS,
    DatasetSequences,
    ImageSequences,
    RecordedSequences,
    Sequences,
    check_source,
    strength,
    transform,
    transformation,
)  # fmt: skip
from flowlib.errors import FlowlibError


def pictures(count=5, channels=3, size=16):
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(3))


@pytest.fixture
def own():
    """Names that a test registers are gone after it."""
    before = dict(TRANSFORMATIONS)
    yield
    TRANSFORMATIONS.clear()
    TRANSFORMATIONS.update(before)


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

    def test_a_matrix_without_an_inverse(self, own):
        transformation("vanish", rest=1.0, full=0.0, warp=True)(lambda share, size: torch.eye(3) * share[:, None, None])
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


FRAMES = torch.rand(11, 4, 2, 16, 16, generator=torch.Generator().manual_seed(7))
LABELS = torch.tensor([0, 1, 0, 1, 0, 0, 1, 0, 0, 0, 1])


def recorded(kind, frames=FRAMES, labels=LABELS, **options):
    """The same sequences in an array, or in a dataset read by 0 or 2 workers."""
    if kind == "array":
        return RecordedSequences(frames, labels, **options)
    return DatasetSequences(list(zip(frames, labels.tolist())), workers=int(kind), **options)


class TestRecorded:
    @pytest.mark.parametrize("kind", ["array", "0", "2"])
    def test_frames_are_those_that_were_given(self, kind):
        made = recorded(kind, factors=("a", "b"))
        assert (len(made), made.steps, made.channels, made.size, made.factors) == (4, 3, 2, 16, ("a", "b"))
        batch = made.full_batch([0, 2], "b")
        assert torch.equal(batch.frames, FRAMES[[1, 6]]) and batch.factor.tolist() == [1, 1]
        assert torch.equal(made.full_batch([1, 3], 0, steps=1).frames, FRAMES[[2, 5], :2])
        assert torch.equal(made.first_frames(), FRAMES[[0, 1, 2, 3], 0])  # both factors in turn

    @pytest.mark.parametrize("kind", ["array", "0", "2"])
    def test_training_batches(self, kind):
        made = recorded(kind)
        batch = made.training_batch(200, 2, torch.Generator().manual_seed(0))
        assert batch.factor.tolist() == [0] * 100 + [1] * 100 and made.factors == ("factor 0", "factor 1")
        seen = set()
        for frames, times, factor in zip(batch.frames, batch.times, batch.factor):
            index = next(i for i, one in enumerate(FRAMES) if torch.equal(one[0], frames[0]))
            assert torch.equal(frames, FRAMES[index, times]) and LABELS[index] == factor and times[0] == 0 and times[1] != times[2] != 0
            seen.add(index)
        assert seen == set(range(11))  # also those beyond the rarest factor's number
        parts = [made.training_batch(8, 1, torch.Generator().manual_seed(1), (rank, 2)).frames for rank in (0, 1)]
        whole = made.training_batch(8, 1, torch.Generator().manual_seed(1)).frames
        assert torch.equal(whole[[0, 1, 4, 5]], parts[0]) and torch.equal(whole[[2, 3, 6, 7]], parts[1])

    def test_bytes(self):
        made = RecordedSequences((255 * FRAMES).to(torch.uint8).numpy(), LABELS.numpy())
        assert torch.equal(made.full_batch([0], 0).frames[0], (255 * FRAMES[0]).to(torch.uint8) / 255)

    def test_without_labels(self):
        made = RecordedSequences(FRAMES, None, ("a", "b", "c"))
        assert len(made) == 11 and not made.labelled
        assert torch.equal(made.full_batch([3, 4], None).frames, FRAMES[3:5])
        assert made.training_batch(6, 1, torch.Generator().manual_seed(0)).factor.tolist() == [-1] * 6
        with pytest.raises(FlowlibError, match="factor 0: these sequences have no labels"):
            made.full_batch([0], 0)
        config = Config(factors=("a", "b", "c"), horizon=3, channels=2, size=16)
        with pytest.raises(FlowlibError, match="no labels, which model 'flow' needs: choose one of flow-inferred, msp, sparse"):
            check_source(made, config)

    def test_what_recordings_cannot_do(self):
        made = recorded("array")
        with pytest.raises(FlowlibError, match="steps = 4: these sequences end at T = 3"):
            made.full_batch([0], 0, steps=4)
        for steps in (-1, 2.5, "3"):
            with pytest.raises(FlowlibError, match=f"steps = {steps!r}: give a whole number"):
                made.full_batch([0], 0, steps)
        with pytest.raises(FlowlibError, match="RecordedSequences cannot compose factors"):
            made.composed([0], torch.zeros(1, 2, dtype=torch.int64))

    @pytest.mark.parametrize(
        "frames, labels, factors, message",
        [
            (FRAMES, LABELS, ("a", "b", "c"), "no sequence shows 'c'"), (FRAMES, 2 * LABELS, None, "no sequence shows 'factor 1'"),
            (FRAMES, LABELS + 1, ("a", "b"), "range from 1 to 2: count the factors from 0"), (FRAMES, LABELS - 1, None, "from -1"),
            (FRAMES, LABELS[:-1], None, r"labels \(10,\).* each of the 11"), (FRAMES, LABELS.float(), None, "whole number"),
            (FRAMES[:, :1], LABELS, None, "at least two frames"), (255 * FRAMES, LABELS, None, "range from"), (FRAMES[:, 0], LABELS, None, "shape"),
            (FRAMES.permute(0, 1, 3, 4, 2), LABELS, None, "channels before rows"), (FRAMES, None, None, "name the factors to look for"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_used(self, frames, labels, factors, message):
        with pytest.raises(FlowlibError, match=message):
            RecordedSequences(frames, labels, factors)

    @pytest.mark.parametrize(
        "items, message",
        [
            ([], "the dataset is empty"), ([(FRAMES[0], "a")], "the dataset must yield"), ([FRAMES[0]], "name the factors to look for"),
            ([(FRAMES[0], 0), FRAMES[1]], "the dataset must yield"), ([None], "the dataset must yield"), (iter([FRAMES[0]]), "no items by number"),
            ([(FRAMES[0], 0), (FRAMES[1, :3], 1)], "all of one shape"), ([(255 * FRAMES[0], 0)], "range from"),
            ([(FRAMES[0], 0.0), (FRAMES[0], 1.5)], "item 1 fails with ValueError: label 1.5 is no whole number"),
        ],
    )  # fmt: skip
    def test_datasets_that_cannot_be_used(self, items, message):
        with pytest.raises(FlowlibError, match=message):
            DatasetSequences(items)

    def test_a_dataset_that_fails_says_how(self):
        class Missing:
            def __len__(self):
                return 2

            def __getitem__(self, index):
                raise KeyError("frames of this index")

        for workers in (0, 2):
            with pytest.raises(FlowlibError, match="the dataset must yield .*; item 0 fails with KeyError: 'frames of this index'"):
                DatasetSequences(Missing(), workers=workers)
        with pytest.raises(FlowlibError, match="workers = -1: give a whole number"):
            DatasetSequences(Missing(), workers=-1)

    def test_a_dataset_some_of_whose_items_have_labels(self):
        items = [(FRAMES[0], 0)] * 70 + [FRAMES[0]] * 3
        for some in (items, items[::-1]):
            with pytest.raises(FlowlibError, match="the dataset must yield|some items of the dataset have a label and some have none"):
                DatasetSequences(some, ("a",)).training_batch(200, 1, torch.Generator().manual_seed(0))

    @pytest.mark.parametrize("workers, wrap", [(0, list), (2, list), (0, torch.utils.data.TensorDataset)])
    def test_a_dataset_without_labels(self, workers, wrap):
        made, array = DatasetSequences(wrap(FRAMES), ("a", "b"), workers=workers), RecordedSequences(FRAMES, None, ("a", "b"))
        assert not made.labelled and len(made) == 11
        one, other = (source.training_batch(6, 1, torch.Generator().manual_seed(0)) for source in (made, array))
        assert torch.equal(one.frames, other.frames) and one.factor.tolist() == [-1] * 6

    def test_names_that_are_one_word(self):
        for make in (
            lambda: RecordedSequences(FRAMES, LABELS, "ab"), lambda: ImageSequences(pictures(), "shear"), lambda: ImageSequences(pictures(), 5),
        ):  # fmt: skip
            with pytest.raises(FlowlibError, match="give names in a tuple"):
                make()

    def test_a_model_for_other_data(self):
        config = Config(factors=("factor 0", "factor 1"), horizon=3, channels=2, size=16)
        check_source(recorded("array"), config)
        for change, message in (
            ({"horizon": 2}, "horizon 3, the model 2"),
            ({"size": 28}, "size 16, the model 28"),
            ({"channels": 3}, "channels 2"),
        ):
            with pytest.raises(FlowlibError, match=message):
                check_source(recorded("array"), Config(**vars(config) | change))
