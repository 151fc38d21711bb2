"""Annealed importance sampling with Hamiltonian Monte Carlo, from a proposal to the joint density, and back (M17).

Neal (2001), "Annealed importance sampling"; the way back from an exact draw of the posterior, which bounds log p from above, is
bidirectional Monte Carlo: Grosse, Ghahramani, Adams (2015), arXiv 1511.02543.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.data import Batch
from flowlib.errors import FlowlibError
from flowlib.evaluation.likelihood import LogLikelihood, from_log_weights
from flowlib.evaluation.tight import Proposal, fit_proposal
from flowlib.flows import normal_log_prob
from flowlib.models.joint import Joint

TEMPERATURES, LEAPS, STEP = 40, 6, 0.3


@dataclass(frozen=True)
class Schedule:
    """β from 0, the proposal, to 1, the joint density, in equal steps; at every β between one trajectory of `leaps` leapfrog steps.

    step : the longest leapfrog step, in units of the proposal's standard deviation; each trajectory draws its own between its half and this.
    Nothing is adapted to the samples, so that the weights stay unbiased.
    """

    temperatures: int = TEMPERATURES
    leaps: int = LEAPS
    step: float = STEP

    def __post_init__(self):
        if self.temperatures < 1 or self.leaps < 1 or not self.step > 0:
            raise FlowlibError(f"{self}: give one or more temperatures and leaps, and a step > 0")

    @property
    def betas(self) -> list[float]:
        """0 = β_0 < … < β_K = 1."""
        return [k / self.temperatures for k in range(self.temperatures + 1)]


def annealed_log_weights(
    proposal: Proposal, noise: Float[Tensor, "N n e"], schedule: Schedule, generator=None, backward=False
) -> tuple[Float[Tensor, " N"], float]:
    """(log w, share of accepted trajectories) of chains that begin at `noise`.

    Forward, from draws of the proposal: log w = Σ_k (β_k − β_{k−1}) a(ε_{k−1}), a = log p − log q; E w = p(x̄).
    Backward, from exact draws of the posterior, the same sum along the chain that runs from β = 1 to 0: E 1/w = 1/p(x̄).
    """
    betas, accepted = schedule.betas, []
    state = _State.at(proposal, noise)
    log_weights = torch.zeros_like(state.ratio)
    order = range(schedule.temperatures, 0, -1) if backward else range(1, schedule.temperatures + 1)
    for k in order:
        log_weights = log_weights + (betas[k] - betas[k - 1]) * state.ratio
        between = betas[k - 1] if backward else betas[k]
        if 0 < between < 1:
            state, taken = _trajectory(proposal, state, between, schedule, generator)
            accepted.append(taken)
    return log_weights, sum(accepted) / max(len(accepted), 1)


@dataclass(frozen=True)
class _State:
    """Points ε (N, n, e), a = log p − log q there, and ∇a."""

    noise: Tensor
    ratio: Tensor
    slope: Tensor

    @classmethod
    def at(cls, proposal, noise):
        with torch.enable_grad():
            noise = noise.detach().requires_grad_()
            ratio = proposal.log_weight(noise)
            (slope,) = torch.autograd.grad(ratio.sum(), noise)
        return cls(noise.detach(), ratio.detach(), slope)

    def energy(self, beta):
        """−log of the density at β, without its constant."""
        return -normal_log_prob(self.noise).sum(1) - beta * self.ratio

    def force(self, beta):
        """The gradient of that log density."""
        return beta * self.slope - self.noise


def _trajectory(proposal, state, beta, schedule, generator):
    """(the state after one Metropolis-adjusted leapfrog trajectory, the share of chains that took it)."""

    def draw(make, shape):
        return make(shape, generator=generator, dtype=state.noise.dtype, device=state.noise.device)

    count = len(state.noise)
    step = schedule.step * (0.5 + 0.5 * draw(torch.rand, (count,)))[:, None, None]
    momentum = draw(torch.randn, state.noise.shape)
    before, here = state.energy(beta) + 0.5 * momentum.square().sum((1, 2)), state
    for _ in range(schedule.leaps):
        momentum = momentum + 0.5 * step * here.force(beta)
        here = _State.at(proposal, here.noise + step * momentum)
        momentum = momentum + 0.5 * step * here.force(beta)
    after = here.energy(beta) + 0.5 * momentum.square().sum((1, 2))
    taken = draw(torch.rand, (count,)).log() < before - after  # of a NaN nothing is taken
    kept = [
        torch.where(taken.view(-1, *[1] * (new.ndim - 1)), new, old) for new, old in zip(vars(here).values(), vars(state).values(), strict=True)
    ]
    return _State(*kept), taken.float().mean().item()


def annealed_likelihood(proposal: Proposal, chains=4, schedule: Schedule | None = None, generator=None) -> LogLikelihood:
    """log p̂ of every sequence (B,) from `chains` forward chains, in expectation not above log p; effective samples are of that many chains."""
    if chains < 1:
        raise FlowlibError(f"chains = {chains}: run at least one")
    weights, _ = annealed_log_weights(proposal, proposal.noise(chains, generator), schedule or Schedule(), generator)
    return from_log_weights(weights.unflatten(0, (chains, -1)))


@dataclass(frozen=True)
class Sandwich:
    """For sequences that the model itself has drawn: lower ≤ log p(x̄) ≤ upper in expectation, (B,) each, and accepted, a share of trajectories."""

    lower: Float[Tensor, " B"]
    upper: Float[Tensor, " B"]
    accepted: float

    @property
    def gap(self) -> float:
        """The mean of upper − lower, in nats: how far below log p the forward estimate can be on such data."""
        return (self.upper - self.lower).mean().item()


def simulated(joint_of, batch: Batch, generator=None) -> tuple[Joint, Float[Tensor, "B n e"]]:
    """(the joint density of sequences drawn from the model, the latents that they were drawn from: an exact draw of their posterior).

    joint_of : batch → Joint, such as `model.sequence_joint`;  batch : gives the number of sequences, their factors and times
    """
    prior = joint_of(batch)
    latents = prior.draw(generator)
    frames = prior.model.likelihood.sample(prior.model.decode(prior.codes(latents)), generator)
    return joint_of(replace(batch, frames=frames.view_as(batch.frames))), latents


@torch.no_grad()
def sandwich(joint_of, batch: Batch, chains=4, schedule: Schedule | None = None, generator=None, **fitting) -> Sandwich:
    """Both bounds on sequences that are drawn as `simulated` says, with a proposal that is fitted without a look at their latents.

    fitting : options of `fit_proposal`
    """
    joint, latents = simulated(joint_of, batch, generator)
    schedule, proposal = schedule or Schedule(), fit_proposal(joint, generator, **fitting)
    forward, there = annealed_log_weights(proposal, proposal.noise(chains, generator), schedule, generator)
    exact = proposal.chain.unplace(latents).repeat(chains, 1, 1)
    backward, back = annealed_log_weights(proposal, exact, schedule, generator, backward=True)
    lower, upper = (from_log_weights(w.unflatten(0, (chains, -1))).value for w in (forward, -backward))
    return Sandwich(lower, -upper, (there + back) / 2)
