"""Linear motion: each factor moves a code by the exponential of one matrix, learned together with the code."""

import dataclasses
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from flowlib.config import Config
from flowlib.flows import Derivatives, Trajectory, run_flow, stops
from flowlib.models.contract import check_choices
from flowlib.models.flow_vae import FlowVAE
from flowlib.models.registry import register


@register("linear-motion")
class LinearMotion(FlowVAE):
    """z_t = exp(t A_k) z_0: the flow-factorized VAE with the linear drift (exp(A_k) − I) z in the place of ∇u^k.

    Encoder, decoder, diffusion prior and objective are the flow's. By default that is the path form M14: frames are decoded from the
    noisy chain z_t = exp(A_k) z_{t−1} + √(2 D_k) ε_t, whose action is Σ_t ‖(exp(A_k) − I) z_{t−1}‖² / (4 D_k). In the marginal form M13,
    log|det exp(t A_k)| = t tr A_k is exact and costs nothing. With prior "none" only z_0 has a divergence, as in PoFlow.
    A drift that is no gradient has no potential, so there is no Hamilton–Jacobi penalty. A_k does not depend on time: `first` does not
    matter to `transport`, steps may be negative or parts, and what lies between whole steps is exp(t A_k) z too (M10 draws a line there).

    skew : A_k = W_k − W_kᵀ: codes turn, their length and every volume stay;  otherwise A_k = W_k is any matrix. W_k begins at zero
    """

    uses = ("decoded", "diffusion", "learn_diffusion", "prior", "objective", "agreement")
    follows_gradients = False
    reads_programs = False
    # not `capturable`: torch's matrix exponential looks at the norms of its matrices

    def __init__(self, config: Config, skew=False, **networks):
        check_choices(LinearMotion, dataclasses.replace(config, model="linear-motion"))
        super().__init__(dataclasses.replace(config, hj_penalty="none"), **networks)
        self.potentials, self.skew = None, skew
        self.weight = nn.Parameter(torch.zeros(len(config.factors), config.latent_dim, config.latent_dim))

    @property
    def matrices(self) -> Float[Tensor, "K d d"]:
        """A_k of every factor."""
        return self.weight - self.weight.mT if self.skew else self.weight

    def idle_parameters(self):
        """Without a prior flow its diffusion has no use."""
        return ["prior.log_diffusion"] if self.config.prior == "none" else []

    def transport(self, z: Float[Tensor, "B d"], factor, steps, first=1) -> Float[Tensor, "B frames d"]:
        """exp(t A_k) z at the times of `flowlib.flows.stops`, also backward and by parts of a step."""
        times = torch.tensor(stops(steps, first), dtype=z.dtype, device=z.device)
        powers = torch.linalg.matrix_exp((times - times[0])[:, None, None] * self.matrices[:, None])
        return torch.einsum("btij,bj->bti", powers[factor].expand(len(z), -1, -1, -1), z)

    def flow(self, z: Float[Tensor, "B d"], factor, steps: int, first=1, **options) -> Trajectory:
        """Whole steps forward, with noise where asked for (`run_flow`); a `LinearTrajectory`."""
        matrices = self.matrices
        moved = run_flow(_LinearSteps(torch.linalg.matrix_exp(matrices)), z, factor, steps, first, **options)
        traces = matrices.diagonal(dim1=-2, dim2=-1).sum(-1)
        parts = {field.name: getattr(moved, field.name) for field in dataclasses.fields(Trajectory)}
        return LinearTrajectory(**parts, trace=traces[factor].expand(len(z)))


@dataclass(frozen=True, kw_only=True)
class LinearTrajectory(Trajectory):
    """A trajectory of exp(t A): trace is tr A (B,). Its residual is NaN, for there is no potential."""

    trace: Float[Tensor, " B"]

    def log_density_change(self) -> Float[Tensor, "B frames"]:
        """log q_t(z_t) − log q_0(z_0) = −t tr A, exact (M11)."""
        times = torch.arange(self.path.shape[1], dtype=self.path.dtype, device=self.path.device)
        return -self.trace[:, None] * times


class _LinearSteps:
    """The field (E_k − I) z with the interface of a `PotentialBank`, E (K, d, d) computed once for all steps."""

    def __init__(self, powers):
        self.factors = len(powers)
        self.added = powers - torch.eye(powers.shape[-1], dtype=powers.dtype, device=powers.device)

    def __call__(self, z, t, factor=None, hessian=False) -> Derivatives:
        added = self.added if factor is None else self.added[factor]
        velocity = z @ added.mT
        nothing = torch.full_like(velocity[..., 0], torch.nan)
        jacobian = added[:, None].expand(-1, z.shape[1], -1, -1) if hessian else None
        return Derivatives(nothing, velocity, nothing, jacobian)
