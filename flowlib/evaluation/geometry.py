"""What the learned flows look like: curvature, Hamilton–Jacobi residual, straightness (M5, M6)."""

from dataclasses import dataclass

import torch

from flowlib.data import Source
from flowlib.errors import FlowlibError
from flowlib.flows import determinant, smallest_eigenvalue
from flowlib.models.protocol import has_potentials
from flowlib.transport import straightness


@dataclass(frozen=True)
class FlowGeometry:
    """Per sample and step (n, T): λ_min(I + H_t), det(I + H_t), residual r, Laplacian tr H_t, and the step's length; straightness in [0, 1] (n,)."""

    smallest_eigenvalue: torch.Tensor
    determinant: torch.Tensor
    residual: torch.Tensor
    laplacian: torch.Tensor
    straightness: torch.Tensor
    speed: torch.Tensor

    def summary(self):
        """A few plain numbers for metrics.json."""
        return {
            "smallest_eigenvalue": self.smallest_eigenvalue.min().item(),
            "residual_rms": self.residual.square().mean().sqrt().item(),
            "half_speed_squared": 0.5 * self.speed.square().mean().item(),
            "straightness": self.straightness.mean().item(),
        }


@torch.no_grad()
def flow_geometry(model, sequences: Source, factor, count=200) -> FlowGeometry:
    """Geometry of the noise-free flow from the posterior means of the first `count` images under one factor.

    Raises FlowlibError for a model without potentials.
    """
    if not has_potentials(model):
        raise FlowlibError(f"a {type(model).__name__} without potentials has no such geometry: give a model whose flow follows gradients")
    indices = list(range(min(count, len(sequences))))
    batch = sequences.full_batch(indices, factor, steps=0)
    z = model.encode(batch.frames[:, 0]).mean
    trajectory = model.flow(z, batch.factor, sequences.length(factor), hessian=True)
    return FlowGeometry(
        smallest_eigenvalue(trajectory.hessian),
        determinant(trajectory.hessian),
        trajectory.residual,
        trajectory.hessian.diagonal(dim1=-2, dim2=-1).sum(-1),
        straightness(trajectory.path),
        trajectory.velocity.norm(dim=-1),
    )
