"""A corner of a full factorial: the combinations in which every one of some factors has a value of its upper half (M19)."""

import numpy as np
from jaxtyping import Bool, Int

from flowlib.data.grid import Grid
from flowlib.errors import FlowlibError


def in_corner(grid: Grid, corner, numbers: Int[np.ndarray, "*B"]) -> Bool[np.ndarray, "*B"]:
    """Whether images, given by number, lie in it: values ⌈size / 2⌉ … size − 1 of all the factors `corner`; nowhere where it names none.

    Raises FlowlibError for a factor that the grid lacks, or that has one value alone.
    """
    digits = grid.digits(numbers)
    places = [grid.number(name) for name in corner]
    if alone := [grid.names[place] for place in places if grid.sizes[place] < 2]:
        raise FlowlibError(f"corner = {tuple(corner)}: {', '.join(alone)} has one value alone; name factors with two or more")
    upper = [2 * digits[..., place] >= grid.sizes[place] for place in places]
    return np.logical_and.reduce(upper) if upper else np.zeros(digits.shape[:-1], dtype=bool)
