"""Equivariance error and its references (M16, M19) on models whose error is known."""

import dataclasses

import numpy as np
import pytest
import torch
from tiny import CONFIG, digits, sequences

from flowlib import evaluation
from flowlib.data import FACTORS, Sequences, colour
from flowlib.errors import FlowlibError
from flowlib.evaluation import Estimate, decode_mean, encoded_error, equivariance_error, no_motion
from flowlib.models import Gaussian, Posterior, build_model


class Pixels:
    """A perfect autoencoder, z = the image itself; `path` says where it moves. It stands still."""

    likelihood = Gaussian(1.0)

    def __init__(self, data):
        self.data = data

    def encode(self, images):
        self.shape = images.shape[1:]
        return Posterior(images.flatten(1), torch.zeros_like(images.flatten(1)))

    def decode(self, z):
        return z.unflatten(-1, self.shape)

    def infer_factor(self, batch):
        return batch.factor

    def transport(self, z, factor, steps, first=1):
        labels = torch.full((len(z),), factor) if isinstance(factor, int) else factor
        times = torch.arange(first - 1, first + steps).expand(len(z), -1)
        return self.path(z, labels, times)

    def path(self, z, labels, times):
        return z[:, None].expand(-1, times.shape[1], -1)


class Halved(Pixels):
    """Draws every code at half its brightness."""

    def decode(self, z):
        return super().decode(z) / 2


class Perfect(Pixels):
    """Moves to the true frames."""

    def path(self, z, labels, times):
        return self.data.frames(self.decode(z), labels, times).flatten(2)


class Late(Perfect):
    """The true frames, one step late."""

    def path(self, z, labels, times):
        return super().path(z, labels, (times - 1).clamp(min=0))


class Ramp(Sequences):
    """Frames one can add up by hand: under factor k, image i has the value (i + 1)(k + 1) t everywhere."""

    def __init__(self, count=3):
        super().__init__(torch.zeros(count, 1, 2, 2), ("scale", "hue"), 3)

    def full_batch(self, indices, factor, steps=None):
        batch = super().full_batch(indices, factor, steps)
        image = torch.arange(len(self))[indices] + 1.0
        values = image[:, None] * (batch.factor[:, None] + 1) * batch.times
        return dataclasses.replace(batch, frames=values[..., None, None, None].expand(batch.frames.shape))


class TestError:
    made = Sequences(digits(5, 12), FACTORS, 4)

    @pytest.mark.parametrize("factor", range(3))
    def test_a_perfect_model_has_none(self, factor):
        assert equivariance_error(Perfect(self.made), self.made, factor).abs().max() < 1e-3
        for steps in (1, 7):  # extrapolation
            assert equivariance_error(Perfect(self.made), self.made, factor, steps=steps).abs().max() < 1e-3

    @pytest.mark.parametrize("factor", range(3))
    def test_a_perfect_autoencoder_that_does_not_move_is_the_reference_no_motion(self, factor):
        still = equivariance_error(Pixels(self.made), self.made, factor)
        assert torch.allclose(still, no_motion(self.made, factor))
        assert still.min() > 1

    @pytest.mark.parametrize("factor", range(3))
    def test_each_frame_encoded_never_sees_the_motion(self, factor):
        assert encoded_error(Pixels(self.made), self.made, factor, 2).tolist() == [0, 0]
        gone = encoded_error(Halved(self.made), self.made, factor)
        expected = self.made.full_batch(list(range(len(self.made))), factor).frames[:, 1:].sum((1, 2, 3, 4)) / 2
        assert torch.allclose(gone, expected, rtol=1e-4)

    def test_another_factors_motion_or_a_late_one_is_an_error(self):
        for factor in range(3):
            assert equivariance_error(Late(self.made), self.made, factor).min() > 1
        wrong = Perfect(Sequences(self.made.images, FACTORS[::-1], 4))
        assert equivariance_error(wrong, self.made, 0).min() > 1

    def test_by_hand(self):
        """Σ over t = 1, 2, 3 (6, not 3 or 7), times 2 × 2 pixels of three channels, times (i + 1)(k + 1)."""
        made = Ramp()
        first = equivariance_error(Pixels(made), made, 0)
        assert first.tolist() == [72, 144, 216]
        assert no_motion(made, 1).tolist() == [144, 288, 432]
        assert equivariance_error(Pixels(made), made, 1).tolist() == [144, 288, 432]
        assert torch.equal(equivariance_error(Pixels(made), made, 0), first)  # nothing adds up over calls
        assert Estimate.of(first).mean == 144

    def test_more_or_fewer_steps_and_images(self):
        made = Ramp()
        for measure in (
            lambda **kw: equivariance_error(Pixels(made), made, 0, **kw),
            lambda **kw: no_motion(made, 0, **kw),
        ):
            assert measure(steps=1).tolist() == [12, 24, 36]
            assert measure(steps=5).tolist() == [180, 360, 540]
            assert measure(count=2).tolist() == [72, 144]
            assert measure(count=99).tolist() == [72, 144, 216]

    def test_chunks_change_nothing(self, monkeypatch):
        monkeypatch.setattr("flowlib.data.source.CHUNK", 2)
        made = Ramp(5)
        assert equivariance_error(Pixels(made), made, 0).tolist() == [72, 144, 216, 288, 360]

    def test_the_mean_of_the_likelihood_is_compared_not_its_logits(self):
        """z_0 is the posterior's mean, the flow has no noise, and sigmoid(Dec(z_t)) is what is compared."""
        torch.manual_seed(0)
        model, made = build_model(CONFIG), sequences()
        batch = made.full_batch(slice(None), "rotation")
        expected = torch.zeros(len(made))
        with torch.no_grad():
            z = model.encoder(batch.frames[:, 0])[0]
            for t in (1, 2):
                z = z + model.potentials(z[None], float(t), [1]).gradient[0]
                expected += (torch.sigmoid(model.decoder(z)) - batch.frames[:, t]).abs().flatten(1).sum(1)
        assert torch.allclose(equivariance_error(model, made, 1), expected, rtol=1e-5)
        assert decode_mean(model, z).min() >= 0

    def test_labels_of_a_mixed_batch(self):
        """`moved_path` takes the labels of a batch whose sequences move by different factors."""
        full = [self.made.full_batch([0, 1], factor) for factor in (2, 0)]
        mixed = dataclasses.replace(
            full[0], frames=torch.cat([b.frames for b in full]), factor=torch.tensor([2, 2, 0, 0]),
            times=torch.cat([b.times for b in full]),
        )  # fmt: skip
        model = Perfect(self.made)
        shown = decode_mean(model, evaluation.equivariance.moved_path(model, mixed))
        assert evaluation.frame_errors(mixed.frames, shown)[:, 1:].sum(1).max() < 1e-3


def test_colour_of_the_first_frame_is_what_is_encoded():
    """The encoder sees x_0 exactly as the decoder is asked to draw it."""
    made = Sequences(digits(2, 8), FACTORS, 2)
    seen = []
    model = Pixels(made)
    model.encode = lambda images: seen.append(images) or Pixels.encode(model, images)
    equivariance_error(model, made, 0)
    assert torch.equal(seen[0], colour(made.images))


class TestEstimate:
    def test_mean_and_its_standard_error(self):
        found = Estimate.of(torch.tensor([1.0, 2.0, 3.0, 6.0]))
        assert (found.mean, found.n) == (3.0, 4)
        assert found.standard_error == pytest.approx(np.std([1, 2, 3, 6], ddof=1) / 2, rel=1e-6)

    def test_the_standard_error_is_the_spread_of_means(self, generator):
        means = torch.randn(2000, 25, generator=generator).mean(1)
        errors = [Estimate.of(torch.randn(25, generator=generator)).standard_error for _ in range(200)]
        assert np.mean(errors) == pytest.approx(means.std().item(), rel=0.05)

    def test_of_one(self):
        assert Estimate.of(torch.tensor([5.0])) == Estimate(5.0, None, 1)

    @pytest.mark.parametrize("value", [torch.nan, torch.inf])
    def test_what_is_no_number_is_refused(self, value):
        with pytest.raises(FlowlibError, match="not finite"):
            Estimate.of(torch.tensor([1.0, value]))
