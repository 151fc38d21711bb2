"""Isaac3D (Nie et al., 2020, NVIDIA, CC BY 4.0): 737 280 images of a robot arm in a kitchen.

Its page gives the names in two orders. The sizes fit the one below alone, which its program uses; `check` asks the labels.
"""

from flowlib.data.grid import Grid
from flowlib.data.numbered import NumberedImages

GRID = Grid(
    (
        "object_shape", "robot_x", "robot_y", "camera_height", "object_scale", "lighting_intensity", "lighting_y", "object_color",
        "wall_color",
    ),
    (3, 8, 5, 4, 4, 4, 6, 4, 4),
)  # fmt: skip
SOURCE = (
    "Isaac3D is fetched by hand: Isaac3D_128x128 (13 GB) is linked from github.com/NVlabs/High-res-disentanglement-datasets; "
    "unpack it and name the folder Isaac3D_down128"
)


class Isaac3D(NumberedImages):
    """path : the folder Isaac3D_down128, or Isaac3D for 512²;  size : the side that images are brought to (None: their own)."""

    def __init__(self, path, size: int | None = None, grid: Grid = GRID):
        super().__init__(path, grid, SOURCE, size)
