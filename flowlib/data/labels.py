"""Do a data set's labels name the combinations of factor values in the order in which we number them?"""

import numpy as np

from flowlib.data.grid import Grid
from flowlib.errors import FlowlibError


def check_labels(labels, grid: Grid, path):
    """Raise FlowlibError unless row i holds the values of image i: in every column as many values as the factor has, in rising order.

    labels : (N, K) numbers, whatever their unit;  path : named in the message
    """
    labels = np.asarray(labels)
    if labels.shape != (len(grid), len(grid.names)) or labels.dtype.kind not in "fiu":
        raise FlowlibError(f"{path}: labels {labels.shape} of {labels.dtype}; there should be {len(grid)} rows of {len(grid.names)} numbers")
    if not np.isfinite(labels).all():
        raise FlowlibError(f"{path}: labels hold NaN; get the file again")
    for place, (name, size) in enumerate(zip(grid.names, grid.sizes)):
        values, found = np.unique(labels[:, place], return_inverse=True)
        if len(values) != size:
            raise FlowlibError(f"{path}: column {place} should be {name}, with {size} values, and has {len(values)}")
        wanted = np.arange(len(grid)) // int(np.prod(grid.sizes[place + 1 :], dtype=int)) % size
        if len(wrong := np.flatnonzero(found != wanted)):
            raise FlowlibError(
                f"{path}: row {wrong[0]} has another {name} than image {wrong[0]} of the published order; the file was reordered"
            )
