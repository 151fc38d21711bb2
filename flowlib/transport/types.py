"""What the functions of this floor take: points z (B, d), paths (B, S, d), times t (number or 0-d tensor), fields v and u."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Number = int | float
Time = int | float | Tensor
Velocity = Callable  # v(z, t) -> (B, d)
Potential = Callable  # u(z, t) -> (B,), each value from its own row of z alone


def as_time(t: Time, z: Tensor) -> Float[Tensor, ""]:
    """t as a 0-d tensor of z's dtype and device."""
    return torch.as_tensor(t, dtype=z.dtype, device=z.device)
