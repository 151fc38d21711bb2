"""The error of every frame beyond training, and its references (M19)."""

import dataclasses

import pytest
import torch
from test_equivariance import Late, Perfect, Pixels, Ramp
from tiny import CONFIG, digits, sequences

from flowlib import evaluation
from flowlib.data import FACTORS, Sequences
from flowlib.errors import FlowlibError
from flowlib.evaluation import equivariance_error, frame_errors, label_errors, no_motion, no_motion_steps, steps_error, stop_error
from flowlib.models import build_model

MADE = Sequences(digits(5, 12), FACTORS, 4)


@pytest.mark.parametrize("factor", range(3))
def test_the_truth_has_no_error_and_stopping_has(factor):
    assert steps_error(Perfect(MADE), MADE, factor, 9).shape == (5, 9)
    assert steps_error(Perfect(MADE), MADE, factor, 9).abs().max() < 1e-3
    stopped, frames = stop_error(Perfect(MADE), MADE, factor, 9), MADE.full_batch(slice(None), factor, 9).frames
    assert stopped[:, :4].abs().max() < 1e-3
    expected = frame_errors(frames[:, 5:], frames[:, 4:5].expand(-1, 5, -1, -1, -1))
    assert torch.allclose(stopped[:, 4:], expected, rtol=1e-4) and expected.min() > 0.5


@pytest.mark.parametrize("factor", [0, "rotation", 2])
def test_columns_add_up_to_the_measures_of_whole_sequences(factor):
    torch.manual_seed(0)
    model, made = build_model(CONFIG), sequences()
    found = steps_error(model, made, factor, 5)
    for steps in (1, 2, 5):
        assert torch.allclose(found[:, :steps].sum(1), equivariance_error(model, made, factor, steps=steps), rtol=1e-5)
        still = no_motion_steps(made, factor, 5)[:, :steps].sum(1)
        assert torch.allclose(still, no_motion(made, factor, steps=steps), rtol=1e-5)
    assert torch.allclose(stop_error(model, made, factor, 5)[:, :2], found[:, :2], rtol=1e-5)


def test_by_hand(monkeypatch):
    """Frames of value (i + 1)(k + 1) t in 12 places, against a model that stands still; chunks change nothing."""
    monkeypatch.setattr("flowlib.data.source.CHUNK", 2)
    made = Ramp()
    still = Pixels(made)
    for found in (steps_error(still, made, 1, 5), stop_error(still, made, 1, 5), no_motion_steps(made, 1, 5)):
        assert found.tolist() == [[24 * (i + 1) * t for t in range(1, 6)] for i in range(3)]
    assert steps_error(Pixels(made), made, 0, 1, count=2).tolist() == [[12], [24]]
    assert stop_error(Pixels(made), made, 0, 2, count=1).tolist() == [[12, 24]]


def test_sixteen_steps_by_default_and_a_late_model_is_caught():
    found = steps_error(Late(MADE), MADE, 1)
    assert found.shape == (5, 16) and found.min() > 0.5


def test_the_factor_is_recognised_from_the_trained_steps_alone():
    seen, model = [], Perfect(MADE)
    model.infer_factor = lambda batch: seen.append(batch.frames) or batch.factor
    assert steps_error(model, MADE, 2, 9).abs().max() < 1e-3
    steps_error(model, MADE, 2, 2)
    assert all(torch.equal(frames, MADE.full_batch(slice(None), 2).frames) for frames in seen) and len(seen) == 2


@pytest.mark.parametrize("measure", [steps_error, stop_error, lambda model, *rest: no_motion_steps(*rest)])
def test_what_cannot_be_measured(measure):
    with pytest.raises(FlowlibError, match="steps = 0"):
        measure(Perfect(MADE), MADE, 0, 0)
    with pytest.raises(FlowlibError, match="factor 3 does not exist"):
        measure(Perfect(MADE), MADE, 3, 4)


class TestLabels:
    def test_a_model_without_labels_sees_no_difference(self):
        torch.manual_seed(0)
        model, made = build_model(dataclasses.replace(CONFIG, time_free=True)), sequences(count=3)
        with torch.no_grad():
            model.potentials.head.mul_(30)
        found, columns = label_errors(model, made, 1), steps_error(model, made, 1, 2 * made.steps)
        assert tuple(found) == evaluation.extrapolation.LABELLED
        assert torch.allclose(found["near"], columns[:, : made.steps].sum(1)) and torch.allclose(found["near, new labels"], found["near"])
        for kind in ("far", "far, last label", "far, old labels"):
            assert torch.allclose(found[kind], columns[:, made.steps :].sum(1), rtol=1e-5), kind
        assert torch.allclose(found["far, stopped"], stop_error(model, made, 1, 2 * made.steps)[:, made.steps :].sum(1))
        assert not torch.allclose(found["far"], found["far, stopped"])

    def test_which_label_a_step_has(self):
        """The labels of every call: near as trained and new; the last one, step by step; then going on, and from 1 again."""
        made, seen = Ramp(), []

        class Notes(Pixels):
            def transport(self, z, factor, steps, first=1):
                seen.append([first + n for n in range(steps)])
                return z[:, None].expand(-1, steps + 1, -1)

        label_errors(Notes(made), made, 1)
        assert seen == [[1, 2, 3], [4, 5, 6], [3], [3], [3], [4, 5, 6], [1, 2, 3]]

    def test_by_hand(self):
        """Frames of value (i + 1) 2 t in 12 places against a model that stands still."""
        made = Ramp()
        found = label_errors(Pixels(made), made, 1, count=2)
        assert found["near"].tolist() == found["near, new labels"].tolist() == [24 * 6, 48 * 6]
        assert all(found[kind].tolist() == [24 * 15, 48 * 15] for kind in found if kind.startswith("far"))
