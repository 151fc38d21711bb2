"""What a movement costs and whether it is optimal: action (M4), Hamilton–Jacobi (M5), straightness."""

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.transport.checks import check_points, check_shape, check_times


def kinetic_action(z: Float[Tensor, "B S d"], times: Float[Tensor, " S"]) -> Float[Tensor, ""]:
    """The Benamou–Brenier action (M4) of particles that move on polygons at constant speed between the times:

        ∫ E‖v‖² dt = Σ_s E‖z_{s+1} − z_s‖² / (t_{s+1} − t_s),        E the mean over the B particles.

    Over a time of length L it is at least W₂²/L between the two ends. times (S,) increase strictly, S ≥ 2. Raises
    FlowlibError for a path without one frame for each time.
    """
    check_points(z, "z", "B S d")
    check_times(times)
    check_shape(times, z.shape[1:2], "times")
    return (z.diff(dim=1).square().sum(-1).mean(0) / times.diff()).sum()


def hamilton_jacobi_residual(time_derivative: Float[Tensor, "*batch"], gradient: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
    """r = ∂_t u + ½‖∇u‖², 0 where an optimal potential flow has mass (M5).

    ‖·‖² sums over the d dimensions of one sample, and ∂_t u belongs to the same sample (M12).
    """
    check_shape(time_derivative, gradient.shape[:-1], "time_derivative")
    return time_derivative + 0.5 * gradient.square().sum(-1)


def straightness(z: Float[Tensor, "B S d"]) -> Float[Tensor, " B"]:
    """‖z_S − z_0‖ over the polygon's length, in [0, 1]: 1 for a straight line, and for a particle at rest."""
    check_points(z, "z", "B S d")
    length = z.diff(dim=1).norm(dim=-1).sum(1)
    chord = (z[:, -1] - z[:, 0]).norm(dim=-1)
    return torch.where(length > 0, chord / length.clamp_min(torch.finfo(z.dtype).tiny), 1.0).clamp_max(1)
