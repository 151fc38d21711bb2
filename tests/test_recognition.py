"""Accuracy and continuation on models whose recognition is known (M15)."""

import numpy as np
import pytest
import torch
from test_equivariance import Perfect, Pixels, Ramp
from tiny import digits

from flowlib.data import FACTORS, Sequences, over_chunks
from flowlib.errors import FlowlibError
from flowlib.evaluation import continuation_error, equivariance_error, factor_accuracy, frame_errors

MADE = Sequences(digits(6, 12), FACTORS, 4)


class Reader(Perfect):
    """Reads the factor off the frames, never off the label, and names it by a table."""

    def __init__(self, names=(0, 1, 2)):
        super().__init__(MADE)
        self.names, self.batches = torch.tensor(names), []

    def infer_factor(self, batch):
        self.batches.append(batch)
        first = batch.frames[:, 0]
        truth = [self.data.frames(first, torch.full((len(first),), k), batch.times) for k in range(3)]
        errors = torch.stack([frame_errors(batch.frames, frames).sum(1) for frames in truth])
        return self.names[errors.argmin(0)]


@pytest.mark.parametrize("names, share", [((0, 1, 2), 1), ((0, 2, 1), 1 / 3), ((1, 2, 0), 0), ((2, 2, 2), 1 / 3)])
def test_accuracy_of_a_table(names, share):
    found = factor_accuracy(Reader(names), MADE)
    assert found.mean == pytest.approx(share) and found.n == 6
    assert found.standard_error == pytest.approx(0, abs=1e-6)  # every image has the same share


def test_every_batch_holds_every_factor(monkeypatch):
    monkeypatch.setattr("flowlib.data.source.CHUNK", 4)
    model = Reader()
    assert factor_accuracy(model, MADE, count=6).n == 6
    assert [batch.factor.tolist() for batch in model.batches] == [[0] * 4 + [1] * 4 + [2] * 4, [0, 0, 1, 1, 2, 2]]
    assert all(batch.frames.shape[1] == 5 for batch in model.batches)
    assert torch.equal(model.batches[0].frames[:4, 0], MADE.first_frames(range(4)))


def test_sequences_of_an_image_are_no_independent_trials():
    """Right for two images, wrong for four: the error is that of six images, not of 18 sequences."""
    model = Pixels(MADE)
    image = torch.arange(6).repeat(3)
    model.infer_factor = lambda batch: torch.where(image < 2, batch.factor, -1)
    found = factor_accuracy(model, MADE)
    assert found.mean == pytest.approx(2 / 6)
    assert found.standard_error == pytest.approx(np.std([1, 1, 0, 0, 0, 0], ddof=1) / 6**0.5)


@pytest.mark.parametrize("factor", [0, 1, 2, "hue"])
@pytest.mark.parametrize("seen", [1, 3])
def test_a_reader_continues_without_error_from_what_it_saw(factor, seen):
    model = Reader()
    found = continuation_error(model, MADE, factor, seen)
    assert found.shape == (6,) and found.abs().max() < 1e-3
    (batch,) = model.batches
    assert torch.equal(batch.frames, MADE.full_batch(slice(None), factor).frames[:, : seen + 1])


def test_a_wrong_name_continues_wrongly():
    wrong = continuation_error(Reader((1, 2, 0)), MADE, 0, 2)
    truth, shown = (MADE.full_batch(slice(None), k).frames[:, 3:] for k in (0, 1))
    assert torch.allclose(wrong, frame_errors(truth, shown).sum(1), rtol=1e-4) and wrong.min() > 1


def test_frames_seen_do_not_count():
    """Frames of value (i + 1)(k + 1) t in 12 places, T = 3, shown as 0: after one step 2 + 3 are left, after two 3."""
    made = Ramp()
    assert continuation_error(Pixels(made), made, 0, seen=1).tolist() == [60, 120, 180]
    assert continuation_error(Pixels(made), made, 1, seen=2, count=2).tolist() == [72, 144]
    assert equivariance_error(Pixels(made), made, 0).tolist() == [72, 144, 216]


@pytest.mark.parametrize("seen", [0, 4, 9])
def test_seen_out_of_range(seen):
    with pytest.raises(FlowlibError, match=f"seen = {seen}: show 1 … 3"):
        continuation_error(Reader(), MADE, 0, seen)


def test_a_factor_that_is_not_there():
    with pytest.raises(FlowlibError, match="factor 3 does not exist"):
        continuation_error(Reader(), MADE, 3, 2)


def test_no_image_is_left_alone(monkeypatch):
    """A fifth one is measured with the four before: a swap needs two."""
    monkeypatch.setattr("flowlib.data.source.CHUNK", 4)
    seen = []
    assert over_chunks(MADE, 5, lambda indices: seen.append(indices) or torch.tensor(indices)).tolist() == list(range(5))
    assert seen == [[0, 1, 2, 3, 4]]
