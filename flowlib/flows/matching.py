"""Flow matching: a velocity network learns from pairs of points, and the pairing decides what it learns."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor


def matching_loss(field, x: Float[Tensor, "G N d"], y: Float[Tensor, "G N d"], generator: Generator) -> Float[Tensor, " G"]:
    """E‖v(z_t, t) − (y − x)‖² on the straight segments z_t = (1 − t)x + t y, t uniform over [0, 1], for each of G groups.

    field : a `VelocityBank` or `PotentialBank` of G groups, called with one time for the n-th points of all groups
    The minimiser v(z, t) = E[y − x | z_t = z] moves the law of x to that of y, whatever the pairing (Lipman et al. 2023, Liu et al. 2023).
    Where no two segments cross it follows the pairs; with the OT pairing it is the optimal velocity (M4; Tong et al. 2024).
    """
    t = torch.rand(x.shape[1], generator=generator, dtype=x.dtype, device=generator.device).to(x.device)
    here = torch.lerp(x, y, t[:, None])
    return (field(here, t).gradient - (y - x)).square().sum(-1).mean(-1)


@torch.no_grad()
def matched_path(field, z: Float[Tensor, "G N d"], frames: int, substeps: int = 4) -> Float[Tensor, "G N frames1 d"]:
    """z at `frames` + 1 equally spaced times of [0, 1], moved by the field in Euler steps, `substeps` between two frames."""
    path = [z]
    for step in range(frames * substeps):
        z = z + field(z, step / (frames * substeps)).gradient / (frames * substeps)
        if (step + 1) % substeps == 0:
            path.append(z)
    return torch.stack(path, 2)
