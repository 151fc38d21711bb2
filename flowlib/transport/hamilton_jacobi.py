"""Hamilton–Jacobi from its initial value (M5): Hopf–Lax, characteristics, and when they cross.

Here u₀ is a function of z alone, (B, d) -> (B,), and ∂_t u + ½‖∇u‖² = 0 for t > 0.
Source: Evans, *Partial Differential Equations*, chapter 3.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.transport.checks import check_positive, check_shape
from flowlib.transport.continuity import gradient_of
from flowlib.transport.discrete import squared_distances
from flowlib.transport.types import Time


def hopf_lax(initial_potential: Callable, z: Float[Tensor, "B d"], t: Time, candidates: Float[Tensor, "N d"]) -> Float[Tensor, " B"]:
    """u(z, t) = min_y u₀(y) + ‖z − y‖²/(2t), t > 0, over a grid of candidates y (N, d).

    The viscosity solution, also after characteristics have crossed. The grid has to reach beyond every
    minimiser; a spacing h errs upwards, by O(h²(1/t + ‖∇²u₀‖)). Memory is B·N·d.
    """
    check_positive(t, "t")
    values = initial_potential(candidates)
    check_shape(values, candidates.shape[:1], "the initial potential's result")
    return (values + squared_distances(z, candidates) / (2 * t)).amin(1)


def characteristics(initial_potential: Callable, z: Float[Tensor, "B d"], t: Time) -> Float[Tensor, "B d"]:
    """z + t ∇u₀(z): where the particle from z is at time t, straight and at constant speed."""
    return z + t * gradient_of(lambda points, _: initial_potential(points))(z, 0)


def crossing_time(initial_hessian: Float[Tensor, "*batch d d"]) -> Float[Tensor, "*batch"]:
    """The first t > 0 at which I + t ∇²u₀(z) loses rank: −1/λ_min where λ_min < 0, else infinity."""
    least = torch.linalg.eigvalsh(initial_hessian)[..., 0]
    falls = least < 0
    return torch.where(falls, -1 / torch.where(falls, least, -1), torch.inf)  # no 1/0, whose slope is nan
