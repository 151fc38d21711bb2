"""A turn in three optimal steps: symmetric, positive definite, and their product a rotation; its film."""

import math

import pytest
import torch

from flowlib.book.turning import turn_in_three, turning_film
from flowlib.errors import FlowlibError


@pytest.mark.parametrize("degrees, stretch", [(45, 3.3), (20, 2.0), (-60, 6.0)])
def test_three_positive_definite_steps_make_a_rotation(degrees, stretch):
    steps = turn_in_three(degrees, stretch)
    assert torch.allclose(steps, steps.mT)
    assert (torch.linalg.eigvalsh(steps) > 0).all()
    whole = steps[2] @ steps[1] @ steps[0]
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    assert torch.allclose(whole, torch.tensor([[c, -s], [s, c]], dtype=torch.float64))
    assert torch.allclose(steps[2], torch.diag(torch.tensor([1 / stretch, stretch], dtype=torch.float64)))


@pytest.mark.parametrize("degrees, stretch", [(45, 2.4), (90, 1000.0), (120, 50.0)])
def test_a_turn_that_the_stretch_does_not_allow_is_refused(degrees, stretch):
    """At 45 degrees the least stretch is 1 + √2; at 90 and beyond no stretch does."""
    with pytest.raises(FlowlibError, match="stretch = "):
        turn_in_three(degrees, stretch)
    assert len(turn_in_three(45, 2.42)) == 3


def test_film_shows_every_step_and_ends_where_the_product_says():
    steps = turn_in_three(45, 3.3)
    figures, labels = turning_film(steps, frames=2, count=50)
    assert labels == ["0.00", "0.50", "1.00", "1.50", "2.00", "2.50", "3.00"]
    first, last = (torch.tensor(figure.axes[0].collections[0].get_offsets().data) for figure in (figures[0], figures[-1]))
    assert torch.allclose(last, first @ (steps[2] @ steps[1] @ steps[0]).mT, atol=1e-6)
