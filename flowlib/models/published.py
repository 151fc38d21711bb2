"""The objective as the published code forms it (KingJamesSong/latent-flow at 6952c93): variants to compare with, written anew (chapter 13)."""

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.config import CHOICES, Config
from flowlib.errors import FlowlibError
from flowlib.flows import coordinate_density_change
from flowlib.flows.prior import LOG_2PI
from flowlib.models.flow_vae import FlowVAE
from flowlib.models.hj_penalty import HJPenalty, forces, start_terms
from flowlib.models.registry import register


@register("flow-published")
class PublishedFlowVAE(FlowVAE):
    """The flow-factorized VAE with a divergence between softmaxes over the latent coordinates in place of the marginal form's KL.

    Everything else is `FlowVAE`, and so are its likelihoods: only training differs. The published prior has D = 1 and a learned scale at
    every step, which Euler steps move; here it is the heat equation's closed form, with D_k learned.

    mixed_residual : also take the Hamilton–Jacobi penalty as that code does (`mixed_penalty`); it needs hj_penalty paper, whose force it uses
    """

    uses = tuple(name for name in CHOICES if name not in ("objective", "log_det", "log_det_steps", "prior", "velocity"))

    def __init__(self, config: Config, mixed_residual: bool = False, **networks):
        super().__init__(config, **networks)
        if mixed_residual:
            if config.hj_penalty != "paper":
                raise FlowlibError(f"hj_penalty = {config.hj_penalty!r}: mixed_residual has a driving force; choose hj_penalty paper")
            self.penalty = MixedPenalty("paper", len(config.factors), config.latent_dim, config)

    def _divergences(self):
        return self._softmax_terms

    def _softmax_terms(self, posterior, z, factor, batch, generator):
        """KL[q(z_0|x_0) ‖ N(0, I)] + Σ_{t≥1} `softmax_divergence` of log q and log p of single coordinates."""
        trajectory = self.flow(z, factor, batch.steps, hessian=True)
        log_q = coordinate_log_prob((z - posterior.mean) / posterior.log_std.exp()) - posterior.log_std
        log_q = log_q[:, None] + coordinate_density_change(trajectory)
        times = torch.arange(batch.steps + 1, device=z.device, dtype=z.dtype)
        log_p = coordinate_log_prob(z)[:, None] - 0.5 * self.prior.variance(factor, times).log()[..., None]
        divergence = batch.within(softmax_divergence(log_q, log_p)[:, 1:], first=1).sum(1)
        return trajectory, {"kl": posterior.kl(), "softmax": divergence}


def softmax_divergence(log_q: Float[Tensor, "*batch d"], log_p: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch"]:
    """KL[softmax(p) ‖ softmax(q)] of densities p, q of the single coordinates, given by their logarithms.

    The prior comes first. It is no divergence between the densities: it ignores what is added to all coordinates of p, or of q, alike.
    """
    log_p, log_q = (one.exp().log_softmax(-1) for one in (log_p, log_q))
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def coordinate_log_prob(z):
    """log N(z_i; 0, 1) of every coordinate. The prior's particle keeps it, up to −½ log(1 + 2 D_k t), along z_0 √(1 + 2 D_k t)."""
    return -0.5 * (z.square() + LOG_2PI)


class MixedPenalty(HJPenalty):
    """The penalty with sums where means belong: each group of one factor is a batch of that code.

    Σ_t mean over the batch of (Σ_batch ∂_t u + mean_{batch, i} ½ (∂_i u)² + f²)², plus the means of (∂_i u)² and f² at (z_0, 0).
    """

    def forward(self, potentials, trajectory, factor, mean=None):
        """The penalty of a batch, a scalar: the mean over its factors. (All T steps count, also beyond the length of a sequence.)"""
        squares = trajectory.velocity.square()
        rate = trajectory.residual - 0.5 * squares.sum(-1)
        force = forces(self.force, trajectory, factor).square()
        start, still = start_terms(potentials, self.force, trajectory, factor)
        dim = squares.shape[-1]
        found = [
            (rate[rows].sum(0) + 0.5 * squares[rows].mean((0, 2)) + force[rows]).square().mean(0).sum()
            for rows in _groups(factor, len(squares))
        ]
        return sum(found) / len(found) + start / dim + still


def _groups(factor, count):
    """The rows of each factor in a batch, a list of index tensors or slices."""
    if isinstance(factor, int):
        return [slice(0, count)]
    return [(factor == label).nonzero()[:, 0] for label in factor.unique()]
