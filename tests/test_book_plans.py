"""Pictures of plans and price cells: orientation, order and colours, read back from what was drawn."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from flowlib import viz
from flowlib.book.plans import plan_image, price_cells
from flowlib.errors import FlowlibError
from flowlib.viz.palette import CARD, CYCLE


@pytest.fixture
def axes():
    return viz.plane_axes(viz.new_figure()[1], 4)


def test_the_source_runs_across_and_the_target_up(axes):
    plan_image(axes, [[0, 0.2, 0], [0, 0, 0.8]], x=[1.0, 0.0], y=[0.0, 1.0, 2.0])
    drawn = np.asarray(axes.collections[0].get_array()).reshape(3, 2)
    assert drawn[2, 0] == 0.8 and drawn[1, 1] == 0.2 and drawn.sum() == 1
    with pytest.raises(FlowlibError, match=r"\(2, 3\).*\(3, 3\)"):
        plan_image(axes, np.ones((2, 3)), [0, 1, 2], [0, 1, 2])


def test_a_price_moves_the_border_between_two_cells(axes):
    """Between (−1, 0) and (1, 0) the border stands where (z+1)² − g₁ = (z−1)² − g₂, at z = (g₁ − g₂)/4."""
    for g in ([0.0, 0.0], [4.0, 0.0], [0.0, 6.0]):
        price_cells(axes, [[-1, 0], [1, 0]], g, resolution=401, numbers=False)
        first = np.abs(axes.images[-1].get_array() - _tint(0)).max(-1) < 1e-9
        border = -4 + 8 * (first[200].sum() - 0.5) / 400
        assert border == pytest.approx((g[0] - g[1]) / 4, abs=0.03)


def test_cells_have_the_rows_along_y(axes):
    price_cells(axes, [[0, -2], [0, 2]], [0, 0], resolution=11)
    image = axes.images[-1]
    assert image.origin == "lower" and np.allclose(image.get_array()[0, 0], _tint(0))
    assert [text.get_text() for text in axes.texts] == ["1", "2"]
    with pytest.raises(FlowlibError, match="g has 3 entries"):
        price_cells(axes, [[0, -2], [0, 2]], [0, 0, 1])


def _tint(j):
    return 0.45 * np.array(to_rgb(CYCLE[j])) + 0.55 * np.array(to_rgb(CARD))
