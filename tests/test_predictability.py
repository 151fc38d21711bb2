"""The VP score of motions that can and cannot be told apart, and codes for MIG and DCI (M20)."""

import numpy as np
import pytest
import torch
from test_equivariance import Perfect, Pixels
from tiny import digits

from flowlib.data import FACTORS, Sequences, colour, load_digits
from flowlib.errors import FlowlibError
from flowlib.evaluation import composed_codes, dci, generated_pairs, mig, predictability, vp_score
from flowlib.models import Posterior

MNIST = Sequences(load_digits("test")[0][:500], FACTORS)
SMALL = Sequences(digits(4, 8), FACTORS, 3)


class Merged(Perfect):
    """Scale and rotation move alike."""

    def path(self, z, labels, times):
        return super().path(z, labels.clamp(min=1), times)


def test_distinct_motions_are_told_apart():
    assert vp_score(Perfect(MNIST), MNIST, pairs=2000) > 0.97


def test_no_motion_tells_nothing():
    assert vp_score(Pixels(MNIST), MNIST, pairs=2000) == pytest.approx(1 / 3, abs=0.05)


def test_two_equal_motions_are_guessed():
    """The third is always named (1/3), the two others half the time (2/3 · 1/2)."""
    assert vp_score(Merged(MNIST), MNIST, pairs=2000) == pytest.approx(2 / 3, abs=0.05)


def test_pairs_show_what_their_factor_says(monkeypatch):
    monkeypatch.setattr("flowlib.data.source.CHUNK", 3)
    starts, ends, factor = generated_pairs(Perfect(SMALL), SMALL, 40, seed=1)
    assert starts.shape == ends.shape == (40, 3, 8, 8)
    for start, end, k in zip(starts, ends, factor.tolist()):
        index = next(i for i, image in enumerate(colour(SMALL.images)) if torch.equal(image, start))
        assert torch.allclose(end, SMALL.full_batch([index], k).frames[0, 3], atol=1e-6)
    assert set(factor.tolist()) == {0, 1, 2}
    assert len({start[0, 0, 0].item() for start in starts}) == 4  # all images are drawn


def test_reproducible_from_the_seed_alone():
    first, again, other = (vp_score(Merged(SMALL), SMALL, 200, 0.3, seed) for seed in (0, 0, 1))
    assert first == again
    a, b, c = (generated_pairs(Perfect(SMALL), SMALL, 20, seed)[2].tolist() for seed in (0, 0, 1))
    assert a == b != c


@pytest.mark.parametrize("options", [{"pairs": 2}, {"train_share": 0.0}, {"train_share": 1.0}])
def test_too_few_pairs(options):
    with pytest.raises(FlowlibError, match="cannot teach 3 factors"):
        vp_score(Perfect(SMALL), SMALL, **{"pairs": 20, **options})


def test_one_factor_alone():
    alone = Sequences(SMALL.images, ("hue",))
    with pytest.raises(FlowlibError, match="cannot teach 1 factors"):
        vp_score(Perfect(alone), alone)


class Labelled(Sequences):
    """Every frame's three channels hold the steps of the three factors."""

    def composed(self, indices, times):
        return (times[..., None, None] / 3.0).expand(*times.shape, 8, 8)


class Reading(Pixels):
    """A code that is the mean of every channel."""

    def encode(self, images):
        code = images.mean((2, 3))
        return Posterior(code, torch.zeros_like(code))


def test_codes_that_are_the_steps_score_one():
    made = Labelled(SMALL.images, FACTORS, 3)
    codes, factors = composed_codes(Reading(made), made, count=600)
    assert codes.shape == factors.shape == (600, 3)
    assert np.allclose(3 * codes, factors, atol=1e-5)
    assert mig(codes, factors) > 0.97  # a sample of independent factors shares a little information by chance
    found = dci(codes, factors)
    assert found.disentanglement > 0.97 and found.completeness > 0.97 and found.informativeness > 0.99


def test_steps_are_independent_and_even():
    factors = composed_codes(Pixels(SMALL), SMALL, count=4000)[1]
    assert factors.min() == 0 and factors.max() == 3 and factors.dtype.kind == "i"
    for column in factors.T:
        assert np.bincount(column) == pytest.approx([1000] * 4, abs=120)
    assert np.corrcoef(factors.T) == pytest.approx(np.eye(3), abs=0.07)


def test_codes_are_of_composed_frames(monkeypatch):
    monkeypatch.setattr("flowlib.data.source.CHUNK", 7)
    one = Sequences(SMALL.images[:1], FACTORS, 3)
    codes, factors = composed_codes(Pixels(one), one, count=20, seed=2)
    expected = one.composed([0], torch.tensor(factors))[0].flatten(1)
    assert np.allclose(codes, expected.numpy(), atol=1e-6)
    assert not np.array_equal(factors, composed_codes(Pixels(one), one, count=20, seed=3)[1])


def test_the_classifier_sees_a_tenth_of_the_pairs_and_both_images(monkeypatch):
    class Recording:
        def fit(self, features, factor):
            self.features = features
            return self

        def score(self, features, factor):
            self.rest = features
            return 0.5

    made = Recording()
    monkeypatch.setattr(predictability, "_classifier", lambda train, seed: made)
    vp_score(Perfect(SMALL), SMALL, pairs=200)
    assert len(made.features) == 20 and len(made.rest) == 180
    starts, ends, _ = generated_pairs(Perfect(SMALL), SMALL, 200)
    expected = torch.cat([starts, ends - starts], 1).flatten(1).numpy()
    assert np.allclose(np.concatenate([made.features, made.rest]), expected)
