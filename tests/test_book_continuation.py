"""The rows of a continued sequence, with models that know, or mistake, what goes on."""

import pytest
import torch
from test_recognition import Reader
from tiny import digits

from flowlib.book.continuation import BLANK, continued_rows, first_part
from flowlib.data import FACTORS, Sequences
from flowlib.errors import FlowlibError
from flowlib.evaluation.recognition import all_factors

MADE = Sequences(digits(6, 12), FACTORS, 4)


@pytest.mark.parametrize("seen", [1, 3])
def test_a_model_that_knows_continues_with_the_truth(seen):
    model, batch = Reader(), all_factors(MADE, [0, 1])
    rows = continued_rows(model, batch, seen).unflatten(0, (6, 3))
    assert torch.equal(rows[:, 0, : seen + 1], batch.frames[:, : seen + 1]) and (rows[:, 0, seen + 1 :] == BLANK).all()
    assert torch.allclose(rows[:, 1, seen + 1 :], batch.frames[:, seen + 1 :], atol=1e-4)
    assert (rows[:, 1, : seen + 1] == BLANK).all() and torch.equal(rows[:, 2], batch.frames)
    (known,) = model.batches  # nothing later was looked at
    assert torch.equal(known.frames, batch.frames[:, : seen + 1]) and known.steps == seen


def test_a_wrong_name_continues_with_another_transformation():
    batch = all_factors(MADE, [0])
    rows = continued_rows(Reader((1, 2, 0)), batch, 2).unflatten(0, (3, 3))
    assert torch.allclose(rows[:, 1, 3:], batch.frames[[1, 2, 0], 3:], atol=1e-4)
    assert not torch.allclose(rows[:, 1, 3:], batch.frames[:, 3:], atol=0.1)


@pytest.mark.parametrize("seen", [0, 5])
def test_seen_out_of_range(seen):
    with pytest.raises(FlowlibError, match=f"seen = {seen}: show 1 … 4"):
        first_part(all_factors(MADE, [0]), seen)
