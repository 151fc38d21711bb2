"""A sequence recognised from its first frames and continued: what was seen, what the model draws, what really came (chapter 9)."""

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.data import Batch
from flowlib.errors import FlowlibError
from flowlib.evaluation import decode_mean, moved_path
from flowlib.evaluation.equivariance import trained_part

BLANK = 0.85  # the grey of a frame that is not shown


def first_part(batch: Batch, seen: int) -> Batch:
    """The batch as it is known after `seen` steps: x_0 … x_seen of complete sequences, 1 ≤ seen ≤ T."""
    if not 1 <= seen <= batch.steps:
        raise FlowlibError(f"seen = {seen}: show 1 … {batch.steps} of the {batch.steps} steps")
    return trained_part(batch, seen)


@torch.no_grad()
def continued_rows(model, batch: Batch, seen: int) -> Float[Tensor, "rows F C H W"]:
    """Three rows for each complete sequence: the frames seen, those that the model continues with, and the true ones.

    k is recognised from x_0 … x_seen; then z_t flows from μ(x_0) and is decoded (M15, M16). Other places are grey.
    """
    drawn = decode_mean(model, moved_path(model, first_part(batch, seen), batch.steps))
    hidden = (batch.times > seen)[..., None, None, None]
    shown = [batch.frames.where(~hidden, BLANK), drawn.where(hidden, BLANK), batch.frames]
    return torch.stack(shown, 1).flatten(0, 1)
