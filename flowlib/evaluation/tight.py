"""Likelihoods with a proposal for each sequence by itself, the same for every model (M17)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.errors import FlowlibError
from flowlib.evaluation.gaussian_chain import GaussianChain, from_precision
from flowlib.evaluation.likelihood import LogLikelihood, from_log_weights
from flowlib.flows import normal_log_prob
from flowlib.models.joint import Joint

CLIMB, NEWTON, REFINE = 60, 6, 150  # steps: of Adam and of Gauss and Newton to a mode, and of Adam up the proposal's ELBO
DRAWS = 4  # of a thorough search: starts that are drawn from the prior


@dataclass(frozen=True)
class Proposal:
    """q(z̄) = N of each sequence, and the joint density that it stands for, in coordinates in which q is the standard normal."""

    joint: Joint
    chain: GaussianChain

    def noise(self, copies: int, generator=None) -> Float[Tensor, "N n e"]:
        """`copies` draws of ε for every sequence."""
        mean = self.chain.mean
        return torch.randn(copies * len(mean), *mean.shape[1:], generator=generator, dtype=mean.dtype, device=mean.device)

    def log_target(self, noise: Float[Tensor, "N n e"]) -> Float[Tensor, " N"]:
        """log p(z̄(ε), x̄) + log|∂z̄/∂ε|: its integral over ε is p(x̄)."""
        return self.joint.log_prob(self.chain.place(noise)) + self.chain.log_det.repeat(len(noise) // len(self.chain.mean))

    def log_weight(self, noise: Float[Tensor, "N n e"]) -> Float[Tensor, " N"]:
        """log p(z̄, x̄) − log q(z̄): its mean over draws is the ELBO, the mean of its exponential p(x̄)."""
        return self.log_target(noise) - normal_log_prob(noise).sum(1)


def fit_proposal(joint: Joint, generator=None, climb=CLIMB, newton=NEWTON, refine=REFINE, search=0) -> Proposal:
    """A Gaussian chain for every sequence of a joint density.

    `climb` steps of Adam go up log p(z̄, x̄), from the encodings and from the prior's mean, and `newton` steps of Gauss and Newton on from
    the better end of the two. There the proposal is the Gaussian chain of the prior's precision (of the Gaussian that resembles the
    prior) and of the curvature of what is seen; then `refine` steps of Adam raise its ELBO, in its means and scales.
    search : steps of a thorough search (`_searched`) in place of that climb; with 480 it is seldom stuck in a lower mode
    Raises FlowlibError where the joint density is not finite.
    """
    starts = torch.cat([joint.guess, torch.zeros_like(joint.guess)])
    chain = _gaussian(joint, _searched(joint, starts, search, generator) if search else _best(joint, _climbed(joint, starts, climb)))
    for _ in range(newton):
        chain = _gaussian(joint, _stepped(joint, chain))
    return Proposal(joint, _refined(joint, chain, refine, generator))


@torch.no_grad()
def _gaussian(joint, mean):
    """The chain around a mean whose precision is that of the prior and of what is seen there."""
    return from_precision(mean, joint.curvature(mean), joint.alone(), joint.coupling(mean))


def _smooth(joint, latents, weight=1.0):
    """log p(z̄) + `weight` · log p(x̄|z̄), the prior smoothed."""
    return joint.smooth_log_prior(latents) + weight * joint.log_seen(latents)


def _slope(joint, latents, weight=1.0):
    """The gradient of `_smooth`. Raises FlowlibError where it is not finite."""
    with torch.enable_grad():
        latents = latents.detach().requires_grad_()
        (slope,) = torch.autograd.grad(_smooth(joint, latents, weight).sum(), latents)
    if not bool(slope.isfinite().all()):
        raise FlowlibError("log p(z, x) or its gradient is not finite: do the model's weights or the frames hold NaN?")
    return slope


@torch.no_grad()
def _climbed(joint, starts, steps, rate=0.05, weight=lambda progress: 1.0):
    """The ends of `steps` steps of Adam up log p(z̄) + weight · log p(x̄|z̄), the rate falling to zero."""
    here = starts.clone()
    adam = torch.optim.Adam([here], rate)
    for step in range(steps):
        adam.param_groups[0]["lr"] = rate * (1 - step / steps)
        here.grad = -_slope(joint, here, weight(step / steps))
        adam.step()
    return here.detach()


def _searched(joint, starts, steps, generator, rate=0.2):
    """The best end (B, n, e) of long climbs from the starts, and of such, also from draws of the prior, in which what is seen weighs little at first.

    Sequences that a model draws itself often lie where its encoder was never trained, and what is seen pulls a climb that starts
    elsewhere into the nearest of many modes; while it weighs little, the climb finds its way to a better one.
    """
    more = torch.cat([starts, *(joint.draw(generator) for _ in range(DRAWS))])
    return _best(joint, torch.cat([_climbed(joint, starts, steps, rate), _climbed(joint, more, steps, rate, _rising)]))


def _rising(progress):
    """From 0.001 up to 1 at four fifths of the way, by equal factors."""
    return min(1.0, 0.001 ** (1 - progress / 0.8))


def _best(joint, latents):
    """Of several latents (S·B, n, e) the most probable ones of each sequence (B, n, e)."""
    value, several = _smooth(joint, latents).unflatten(0, (-1, len(joint.guess))), latents.unflatten(0, (-1, len(joint.guess)))
    return several[value.argmax(0), torch.arange(several.shape[1], device=latents.device)]


@torch.no_grad()
def _stepped(joint, chain):
    """One step P⁻¹ ∇ log p from a chain's mean, whole, in part or not at all, whichever is the most probable."""
    slope = _slope(joint, chain.mean)
    step = chain.covariance_product(slope)
    return _best(joint, torch.cat([chain.mean + part * step for part in (0.0, 0.1, 0.3, 1.0)]))


def _refined(joint, chain, steps, generator, rate=0.01, draws=2):
    """The chain after `steps` steps of Adam up its ELBO.

    Means move in units of C, and each of the e directions of C grows or shrinks. To refine whole matrices C and A proved worse: the
    gradients of some hundred steps are too noisy for so many numbers.
    """
    own = [torch.zeros_like(chain.mean).requires_grad_(), torch.zeros_like(chain.mean).requires_grad_()]
    adam = torch.optim.Adam(own, rate)

    def moved():
        mean, scale = own
        shift = (chain.scale @ mean[..., None])[..., 0]
        return GaussianChain(chain.mean + shift, chain.scale * scale.exp()[..., None, :], chain.carry)

    for step in range(steps):
        adam.param_groups[0]["lr"] = rate * (1 - step / steps)
        with torch.enable_grad():
            proposal = Proposal(joint, moved())
            gradients = torch.autograd.grad(-proposal.log_target(proposal.noise(draws, generator)).sum() / draws, own)
        for one, gradient in zip(own, gradients, strict=True):
            one.grad = gradient
        adam.step()
    with torch.no_grad():
        return moved()


@dataclass(frozen=True)
class TightLikelihood(LogLikelihood):
    """log p̂ (B,) and its effective samples, with the ELBO of the same proposal (B,): all three bound log p from below, on average."""

    elbo: Float[Tensor, " B"]


@torch.no_grad()
def importance_likelihood(proposal: Proposal, samples=100, generator=None) -> TightLikelihood:
    """log p̂ of every sequence with M = `samples` draws from its proposal."""
    if samples < 1:
        raise FlowlibError(f"samples = {samples}: draw at least one")
    weights = torch.stack([proposal.log_weight(proposal.noise(1, generator)) for _ in range(samples)])
    found = from_log_weights(weights)
    return TightLikelihood(found.value, found.effective_samples, weights.mean(0))
