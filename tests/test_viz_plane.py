"""Transport in the plane and latent paths, checked against closed forms and scikit-learn."""

import math

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from flowlib import viz
from flowlib.errors import FlowlibError

FACTORS = ["scale", "rotation"]


@pytest.fixture
def axes():
    return viz.plane_axes(viz.new_figure()[1], 5)


def log_normal(z):
    return -0.5 * (z**2).sum(-1)


def test_contours_enclose_the_stated_probability(axes):
    viz.density_contours(axes, log_normal, "target", resolution=301, levels=3, fill=False)
    paths = axes.collections[-1].get_paths()
    radii = [np.linalg.norm(path.vertices, axis=1).mean() for path in paths]
    fractions = np.linspace(0.95, 0.1, 3)
    assert radii == pytest.approx([math.sqrt(-2 * math.log(1 - f)) for f in fractions], rel=0.01)


def test_contours_do_not_depend_on_the_density_s_height(axes):
    viz.density_contours(axes, lambda z: log_normal(z) - 400, fill=True)
    assert len(axes.collections[-1].get_paths()) == 6


def test_the_function_sees_the_default_type_and_rows_run_along_y(axes):
    seen = []
    viz.field_image(axes, lambda z: seen.append(z.dtype) or z[:, 1], lines=0, resolution=11)
    values = axes.images[0].get_array()
    assert seen == [torch.get_default_dtype()]
    assert values[0, 0] == -5 and values[-1, 0] == 5 and axes.images[0].origin == "lower"


def test_arrows_point_along_the_velocity(axes):
    viz.arrows(axes, lambda z, t: torch.stack([-z[:, 1], z[:, 0]], 1) * t, 2.0, count=7, scale=0.5)
    quiver = axes.collections[-1]
    assert np.allclose(quiver.U, -quiver.Y) and np.allclose(quiver.V, quiver.X)
    assert len(quiver.X) == 49 and np.abs(quiver.X).max() < 5


def test_the_longest_arrow_spans_a_cell_of_the_grid(axes):
    viz.arrows(axes, lambda z, t: torch.stack([z[:, 0], 0 * z[:, 0]], 1), extent=(-3, 3, -3, 3), count=6)
    quiver = axes.collections[-1]
    assert np.hypot(quiver.U, quiver.V).max() == pytest.approx(1, rel=0.06) and quiver.scale == 1


def test_arrows_can_be_left_out_and_a_still_field_is_drawn(axes):
    viz.arrows(axes, lambda z, t: 0 * z, where=lambda z: z[:, 0] > 0)
    assert (axes.collections[-1].X > 0).all()


def test_arrows_refuse_a_field_that_is_no_field(axes):
    with pytest.raises(FlowlibError, match=r"velocity\(z, t\).*1 axes|2 axes"):
        viz.arrows(axes, lambda z, t: z[:, 0])
    with pytest.raises(FlowlibError, match="one vector for each point"):
        viz.arrows(axes, lambda z, t: z[:3])


def test_particles_take_the_colour_of_their_role(axes):
    viz.particles(axes, torch.randn(10, 2), "posterior")
    from matplotlib.colors import to_hex

    assert to_hex(axes.collections[0].get_facecolor()[0]) == viz.COLORS["posterior"]
    with pytest.raises(FlowlibError, match=r"\(10, 3\).*plane"):
        viz.particles(axes, torch.randn(10, 3))


def test_trajectories_draw_one_line_per_particle(axes):
    path = torch.randn(7, 5, 2)
    viz.trajectories(axes, path)
    segments = axes.collections[0].get_segments()
    assert len(segments) == 7 and np.allclose(segments[3], path[3])
    starts, ends = (marks.get_offsets() for marks in axes.collections[1:])
    assert np.allclose(starts, path[:, 0]) and np.allclose(ends, path[:, -1])
    with pytest.raises(FlowlibError, match="latent_paths"):
        viz.trajectories(axes, torch.randn(7, 5, 3))


def test_a_coupling_draws_the_pairs_that_carry_mass(axes):
    x, y = torch.zeros(2, 2), torch.ones(3, 2)
    viz.coupling(axes, x, y, [[0.5, 0, 0], [0, 0.25, 0.25]])
    assert axes.collections[0].get_linewidths() == pytest.approx([1.4, 0.7, 0.7])
    with pytest.raises(FlowlibError, match=r"\(2, 2\).*\(2, 3\)"):
        viz.coupling(axes, x, y, np.eye(2))


@pytest.mark.parametrize("extent", [(3, -3, 0, 1), (1, 2, 3), 0])
def test_an_impossible_extent_is_named(extent):
    with pytest.raises(FlowlibError, match="extent"):
        viz.plane_axes(viz.new_figure()[1], extent)


def test_mapped_grid_draws_the_images_of_its_lines_and_of_the_cell(axes):
    viz.mapped_grid(axes, lambda z: 2 * z + 1, 2, lines=5, cell=(0, 1, 0, 1))
    segments = axes.collections[0].get_segments()
    assert len(segments) == 10
    assert np.allclose(segments[0][:, 0], -3) and np.allclose(segments[-1][:, 1], 5)
    corners = axes.patches[0].get_xy()
    assert np.allclose(corners.min(0), 1) and np.allclose(corners.max(0), 3)


def test_mapped_grid_refuses_a_map_that_loses_points(axes):
    with pytest.raises(FlowlibError, match="one point for each"):
        viz.mapped_grid(axes, lambda z: z[:3])


def test_principal_plane_agrees_with_scikit_learn():
    points = torch.randn(200, 6, generator=torch.Generator().manual_seed(0)) * torch.tensor([3.0, 2, 1, 1, 1, 1]) + 5
    mean, plane, share = viz.principal_plane(points)
    reference = PCA(2).fit(points.numpy().astype(float))
    assert share == pytest.approx(reference.explained_variance_ratio_)
    assert np.abs(np.diag(reference.components_ @ plane)) == pytest.approx([1, 1])
    assert all(plane[np.abs(plane[:, j]).argmax(), j] > 0 for j in (0, 1))


def test_latent_paths_are_coloured_by_factor():
    paths = torch.randn(6, 9, 5)
    figure = viz.latent_paths(paths, [0, 1, 0, 1, 1, 1], FACTORS, background=torch.randn(40, 5))
    legend = figure.axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == FACTORS
    lines = [c for c in figure.axes[0].collections if c.get_label() in FACTORS]
    assert [len(c.get_segments()) for c in lines] == [2, 4]
    assert "% of the variance" in figure.axes[0].get_xlabel()


def test_latent_paths_are_projected_to_the_plane_of_all_points():
    paths, background = torch.randn(2, 4, 5), torch.randn(40, 5)
    figure = viz.latent_paths(paths, [0, 1], FACTORS, background=background)
    mean, plane, _ = viz.principal_plane(torch.cat([paths.reshape(-1, 5), background]))
    lines = [c for c in figure.axes[0].collections if c.get_label() == "rotation"]
    flat = (paths[1].numpy() - mean) @ plane
    assert np.allclose(lines[0].get_segments()[0], flat, atol=1e-5)
    ring, dot = figure.axes[0].collections[-2:]  # of the last factor: where its path begins, and where it ends
    assert np.allclose(ring.get_offsets()[0], flat[0], atol=1e-5) and np.allclose(dot.get_offsets()[0], flat[-1], atol=1e-5)


def test_latent_paths_refuse_an_unknown_factor():
    with pytest.raises(FlowlibError, match=r"\[0, 2\].*0 … 1"):
        viz.latent_paths(torch.randn(2, 9, 5), [0, 2], FACTORS)


def test_a_plane_needs_three_points():
    with pytest.raises(FlowlibError, match="3 points"):
        viz.principal_plane(torch.randn(2, 4))
