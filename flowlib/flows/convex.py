"""K input-convex potentials: each step z ↦ z + ∇u(z, t) is an optimal map between its own two densities, whatever the weights (M6).

u = φ − ½‖z‖² with φ convex in z, so that z + ∇u = ∇φ and I + ∇²u = ∇²φ ⪰ floor·I. With σ = softplus, which is convex and rises,
and weights U_l, w ≥ 0, a network is convex in its input (Amos, Xu and Kolter 2017):

    h_1 = V_1 z + c_1(t),   h_l = U_l a_{l−1} + V_l z + b_l,   a_l = σ(h_l)
    φ = w·a_L + ½‖L z‖² + ½ floor ‖z‖² + c(t)·z + b
    g_L = w ⊙ σ'(h_L),   g_l = (U_{l+1}ᵀ g_{l+1}) ⊙ σ'(h_l)          (g_l = ∂φ/∂h_l ≥ 0)
    ∇φ = Σ_l V_lᵀ g_l + (LᵀL + floor) z + c(t)
    ∇²φ = Σ_l P_lᵀ diag(s_l) P_l + LᵀL + floor I,   P_l = ∂h_l/∂z,   s_l = g_l ⊙ (1 − σ'(h_l)) ≥ 0

The last line shows why: since σ'' = σ'(1 − σ'), every term is positive semidefinite. `torch.func` is the oracle in the tests.
"""

import math

import torch
from torch import nn
from torch.nn.functional import softplus

from flowlib.errors import FlowlibError
from flowlib.flows.potential import Derivatives, time_features, uniform


class ConvexBank(nn.Module):
    """K independent potentials in the place of a `PotentialBank`, in `run_flow` and as `FlowVAE.potentials` (log_det "exact").

    factors K, latent dimension d, hidden `width`, `depth` ≥ 1 hidden layers, `horizon` T as in `TanhBank`
    floor : ≥ 0, a lower bound of every eigenvalue of I + ∇²u. Above 0 no step folds, and M11 holds everywhere
    """

    def __init__(self, factors, dim, width, depth=2, horizon=8, floor=0.0, time_frequencies=4):
        super().__init__()
        if not 0 <= floor < 1:
            raise FlowlibError(f"floor = {floor}: a bound between 0 and 1 lets the step that rests, I + H = I, be among those allowed")
        if depth < 1:
            raise FlowlibError(f"depth = {depth}: a potential has at least one hidden layer")
        self.factors, self.dim, self.floor = factors, dim, floor
        self.register_buffer("frequencies", 2 * math.pi / (4 * horizon) * 2.0 ** torch.arange(time_frequencies))
        self.inputs = nn.ParameterList(uniform(factors, width, dim) for _ in range(depth))  # V_l
        self.raw = nn.ParameterList(_raw(factors, width, width) for _ in range(depth - 1))  # U_l = softplus(raw) ≥ 0
        self.raw_head = nn.Parameter(_raw(factors, width).data - 2)
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(factors, width)) for _ in range(depth))
        self.time_weight = nn.Parameter(uniform(factors, width, 2 * time_frequencies).data)
        self.linear = nn.Parameter(torch.zeros(factors, dim, 2 * time_frequencies))  # c(t) of the linear term
        self.quadratic = nn.Parameter(math.sqrt(1 - floor) * torch.eye(dim).repeat(factors, 1, 1))  # L
        self.offset = nn.Parameter(torch.zeros(factors))

    def forward(self, z, t, factor=None, hessian=False) -> Derivatives:
        """u, ∇u, ∂_t u and, if asked, ∇²u at (z, t); shapes as in `PotentialBank.forward`."""
        pick = (lambda p: p) if factor is None else (lambda p: p[factor])
        inputs, upper = [pick(v) for v in self.inputs], [softplus(pick(u)) for u in self.raw]
        head, stretch = softplus(pick(self.raw_head))[:, None], pick(self.quadratic)
        t = torch.atleast_1d(torch.as_tensor(t, dtype=z.dtype, device=z.device))
        features, rates = time_features(t, self.frequencies)  # (1 or N, 2F), or (G, N, 2F)
        drive, line = pick(self.time_weight).mT, pick(self.linear).mT

        hidden = [z @ inputs[0].mT + pick(self.biases[0])[:, None] + features @ drive]
        for u, v, bias in zip(upper, inputs[1:], self.biases[1:]):
            hidden.append(softplus(hidden[-1]) @ u.mT + z @ v.mT + pick(bias)[:, None])
        slopes = [h.sigmoid() for h in hidden]
        g = [head * slopes[-1]]
        for u, slope in zip(upper[::-1], slopes[-2::-1]):
            g.insert(0, (g[0] @ u) * slope)

        stretched, shift = z @ stretch.mT, features @ line
        value = (head * softplus(hidden[-1])).sum(-1) + 0.5 * stretched.square().sum(-1) + (shift * z).sum(-1)
        value = value + 0.5 * (self.floor - 1) * z.square().sum(-1) + pick(self.offset)[:, None]
        gradient = sum(gl @ v for gl, v in zip(g, inputs)) + stretched @ stretch + (self.floor - 1) * z + shift
        time = (g[0] * (rates @ drive)).sum(-1) + ((rates @ line) * z).sum(-1)
        curvature = self._curvature(inputs, upper, slopes, g, stretch) if hessian else None
        return Derivatives(value, gradient, time, curvature)

    def _curvature(self, inputs, upper, slopes, g, stretch):
        """∇²u = Σ_l P_lᵀ diag(s_l) P_l + LᵀL + (floor − 1) I, (G, N, d, d)."""
        rest = stretch.mT @ stretch + (self.floor - 1) * torch.eye(self.dim).to(stretch)
        jacobian, total = inputs[0][:, None], rest[:, None]
        for level, (slope, gl) in enumerate(zip(slopes, g)):
            if level:
                jacobian = inputs[level][:, None] + upper[level - 1][:, None] @ (slopes[level - 1][..., None] * jacobian)
            total = total + jacobian.mT @ ((gl * (1 - slope))[..., None] * jacobian)
        return total


def _raw(*shape):
    """What softplus takes to about 1/width, the width of the last dimension: a layer then starts as a mean."""
    return nn.Parameter(math.log(math.expm1(1 / shape[-1])) + 0.1 * torch.randn(shape))
