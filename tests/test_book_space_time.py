"""A film of densities: mass paths against quantiles of a Gaussian, and what is drawn."""

import numpy as np
import pytest
from scipy import stats

from flowlib import viz
from flowlib.book.space_time import equal_mass_paths, space_time_density
from flowlib.errors import FlowlibError

EDGES = np.linspace(-5, 5, 101)


def film(shift):
    """N(0, 1) that moves to N(shift, 1), 11 frames: the mass of each cell over its width."""
    return np.stack([np.diff(stats.norm.cdf(EDGES, shift * t, 1)) / 0.1 for t in np.linspace(0, 1, 11)])


def test_paths_are_the_quantiles():
    paths = equal_mass_paths(EDGES, film(1.5), 3)
    expected = stats.norm.ppf([1 / 6, 1 / 2, 5 / 6]) + 1.5 * np.linspace(0, 1, 11)[:, None]
    assert np.abs(paths - expected).max() < 5e-3


def test_picture_holds_the_film_and_its_paths():
    figure, axes = viz.new_figure()
    assert space_time_density(axes, EDGES, film(1.5), "prior", paths=5, title="moving") is axes
    assert axes.images[0].get_array().shape == (11, 100)
    assert axes.images[0].get_extent() == [-5, 5, 0, 1]
    assert len(axes.lines) == 5
    times = axes.lines[0].get_ydata()
    assert (times[0], times[-1]) == (0, 1)
    start, *_, end = axes.lines[0].get_xdata()
    assert end > start + 1.4  # later is further right: not upside down
    assert axes.get_title(loc="left") == "moving"


def test_edges_must_fit():
    _, axes = viz.new_figure()
    with pytest.raises(FlowlibError, match="edges"):
        space_time_density(axes, EDGES[1:], film(0))
