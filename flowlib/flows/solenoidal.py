"""K velocity fields without divergence, w^k = A_k ∇h^k with A_k constant and antisymmetric: what no gradient can do, they do."""

import math

import torch
from torch import nn

from flowlib.flows.potential import Derivatives, PotentialBank


class SolenoidalBank(PotentialBank):
    """w = A ∇h on the potentials h of a `PotentialBank`, A = W − Wᵀ learned.

    ∇·w = tr(A ∇²h) = 0 for all weights, since A is antisymmetric and ∇²h symmetric. And w·∇h = 0: h is conserved along the flow, as
    energy is in mechanics, where A is the symplectic matrix. In the plane every field without divergence is of this form; in more
    dimensions these are some of them, linear rotations Bz among them (A = B, h = ½‖z‖²).

    It takes a `PotentialBank`'s place: `gradient` is w and `hessian` its Jacobian A ∇²h, not symmetric. There is no potential of w:
    `value` is h, the conserved stream function, and `time` is NaN.
    """

    is_gradient = False

    def __init__(self, factors, dim, width, depth=2, horizon=8):
        super().__init__(factors, dim, width, depth, horizon)
        self.weight = nn.Parameter(torch.randn(factors, dim, dim) / math.sqrt(2 * dim))

    def _derivatives(self, z, setting, hessian=False):
        stream, turn = super()._derivatives(z, setting, hessian), _antisymmetric(setting.pick(self.weight))
        jacobian = turn[:, None] @ stream.hessian if hessian else None
        return Derivatives(stream.value, stream.gradient @ turn.mT, torch.full_like(stream.time, torch.nan), jacobian)


def _antisymmetric(weight):
    return weight - weight.mT
