"""The decoder's share of an error (M16, M18, M19): on decoders that can draw anything, or one picture, and never above the error itself."""

import pytest
import torch
from test_composition import MADE, Steps
from test_equivariance import Perfect, Pixels, Ramp
from tiny import CONFIG, digits, sequences

from flowlib.data import FACTORS, Sequences
from flowlib.errors import FlowlibError
from flowlib.evaluation import (
    decoder_limit,
    equivariance_error,
    steps_error,
    steps_limit,
    superposed_times,
    superposition_error,
    superposition_limit,
)
from flowlib.experiments.measures import limit
from flowlib.models import build_model


class TestDecoderLimit:
    made = Sequences(digits(3, 8), FACTORS, 2)

    def test_a_decoder_that_can_draw_anything_has_none(self):
        own = equivariance_error(Pixels(self.made), self.made, 1)
        found = decoder_limit(Pixels(self.made), self.made, 1)
        assert found.shape == (3,) and bool((found < 0.02 * own).all())
        assert decoder_limit(Perfect(self.made), self.made, 1, iterations=3).max() < 1e-3

    def test_below_the_models_own_error(self):
        torch.manual_seed(0)
        model, made = build_model(CONFIG), sequences(count=4)
        own, found = equivariance_error(model, made, 2), decoder_limit(model, made, 2, iterations=20)
        assert bool((found < own - 1e-3).all()) and found.min() > 0

    def test_never_above_it(self):
        """Where gradient descent runs away, the start is the best point met."""
        own = equivariance_error(Pixels(self.made), self.made, 1)
        found = decoder_limit(Pixels(self.made), self.made, 1, iterations=3, rate=50.0)
        assert torch.allclose(found, own)

    def test_without_iterations_it_is_the_models_own_error(self):
        made = Ramp()
        assert decoder_limit(Pixels(made), made, 1, iterations=0).tolist() == [144, 288, 432]
        assert decoder_limit(Pixels(made), made, 1, count=1, iterations=0).tolist() == [144]

    def test_a_decoder_of_one_picture_cannot_be_helped(self):
        """Dec(z) = 0 whatever z: the limit is the no-flow error itself, Σ_t ‖x_t‖₁."""
        made = Ramp()
        model = Pixels(made)
        model.decode = lambda z: 0 * z.unflatten(-1, (3, 2, 2))
        assert decoder_limit(model, made, 0, iterations=5).tolist() == [72, 144, 216]

    def test_the_model_is_left_as_it_was(self):
        model, made = build_model(CONFIG), sequences(count=2)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        decoder_limit(model, made, 0, iterations=2)
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
        assert all(parameter.grad is None for parameter in model.parameters())


class TestSuperpositionLimit:
    def test_of_one_factor_it_is_the_decoders_limit(self):
        torch.manual_seed(0)
        model, made = build_model(CONFIG), sequences(count=3)
        assert torch.allclose(superposition_limit(model, made, (1,), iterations=5), decoder_limit(model, made, 1, iterations=5))

    def test_below_the_error_of_both_flows_and_not_above_it_where_descent_runs_away(self):
        torch.manual_seed(0)
        model, made = build_model(CONFIG), sequences(count=3)
        error = superposition_error(model, made, (0, 2))
        assert bool((superposition_limit(model, made, (0, 2), iterations=20) < error - 1e-3).all())
        standing = Steps(lambda z, factor, label: z)
        still = superposition_error(standing, MADE, (0, 2))
        assert torch.allclose(superposition_limit(standing, MADE, (0, 2), iterations=3, rate=50.0), still)
        assert bool((superposition_limit(standing, MADE, (0, 2), iterations=100) < 0.05 * still).all()), "pixels can draw everything"

    def test_a_decoder_of_one_picture_cannot_be_helped(self):
        """Dec(z) = 0: what is left is the ink of the pictures in which both factors act."""
        model = Steps(lambda z, factor, label: z)
        model.decode = lambda z: 0 * z.unflatten(-1, (3, 12, 12))
        frames = MADE.composed([0, 1], superposed_times(MADE, (0, 2), 4))
        ink = frames[:, 1:].sum((1, 2, 3, 4))
        assert torch.allclose(superposition_limit(model, MADE, (0, 2), count=2, iterations=3), ink)

    @pytest.mark.parametrize("wrong", [{"count": 0}, {"iterations": -1}])
    def test_nothing_to_improve_is_refused(self, wrong):
        with pytest.raises(FlowlibError, match=next(iter(wrong))):
            superposition_limit(build_model(CONFIG), sequences(count=1), (0, 1), **wrong)


def test_the_measure_of_limits_averages_the_two_flows_of_each_pair(monkeypatch):
    torch.manual_seed(0)
    model, made = build_model(CONFIG), sequences(count=4)
    monkeypatch.setattr(limit, "load_sequences", lambda config, part: made)
    monkeypatch.setattr(limit, "IMAGES", 3)
    rows = limit.superposed_limit(model, CONFIG)
    assert [(row["first"], row["second"]) for row in rows] == [("scale", "rotation"), ("scale", "hue"), ("rotation", "hue")]
    one = rows[1]
    own = [superposition_error(model, made, (k,), 3).mean() for k in (0, 2)]
    assert one["error"] == pytest.approx(superposition_error(model, made, (0, 2), 3).mean().item(), abs=0.01)
    assert one["own_error"] == pytest.approx((sum(own) / 2).item(), abs=0.02)
    assert one["own_limit"] == pytest.approx(sum(decoder_limit(model, made, k, 3).mean().item() for k in (0, 2)) / 2, abs=0.02)
    assert one["limit"] < one["error"] and one["ink"] > one["own_ink"] > 0
    assert limit.limit_ratio(rows) == pytest.approx(sum(row["limit"] / row["own_limit"] for row in rows) / 3)


def test_the_limit_of_longer_flows_step_by_step(monkeypatch):
    torch.manual_seed(0)
    model, made = build_model(CONFIG), sequences(count=3)
    found = steps_limit(model, made, 1, made.steps, iterations=5)
    assert torch.allclose(found.sum(1), decoder_limit(model, made, 1, iterations=5))
    monkeypatch.setattr(limit, "load_sequences", lambda config, part: made)
    measured = limit.long_limit(model, CONFIG)["rotation"]
    assert measured["error"] == pytest.approx(steps_error(model, made, 1, 2 * made.steps).mean(0).tolist(), abs=0.01)
    assert all(less < more for less, more in zip(measured["limit"], measured["error"], strict=True))
    assert limit.later([1.0, 3.0, 5.0, 7.0]) == 3


def test_a_model_that_recognises_the_factor_sees_the_trained_steps_alone():
    seen, model = [], Perfect(MADE)
    model.infer_factor = lambda batch: seen.append(batch.frames) or batch.factor
    assert steps_limit(model, MADE, 2, 9, iterations=1).max() < 1e-3
    assert [frames.shape[1] for frames in seen] == [MADE.steps + 1]
