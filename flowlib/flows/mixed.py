"""The posterior flow when k is a mixture: z_t = z_{t−1} + Σ_k y_k ∇u^k(z_{t−1}, t) (M15)."""

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.flows.posterior import Trajectory
from flowlib.transport import hamilton_jacobi_residual


def run_mixed_flow(
    bank, z: Float[Tensor, "B d"], mixture: Float[Tensor, "B K"], steps, first=1, noise_scale=None, generator=None
) -> Trajectory:
    """`run_flow` along the potential Σ_k y_k u^k, all K evaluated at every point: gradients reach y, also where y_k = 0.

    mixture : weights y of each sample; for one-hot rows the same as `run_flow` with the labels
    noise_scale : None, or the standard deviation √(2 Σ_k y_k D_k) of the kernel's noise, (B,)
    """
    path, velocities, times, noises = [z], [], [], []
    for t in range(first, first + steps):
        record = bank(path[-1].expand(bank.factors, -1, -1), t)
        velocities.append(torch.einsum("kbd,bk->bd", record.gradient, mixture))
        times.append(torch.einsum("kb,bk->b", record.time, mixture))
        here = path[-1] + velocities[-1]
        if noise_scale is not None:
            noises.append(torch.randn(z.shape, generator=generator, dtype=z.dtype, device=z.device))
            here = here + noise_scale[:, None] * noises[-1]
        path.append(here)
    velocity = torch.stack(velocities, 1)
    return Trajectory(
        path=torch.stack(path, 1),
        velocity=velocity,
        residual=hamilton_jacobi_residual(torch.stack(times, 1), velocity),
        noise=torch.stack(noises, 1) if noises else None,
    )
