"""Clouds on their way: what is drawn is where the mathematics puts it."""

import numpy as np
import pytest
import torch

from flowlib.book.clouds import cloud_frames, cloud_row
from flowlib.transport import Gaussian

SOURCE = Gaussian(torch.zeros(2), 0.25 * torch.eye(2))


def stretch(z, t):
    return z * torch.tensor([1.0, -1.0])


def drawn_points(axes):
    return axes.collections[-1].get_offsets().data


def test_particles_stand_where_the_flow_carries_them_in_every_panel():
    figure = cloud_row(stretch, SOURCE, [0.0, 0.5, 1.0], count=50)
    first, _, last = (drawn_points(axes) for axes in figure.axes)
    assert np.allclose(last, first * np.exp([1.0, -1.0]), atol=1e-4)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["t = 0", "t = 0.5", "t = 1"]


def test_the_outermost_contour_follows_the_density_not_the_start():
    figure = cloud_row(stretch, SOURCE, [0.0, 0.7], resolution=161)
    widths = []
    for axes in figure.axes:
        lines = axes.collections[1].get_paths()  # [0] the filling, [1] the level lines, outermost first
        widths.append(np.ptp(lines[0].vertices, axis=0))
    assert widths[1] / widths[0] == pytest.approx(np.exp([0.7, -0.7]), rel=0.03)


def test_frames_are_of_one_size_and_one_per_time():
    frames = cloud_frames(stretch, SOURCE, [0.0, 0.3, 0.6], count=10, resolution=8)
    assert len(frames) == 3 and len({tuple(frame.get_size_inches()) for frame in frames}) == 1


def test_frames_at_a_single_time_show_the_source():
    (frame,) = cloud_frames(stretch, SOURCE, [0.0], count=10, resolution=8, field=True)
    wanted = SOURCE.sample(10, torch.Generator().manual_seed(0))
    assert np.allclose(drawn_points(frame.axes[0]), wanted)
