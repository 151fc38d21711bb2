"""K unconstrained velocity fields v^k(z, t), each a tanh network: what a potential's gradient is compared with (an ablation)."""

import torch
from torch import nn

from flowlib.flows.potential import Derivatives, TanhBank, uniform


class VelocityBank(TanhBank):
    """v = V a_L + b on the layers of a `TanhBank`: d outputs, no gradient of anything.

    It takes a `PotentialBank`'s place in `run_flow`. There is no potential: `value` and `time` are NaN, `gradient` is v, and
    `hessian` is the Jacobian ∂v/∂z, which is not symmetric (M11 holds for it all the same).
    """

    def __init__(self, factors, dim, width, depth=2, horizon=8, time_free=False):
        super().__init__(factors, dim, width, depth, horizon, time_free=time_free)
        torch.randn(factors, width)  # drawn and not used: a seed keeps the weights with which results were measured
        self.out = nn.Parameter(uniform(factors, dim, width).data * 0.1)
        self.bias = nn.Parameter(torch.zeros(factors, dim))

    def _derivatives(self, z, setting, hessian=False):
        layers, out, bias = setting.layers(z), setting.pick(self.out), setting.pick(self.bias)
        velocity = layers[-1] @ out.mT + bias[:, None]
        nothing = torch.full_like(velocity[..., 0], torch.nan)
        jacobian = _jacobian(setting.weights, layers, out) if hessian else None
        return Derivatives(nothing, velocity, nothing, jacobian)


def _jacobian(weights, layers, out):
    """V diag(a'_L) W_L … diag(a'_1) W_1, (G, N, d, d)."""
    jacobian = weights[0][:, None]
    for weight, layer in zip([*weights[1:], out], layers):
        jacobian = weight[:, None] @ ((1 - layer * layer)[..., None] * jacobian)
    return jacobian
