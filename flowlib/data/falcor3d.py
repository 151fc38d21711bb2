"""Falcor3D (Nie et al., 2020, NVIDIA, CC BY 4.0): 233 280 images of a living room under light and camera."""

from flowlib.data.grid import Grid
from flowlib.data.numbered import NumberedImages

GRID = Grid(
    ("lighting_intensity", "lighting_x", "lighting_y", "lighting_z", "camera_x", "camera_y", "camera_z"), (5, 6, 6, 6, 6, 6, 6),
)  # fmt: skip
SOURCE = (
    "Falcor3D is fetched by hand: Falcor3D_128x128 (3.7 GB) is linked from github.com/NVlabs/High-res-disentanglement-datasets; "
    "unpack it and name the folder Falcor3D_down128"
)


class Falcor3D(NumberedImages):
    """path : the folder Falcor3D_down128, or Falcor3D for 1024²;  size : the side that images are brought to (None: their own)."""

    def __init__(self, path, size: int | None = None, grid: Grid = GRID):
        super().__init__(path, grid, SOURCE, size)
