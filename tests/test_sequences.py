"""Factor sequences and random training batches (tests/test_transforms.py: the transformations themselves)."""

import pytest
import torch
from tiny import CONFIG, digits

from flowlib.data import FACTORS, Batch, Sequences, colour, grouped_factors, load_sequences, transform
from flowlib.errors import FlowlibError

REST = {"scale": 1.0, "rotation": 0.0, "hue": 0.0}
PER_STEP = {"scale": 0.1, "rotation": 10.0, "hue": 20.0}  # with T = 8


def by_hand(image, name, t):
    """The frame that an image (1, H, W) shows after t of eight steps."""
    values = [torch.tensor([REST[key] + (t * PER_STEP[key] if key == name else 0)]) for key in REST]
    return transform(colour(image[None]), *values)[0]


@pytest.mark.parametrize("kind", [lambda x: x, lambda x: (255 * x).to(torch.uint8)], ids=["floats", "bytes"])
@pytest.mark.parametrize("name", FACTORS)
def test_every_frame_of_a_full_batch(name, kind):
    """T = 8 equal steps for each factor, three steps beyond, every image as if it were alone."""
    images = kind(digits(3, 12))
    batch = Sequences(images, FACTORS).full_batch([2, 0], name, steps=11)
    assert batch.frames.shape == (2, 12, 3, 12, 12) and batch.steps == 11
    assert batch.times.tolist() == [list(range(12))] * 2
    assert batch.factor.tolist() == [FACTORS.index(name)] * 2
    for row, image in zip(batch.frames, images[[2, 0]]):
        for t, frame in enumerate(row):
            assert torch.allclose(frame, by_hand(image, name, t), atol=1e-6)


@pytest.mark.parametrize("name", FACTORS)
def test_the_first_frame_is_the_image_exactly(name):
    images = (255 * digits(5)).to(torch.uint8)
    batch = Sequences(images, FACTORS).full_batch(slice(None), name)
    assert torch.equal(batch.frames[:, 0], colour(images))
    assert batch.check() is batch
    assert torch.equal(batch.weights, torch.ones(9))
    assert len(batch) == 5


def test_the_hue_of_a_sequence_changes_no_shape():
    """Brightness (the largest channel) stays, and after six of eight steps red is green."""
    batch = Sequences(digits(2, 6), FACTORS).full_batch(slice(None), "hue")
    brightness = batch.frames.amax(2)
    assert torch.allclose(brightness, brightness[:, :1].expand_as(brightness), atol=1e-5)
    assert torch.allclose(batch.frames[:, 6], batch.frames[:, 0].roll(1, 1), atol=1e-5)


def test_factors_are_numbered_in_the_order_given():
    made = Sequences(digits(2, 8), ("hue", "scale"))
    for index, name in enumerate(("hue", "scale")):
        named, numbered = made.full_batch([0], name), made.full_batch([0], index)
        assert torch.equal(named.frames, numbered.frames) and named.factor.tolist() == [index]
        assert torch.allclose(named.frames[0, 8], by_hand(made.images[0], name, 8), atol=1e-6)


def test_no_steps_is_the_image_alone():
    batch = Sequences(digits(2, 8), FACTORS).full_batch([1], 0, steps=0)
    assert batch.frames.shape[:2] == (1, 1) and batch.weights.tolist() == [1.0]


class TestComposed:
    """Every factor at its own step, in one warp."""

    images = digits(3, 12)
    made = Sequences(images, ("hue", "scale", "rotation"))

    @pytest.mark.parametrize("factor", range(3))
    def test_one_factor_alone_is_its_sequence(self, factor):
        times = torch.zeros(12, 3, dtype=torch.long)
        times[:, factor] = torch.arange(12)
        assert torch.equal(self.made.composed([2, 0], times), self.made.full_batch([2, 0], factor, 11).frames)

    def test_all_at_once(self):
        steps = {"hue": 5, "scale": 3, "rotation": 8}
        values = [torch.tensor([REST[key] + steps[key] * PER_STEP[key]]) for key in REST]
        found = self.made.composed(slice(None), torch.tensor([[0, 0, 0], [5, 3, 8]]))
        assert found.shape == (3, 2, 3, 12, 12)
        assert torch.equal(found[:, 0], colour(self.images))
        for frames, image in zip(found, self.images):
            assert torch.allclose(frames[1], transform(colour(image[None]), *values)[0], atol=1e-6)

    def test_nothing_is_resampled_twice(self):
        """A frame resampled again is blurred: it has lost contrast."""
        made = Sequences(digits(30), FACTORS)
        first, factor = made.first_frames(), torch.ones(30, dtype=torch.long)
        turned = made.frames(first, factor, torch.full((30, 1), 5))[:, 0]
        twice = made.frames(turned, 0 * factor, torch.full((30, 1), 4))[:, 0]
        once = made.composed(slice(None), torch.tensor([[4, 5, 0]]))[:, 0]
        red, free = once[:, 0, 8:20, 8:20], twice[:, 0, 8:20, 8:20]  # away from the corners that a rotation loses
        assert red.var((1, 2)).mean() > 1.15 * free.var((1, 2)).mean()
        assert (red - free).abs().mean() < 0.1  # the same picture otherwise

    def test_steps_of_every_image(self):
        times = torch.tensor([[[0, 1, 2], [3, 0, 0]], [[8, 8, 8], [0, 0, 5]]])
        found = self.made.composed([1, 2], times)
        for index, frames, own in zip([1, 2], found, times):
            assert torch.equal(frames, self.made.composed([index], own)[0])
        assert torch.equal(found[1, 1], self.made.full_batch([2], "rotation").frames[0, 5])

    def test_a_transformation_that_is_no_factor_rests(self):
        hue = Sequences(self.images, ("hue",))
        assert torch.equal(hue.composed([0], torch.tensor([[0], [6]])), hue.full_batch([0], 0).frames[:, [0, 6]])

    @pytest.mark.parametrize("shape", [(4, 2), (4, 4)])
    def test_a_step_for_each_factor(self, shape):
        with pytest.raises(FlowlibError, match="a step for each of"):
            self.made.composed([0], torch.zeros(shape, dtype=torch.long))


class TestTrainingBatch:
    made = Sequences(digits(7, 8), FACTORS, 5)

    def batch(self, size=12, frames=2, seed=0):
        return self.made.training_batch(size, frames, torch.Generator().manual_seed(seed))

    def test_grouped_by_factor(self):
        assert self.batch().factor.tolist() == [0] * 4 + [1] * 4 + [2] * 4
        assert torch.equal(self.batch().factor, grouped_factors(12, 3))

    @pytest.mark.parametrize("frames", [1, 3, 5])
    def test_times_are_zero_and_different_ones_of_1_to_T(self, frames):
        batch = self.batch(60, frames)
        assert batch.frames.shape == (60, 1 + frames, 3, 8, 8) and batch.steps == 5
        assert bool((batch.times[:, 0] == 0).all())
        others = batch.times[:, 1:]
        assert others.min() >= 1 and others.max() <= 5
        assert all(len(set(row)) == frames for row in others.tolist())

    def test_frames_show_what_times_and_factor_say(self):
        batch = self.batch()
        firsts = colour(self.made.images)
        for row, times, factor in zip(batch.frames, batch.times.tolist(), batch.factor.tolist()):
            index = next(i for i, first in enumerate(firsts) if torch.equal(first, row[0]))
            full = self.made.full_batch([index], factor).frames[0]
            assert torch.allclose(row, full[times], atol=1e-6)

    def test_reproducible_from_the_generator_alone(self):
        torch.manual_seed(1)
        first = self.batch()
        torch.manual_seed(2)
        same, other = self.batch(), self.batch(seed=1)
        assert torch.equal(first.frames, same.frames) and torch.equal(first.times, same.times)
        assert not torch.equal(first.frames, other.frames) and not torch.equal(first.times, other.times)

    @pytest.mark.parametrize("frames", [1, 2, 5])
    def test_weights_make_the_sum_unbiased(self, frames):
        """E Σ w_f g(t_f) = Σ_{t=0}^T g(t) for g that tells every step from every other."""
        tiny = Sequences(digits(40, 4), ("hue",), 5)
        batch = tiny.training_batch(4000, frames, torch.Generator().manual_seed(0))
        g = torch.tensor([7.0, 1.0, -2.0, 4.0, 8.0, 16.0])
        sums = (batch.weights * g[batch.times]).sum(1)
        error = sums.std() / len(sums) ** 0.5
        assert abs(sums.mean() - g.sum()) <= 4 * error + 1e-4
        assert error < 1

    def test_images_are_drawn_evenly(self):
        tiny = Sequences(torch.arange(40.0).reshape(40, 1, 1, 1).expand(-1, -1, 4, 4) / 40, ("hue",), 1)
        drawn = tiny.training_batch(4000, 1, torch.Generator().manual_seed(0)).frames[:, 0, 0, 0, 0]
        counts = torch.bincount((40 * drawn).round().long(), minlength=40)
        assert counts.min() > 60 and counts.max() < 145  # 100 ± 4.5 standard deviations

    def test_a_batch_that_cannot_be_grouped(self):
        with pytest.raises(FlowlibError, match="batch size 10 is no multiple of the 3 factors"):
            self.batch(10)


class TestInput:
    @pytest.mark.parametrize(
        "images, message",
        [
            (torch.rand(2, 3, 4, 4), r"shape \(2, 3, 4, 4\)"), (torch.rand(2, 4, 4), r"shape \(2, 4, 4\)"),
            (torch.rand(0, 1, 4, 4), r"shape \(0, 1, 4, 4\): give one or more"),
            (torch.rand(2, 1, 4, 4) * 255, "give bytes, or"), (-torch.rand(2, 1, 4, 4), "range from -"),
            (torch.full((2, 1, 4, 4), torch.nan), "nan to nan"), (torch.full((2, 1, 4, 4), torch.inf), "inf"),
            (torch.ones(2, 1, 4, 4, dtype=torch.int64), "type torch.int64"),
        ],
    )  # fmt: skip
    def test_images_that_cannot_be_used(self, images, message):
        with pytest.raises(FlowlibError, match=message):
            Sequences(images, FACTORS)

    def test_one_nan_among_good_pixels(self):
        images = digits(3, 4)
        images[1, 0, 2, 2] = torch.nan
        with pytest.raises(FlowlibError, match="without NaN"):
            Sequences(images, FACTORS)

    def test_unknown_factors(self):
        with pytest.raises(FlowlibError, match="unknown factor 'twist'"):
            Sequences(digits(2, 4), ("scale", "twist"))
        made = Sequences(digits(2, 4), ("scale", "hue"))
        with pytest.raises(FlowlibError, match="unknown factor 'rotation': choose one of scale, hue"):
            made.full_batch([0], "rotation")
        for number in (2, -1):
            with pytest.raises(FlowlibError, match=f"factor {number} does not exist"):
                made.full_batch([0], number)

    @pytest.mark.parametrize("steps", [0, -3])
    def test_no_steps(self, steps):
        with pytest.raises(FlowlibError, match=f"steps = {steps}"):
            Sequences(digits(2, 4), FACTORS, steps)

    def test_a_configuration_names_its_data(self):
        held_out = load_sequences(CONFIG, "test")
        assert len(held_out) == 2000 and held_out.size == 28 and held_out.steps == 2
        assert held_out.factors == FACTORS

    @pytest.mark.parametrize("value, shown", [(1.5, "1.5"), (torch.nan, "nan"), (-0.1, "-0.1")])
    def test_a_batch_checks_its_frames(self, value, shown):
        frames = torch.zeros(1, 2, 3, 4, 4)
        frames[0, 1, 2, 3, 3] = value
        batch = Batch(frames, torch.tensor([[0, 1]]), torch.tensor([0]), 1)
        with pytest.raises(FlowlibError, match=f"{shown}.*divide bytes by 255"):
            batch.check()


class TestMovedStarts:
    def batch(self, seed=3):
        from flowlib.data import load_digits

        made = Sequences(load_digits("test")[0][:9], ("scale", "rotation", "hue"), 4, "moved")
        return made, made.training_batch(60, 2, torch.Generator().manual_seed(seed))

    def test_only_the_batchs_factor_moves(self):
        """Each frame is found among the composed frames of some digit whose other factors stay where they start."""
        made, batch = self.batch()
        grid = torch.cartesian_prod(*[torch.arange(5)] * 3)
        frames = made.composed(slice(None), grid)  # (9, 125, …)
        moved_starts = 0
        for n in range(0, 60, 7):
            k = batch.factor[n]
            fits = grid[:, k] == 0  # x_0: the sequence's own factor has not moved
            distance = (frames[:, fits] - batch.frames[n, 0]).abs().sum((2, 3, 4))
            image, place = divmod(int(distance.argmin()), int(fits.sum()))
            start = grid[fits][place].repeat(3, 1)
            moved_starts += bool(start[0].any())
            assert distance.min() < 1e-3
            start[:, k] = batch.times[n]
            assert torch.allclose(made.composed([image], start)[0], batch.frames[n], atol=1e-5)
        assert moved_starts >= 2

    def test_half_of_them_are_plain(self):
        made, batch = self.batch(4)
        plain = made.first_frames()
        distance = (batch.frames[:, 0, None] - plain[None]).abs().sum((2, 3, 4)).min(1).values
        assert 20 <= (distance < 1e-3).sum() <= 42  # 30 expected, and a few whose random places are all 0

    def test_an_unknown_start(self):
        with pytest.raises(FlowlibError, match="starts = 'behind': choose plain, moved, late or anywhere"):
            Sequences(digits(2), ("hue",), 2, "behind")


def test_an_index_beyond_the_last_image():
    made = Sequences(digits(3), FACTORS)
    assert len(made.first_frames([-3, 2])) == 2
    for index in (3, -4):
        with pytest.raises(FlowlibError, match=f"no image {index}: there are 3"):
            made.first_frames([index])


def test_the_digest_says_where_sequences_begin_and_what_moves_them():
    options = ({}, {"starts": "moved"}, {"programs": "composed"})
    assert len({Sequences(digits(3), FACTORS, **one).digest() for one in options}) == len(options)


@pytest.mark.parametrize("times, factor, said", [
    ([[0, -1]], [0], "none is before it"), ([[1, 2]], [0], "the first frame of every sequence is x_0"),
    ([[0, 1]], [3], "labels range from 3 to 3"), ([[0, 1]], [-2], "labels range from -2"),
])  # fmt: skip
def test_a_batch_that_cannot_be(times, factor, said):
    batch = Batch(torch.zeros(1, 2, 1, 4, 4), torch.tensor(times), torch.tensor(factor), 4)
    with pytest.raises(FlowlibError, match=said):
        batch.check(factors=3)


def test_the_first_frames_of_a_batch_have_to_be_there_for_every_sequence():
    frames = torch.arange(6.0).reshape(2, 3, 1, 1, 1) / 6
    batch = Batch(frames, torch.tensor([[0, 2, 1], [0, 1, 2]]), torch.tensor([0, 0]), 4)
    assert torch.equal(batch.until(2)[:, :, 0, 0, 0], torch.tensor([[0, 2, 1], [3, 4, 5]]) / 6)
    batch = Batch(frames, torch.tensor([[0, 2, 1], [0, 1, 3]]), torch.tensor([0, 0]), 4)
    with pytest.raises(FlowlibError, match="lacks some of the frames x_0 … x_2"):
        batch.until(2)
