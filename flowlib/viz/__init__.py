"""Pictures of the book and of the command line: arrays in, a figure or a piece of HTML out."""

from flowlib.viz.clouds import cloud_frames, cloud_row
from flowlib.viz.bars import bars_with_references, method_bars
from flowlib.viz.comparison import paired_points, ranked_methods
from flowlib.viz.curves import curves_over_time, density_curves, loss_curves, matrix_chart
from flowlib.viz.film import density_film
from flowlib.viz.images import flow_grid, image_grid
from flowlib.viz.latent import latent_paths, latent_scatter, principal_plane
from flowlib.viz.maps import mapped_grid
from flowlib.viz.live import live_decoder, live_flow
from flowlib.viz.motion import choice_gallery, frame_grid_slider, frame_slider, save_gif
from flowlib.viz.orders import two_orders
from flowlib.viz.picture import Picture, png_bytes
from flowlib.viz.plane import arrows, coupling, density_contours, field_image, particles, plane_axes, trajectories
from flowlib.viz.plans import plan_image, price_cells
from flowlib.viz.playground import playground
from flowlib.viz.quiz import prediction
from flowlib.viz.simplex import triangle
from flowlib.viz.style import COLORS, FACTOR_COLORS, PAGE_WIDTH, color_of, factor_colors, new_figure, role_map, use_style

__all__ = [
    "COLORS", "FACTOR_COLORS", "PAGE_WIDTH", "Picture", "arrows", "bars_with_references", "choice_gallery", "cloud_frames", "cloud_row",
    "color_of", "coupling", "curves_over_time", "density_contours", "density_curves", "density_film", "factor_colors", "field_image", "flow_grid", "frame_grid_slider",
    "frame_slider", "image_grid", "latent_paths", "latent_scatter", "live_decoder", "live_flow", "loss_curves", "mapped_grid", "matrix_chart", "method_bars", "new_figure", "paired_points", "particles",
    "plan_image", "plane_axes", "playground", "png_bytes", "prediction", "price_cells", "principal_plane", "ranked_methods", "role_map", "save_gif", "trajectories", "triangle", "two_orders", "use_style",
]
