"""K velocity fields v^k = ∇u^k(z, t) + A_k z: a potential's gradient and a matrix, whose antisymmetric part turns as no gradient can."""

import torch
from torch import nn

from flowlib.errors import FlowlibError
from flowlib.flows.potential import Derivatives, PotentialBank

PARTS = {
    "all": lambda matrix: matrix,
    "symmetric": lambda matrix: (matrix + matrix.mT) / 2,
    "antisymmetric": lambda matrix: (matrix - matrix.mT) / 2,
}


class TurningBank(PotentialBank):
    """v = ∇u + A z on the potentials u of a `PotentialBank`, A any matrix, learned, zero at first.

    With S and R the symmetric and antisymmetric parts of A, v = ∇(u + ½ zᵀ S z) + R z: a Helmholtz decomposition, whose part without
    divergence is a rotation. A gradient does no net work around a closed curve, so it cannot carry a circle of codes around itself; R can.
    With u = 0 a step is the linear motion z ← (I + A) z.

    part : of A, "all"; or as a control "symmetric", v = ∇(u + ½ zᵀ S z), a gradient still, or "antisymmetric", v = ∇u + R z

    It takes a `PotentialBank`'s place: `gradient` is v and `hessian` its Jacobian ∇²u + A, not symmetric. `value` is u + ½ zᵀ S z, whose
    gradient v is not but for R = 0, and `time` is NaN.
    """

    is_gradient = False

    def __init__(self, factors, dim, width, depth=2, horizon=8, time_free=False, part="all"):
        super().__init__(factors, dim, width, depth, horizon, time_free=time_free)
        if part not in PARTS:
            raise FlowlibError(f"part = {part!r} of the matrix: choose one of {', '.join(PARTS)}")
        self.part = part
        self.matrix = nn.Parameter(torch.zeros(factors, dim, dim))

    def _derivatives(self, z, setting, hessian=False):
        potential, matrix = super()._derivatives(z, setting, hessian), PARTS[self.part](setting.pick(self.matrix))
        moved = z @ matrix.mT
        return Derivatives(
            potential.value + 0.5 * (z * moved).sum(-1),
            potential.gradient + moved,
            torch.full_like(potential.time, torch.nan),
            potential.hessian + matrix[:, None] if hessian else None,
        )
