"""Pictures of transport, of latent codes and of models: arrays in, a figure or a piece of HTML out.

The pictures that only the book draws live in `flowlib.book`; the names in `BOOK` find them from here too.
"""

from importlib import import_module

from flowlib.viz.bars import bars_with_references, method_bars
from flowlib.viz.comparison import paired_points
from flowlib.viz.curves import curves_over_time, density_curves, loss_curves, matrix_chart
from flowlib.viz.images import flow_grid, image_grid
from flowlib.viz.latent import latent_paths, principal_plane
from flowlib.viz.live import live_flow
from flowlib.viz.motion import choice_gallery, frame_grid_slider, frame_slider, save_gif
from flowlib.viz.palette import COLORS, FACTOR_COLORS, color_of, factor_colors, role_map
from flowlib.viz.picture import NotebookFigure, png_bytes
from flowlib.viz.plane import arrows, coupling, density_contours, field_image, mapped_grid, particles, plane_axes, trajectories
from flowlib.viz.style import PAGE_WIDTH, new_figure, use_style

BOOK = {
    "cloud_frames": "clouds.cloud_frames",
    "cloud_row": "clouds.cloud_row",
    "commutator_plot": "commutator.commutator_plot",
    "plan_image": "plans.plan_image",
    "playground": "playground.playground",
    "prediction": "quiz.prediction",
    "price_cells": "plans.price_cells",
    "sketch": "sketch.sketch",
    "space_time_density": "space_time.space_time_density",
    "triangle": "simplex.triangle",
}


def __getattr__(name):
    if name not in BOOK:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, function = BOOK[name].partition(".")
    return getattr(import_module(f"flowlib.book.{module}"), function)
