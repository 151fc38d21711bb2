"""The Hamilton–Jacobi penalty (M12): the default, and the variant of the paper."""

import torch
from torch import nn

from flowlib.errors import FlowlibError
from flowlib.flows import PotentialBank, Trajectory, group_by_factor


class HJPenalty(nn.Module):
    """(1/T) Σ_t E[r(z_{t−1}, t)²] with r = ∂_t u + ½‖∇u‖², each sample's own.

    kind "zero": that. "paper": a second network f gives a driving force −f² ≤ 0, and the penalty is
    (1/T) Σ_t E[(r + f²)²] + E‖∇u(z_0, 0)‖² + E f(z_0, 0)². "none": 0.
    """

    def __init__(self, kind, factors, dim, config):
        super().__init__()
        if kind not in ("zero", "paper", "none"):
            raise FlowlibError(f"hj_penalty = {kind!r}: choose zero, paper or none")
        self.kind = kind
        if kind == "paper":
            shape = config.potential_width, config.potential_depth, config.horizon
            self.force = PotentialBank(factors, dim, *shape)

    def forward(self, potentials, trajectory: Trajectory, factor):
        """The penalty of one batch, a scalar."""
        if self.kind == "none":
            return trajectory.residual.new_zeros(())
        if self.kind == "zero":
            return trajectory.residual.square().mean()
        return self._paper(potentials, trajectory, factor)

    def _paper(self, potentials, trajectory, factor):
        return driven_residual(self.force, trajectory, factor) + sum(start_terms(potentials, self.force, trajectory, factor))


def driven_residual(force: PotentialBank, trajectory: Trajectory, factor):
    """(1/T) Σ_t E[(r + f²)²] of a driving force −f² along a trajectory, a scalar."""
    return (trajectory.residual + forces(force, trajectory, factor).square()).square().mean()


def forces(force: PotentialBank, trajectory: Trajectory, factor):
    """f(z_{t−1}, t) of every sample and step, (B, steps)."""
    steps = trajectory.residual.shape[1]
    return torch.stack([_at(force, trajectory, factor, t).value.flatten() for t in range(1, steps + 1)], 1)


def start_terms(potentials, force, trajectory: Trajectory, factor):
    """(E‖∇u(z_0, 0)‖², E f(z_0, 0)²), scalars."""
    start, still = (_at(bank, trajectory, factor, 0) for bank in (potentials, force))
    return start.gradient.square().sum(-1).mean(), still.value.square().mean()


def _at(bank, trajectory, factor, t):
    """The bank's values at (z_{t−1}, t), or at (z_0, 0)."""
    grouped, index, _ = group_by_factor(trajectory.path[:, max(t - 1, 0)], factor, bank.factors)
    return bank(grouped, t, index)
