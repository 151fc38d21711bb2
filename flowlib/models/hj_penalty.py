"""The Hamilton–Jacobi penalty (M12): the default, its viscous form, and the variant of the paper."""

import torch
from torch import nn

from flowlib.errors import FlowlibError
from flowlib.flows import PotentialBank, Trajectory, group_by_factor, is_mixture, is_program

KINDS = ("zero", "viscous", "paper", "none")


class HJPenalty(nn.Module):
    """(1/T) Σ_t E[r(z_{t−1}, t)²] with r = ∂_t u + ½‖∇u‖², each sample's own.

    kind "zero": that. "viscous": (r + D tr ∇²u)², what the drift of the noisy path M14 obeys between two observed frames; D is taken as it
    is, so that the penalty does not teach it. "paper": a second network f gives a driving force −f² ≤ 0, and the penalty is
    (1/T) Σ_t E[(r + f²)²] + E‖∇u(z_0, 0)‖² + E f(z_0, 0)². "none": 0.

    Of time-free potentials r = ½‖∇u‖² could vanish only where nothing moves. But u(z) − E t has the same flow, and solves the equation
    where ½‖∇u‖² = E: there r − E_k is drawn to zero, with E_k learned (the eikonal equation). Where factors act at once, E is their sum.
    """

    def __init__(self, kind, factors, dim, config):
        super().__init__()
        if kind not in KINDS:
            raise FlowlibError(f"hj_penalty = {kind!r}: choose one of {', '.join(KINDS)}")
        self.kind = kind
        if kind == "paper":
            shape = config.potential_width, config.potential_depth, config.horizon
            self.force = PotentialBank(factors, dim, *shape)
        self.energy = nn.Parameter(torch.zeros(factors)) if kind in ("zero", "viscous") and config and config.time_free else None

    def forward(self, potentials, trajectory: Trajectory, factor, diffusion=None, mean=torch.mean):
        """The penalty of one batch, a scalar.

        diffusion : D of each sample, (B,) or (), for the viscous form
        mean : of numbers (B, T) of the steps, where sequences have different lengths (`Batch.mean_step`)
        """
        if self.kind == "none":
            return trajectory.residual.new_zeros(())
        if self.kind == "paper":
            return self._paper(potentials, trajectory, factor, mean)
        residual = trajectory.residual
        if self.energy is not None:
            residual = residual - self._energies(factor)
        if self.kind == "viscous":
            residual = residual + diffusion.detach()[..., None] * laplacians(potentials, trajectory, factor)
        return mean(residual.square())

    def _energies(self, factor):
        """E of each sample's factors: () for a number, (B, 1), or (B, S) of a program."""
        if is_program(factor):
            return factor @ self.energy
        return (factor @ self.energy)[:, None] if is_mixture(factor) else self.energy[factor][..., None]

    def _paper(self, potentials, trajectory, factor, mean):
        return driven_residual(self.force, trajectory, factor, mean) + sum(start_terms(potentials, self.force, trajectory, factor))


def laplacians(potentials: PotentialBank, trajectory: Trajectory, factor):
    """tr ∇²u at (z_{t−1}, t), t = 1 … S, (B, S)."""
    return _along(potentials, potentials.laplacian, trajectory, factor)


def driven_residual(force: PotentialBank, trajectory: Trajectory, factor, mean=torch.mean):
    """(1/T) Σ_t E[(r + f²)²] of a driving force −f² along a trajectory, a scalar."""
    return mean((trajectory.residual + forces(force, trajectory, factor).square()).square())


def forces(force: PotentialBank, trajectory: Trajectory, factor):
    """f(z_{t−1}, t) of every sample and step, (B, steps)."""
    return _along(force, lambda *where: force(*where).value, trajectory, factor)


def start_terms(potentials, force, trajectory: Trajectory, factor):
    """(E‖∇u(z_0, 0)‖², E f(z_0, 0)²), scalars."""
    here, index, _ = group_by_factor(trajectory.path[:, 0], factor, potentials.factors)
    start, still = (bank(here, 0, index) for bank in (potentials, force))
    return start.gradient.square().sum(-1).mean(), still.value.square().mean()


def _along(bank, value, trajectory, factor):
    """value(places, times, index) of the bank at (z_{t−1}, t), t = 1 … S, of every sequence, (B, S): all steps in one call."""
    starts = trajectory.path[:, :-1]
    here, index, back = group_by_factor(starts, factor, bank.factors)
    times = torch.arange(1, starts.shape[1] + 1, dtype=starts.dtype, device=starts.device).repeat(here.shape[1])
    return back(value(here.flatten(1, 2), times, index).unflatten(1, (-1, starts.shape[1])))
