"""The swap: a code moved by the motion of another sequence of the same factor. Does a factor mean the same for all images?"""

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.data import Source
from flowlib.errors import FlowlibError
from flowlib.evaluation.equivariance import decode_mean, own_motion, pixel_errors


@torch.no_grad()
def swap_error(model, sequences: Source, factor, count=None) -> Float[Tensor, " n"]:
    """M16's error of each image, moved by what the model found for the *next* image's sequence of the same factor, in pixels.

    The next of the images that are measured at a time (`data.over_chunks`); the last of them takes the first's. Where the motion is a label, given or the same
    for both, nothing is swapped and this is the equivariance error: a flow or a regression with k given passes by construction.
    count : the first images (None: all), two or more, else FlowlibError
    """
    if min(len(sequences) if count is None else count, len(sequences)) < 2:
        raise FlowlibError("a swap takes two sequences or more: give count ≥ 2")
    return _moved_error(model, sequences, factor, count, lambda batch: own_motion(model, batch).roll(-1, 0))


@torch.no_grad()
def labelled_error(model, sequences: Source, factor, count=None) -> Float[Tensor, " n"]:
    """M16's error of each image moved by its factor's label, whatever the model would find in the frames, in pixels.

    For a model to which k is given that is the equivariance error; for MSP it is that of one matrix per factor, of all training sequences.
    """
    return _moved_error(model, sequences, factor, count, lambda batch: batch.factor)


def _moved_error(model, sequences, factor, count, motion):
    def shown(batch):
        path = model.transport(model.encode(batch.frames[:, 0]).mean, motion(batch), batch.steps)
        return decode_mean(model, path[:, 1:])

    return pixel_errors(sequences, factor, shown, count=count).sum(1)
