"""A cloud on its way: particles, and the density that they have, under a velocity field in the plane (chapter 1)."""

import torch

from flowlib.transport import flow_log_density, integrate
from flowlib.viz.plane import arrows, density_contours, particles, plane_axes
from flowlib.viz.style import new_figure


def cloud_row(velocity, source, times, *, title="t = {:g}", **options):
    """One panel for each of `times` (S,): the cloud drawn from `source`, moved by `velocity`, with its density.

    `source` is a `Gaussian` of the plane, or anything with `sample(n, generator)` and `log_prob(z)`; times[0] is its time.
    `title` is formatted with the time. Options: `count` particles, `extent` of the plane, `seed`, `resolution` of the density's
    grid, `field` (draw the velocity's arrows).
    """
    figure, axes = new_figure(1, len(times), height=7.4 / len(times) + 0.25, squeeze=False)
    for panel, state in zip(axes[0], _states(velocity, source, times, **options)):
        _draw(panel, velocity, source, title=title, **state)
    return figure


def cloud_frames(velocity, source, times, *, size=4.0, title=None, **options):
    """The same as single figures, one for each time, for `frame_slider` and `choice_gallery`; `size` in inches."""
    frames = []
    for state in _states(velocity, source, times, **options):
        figure, axes = new_figure(height=size, width=size)
        _draw(axes, velocity, source, title=title, **state)
        frames.append(figure)
    return frames


def _states(velocity, source, times, *, count=400, extent=3.2, seed=0, resolution=64, field=False):
    """What is drawn at each time: the particles (count, 2) at t, and the options of the picture."""
    times = torch.as_tensor(times, dtype=torch.get_default_dtype())
    z = source.sample(count, torch.Generator().manual_seed(seed))
    path = integrate(velocity, z, times, rtol=1e-5, atol=1e-7).z if len(times) > 1 else z[:, None]
    shared = {"start": times[0], "extent": extent, "resolution": resolution, "field": field}
    return [{"z": z, "t": t, **shared} for z, t in zip(path.unbind(1), times)]


def _draw(axes, velocity, source, z, t, start, extent, resolution, field, title):
    plane_axes(axes, extent, title=title and title.format(float(t)))

    def log_density(points):
        return flow_log_density(velocity, source.log_prob, points, t, start=start, rtol=1e-4, atol=1e-6)

    density_contours(axes, log_density, "posterior", resolution=resolution)
    if field:
        arrows(axes, velocity, t, count=11)
    particles(axes, z, "data", size=4, alpha=0.75)
