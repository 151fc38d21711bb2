"""Dynamic OT on a line as a convex problem in (density, momentum): Benamou and Brenier's route (M4).

Staggered grid and primal–dual splitting after Papadakis, Peyré and Oudet, *Optimal transport with proximal
splitting*, 2014: density lives between time cells and momentum between space cells, so that the continuity
equation (M1) holds exactly on each cell.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.transport.checks import check_alike, check_density, check_positive, check_shape
from flowlib.transport.types import Number


@dataclass(frozen=True)
class DynamicTransport:
    """A movement of a density on N time cells × n space cells; time runs over [0, 1].

    `density` (N+1, n) and `momentum` p·v (N, n+1) obey M1 exactly (a density may be slightly negative before
    convergence, and `momentum_action_1d` of both infinite: `action` is of positive mass). `time_derivative` and `gradient` (N, n) are those of the potential u: ∂_t u + ½(∂_x u)² = 0
    where there is mass, ≤ 0 elsewhere (M5). `action` = ∫∫ p v² dx dt, which estimates W₂².
    """

    density: Float[Tensor, "N1 n"]
    momentum: Float[Tensor, "N n1"]
    time_derivative: Float[Tensor, "N n"]
    gradient: Float[Tensor, "N n"]
    action: Float[Tensor, ""]


def benamou_brenier_1d(
    source: Float[Tensor, " n"],
    target: Float[Tensor, " n"],
    spacing: Number,
    *,
    time_steps: int = 24,
    iterations: int = 1000,
) -> DynamicTransport:
    """Minimise ∫₀¹∫ m²/p dx dt over ∂_t p + ∂_x m = 0, p_0 = source, p_1 = target, no flux at the ends (M4).

    source, target (n,): densities ≥ 0 on cells of width `spacing` with Σ p·spacing = 1 (else FlowlibError).
    The convex conjugate of m²/2p is the indicator of {a + ½b² ≤ 0}, and the dual variable is
    (a, b) = (∂_t u, ∂_x u): Hamilton–Jacobi is the constraint of the dual problem.
    """
    check_density(source, spacing, "source")
    check_density(target, spacing, "target")
    check_shape(target, source.shape, "target")
    check_alike({"source": source, "target": target})
    check_positive(time_steps - 1, "time_steps - 1")
    check_positive(iterations, "iterations")
    n, length = len(source), len(source) * spacing
    start, end = source * length, target * length  # on the unit interval; lengths return at the end
    in_time, in_space = _Staggered(time_steps, source), _Staggered(n, source)
    fraction = torch.linspace(0, 1, time_steps + 1).to(source)[1:-1, None]
    density, momentum = (1 - fraction) * start + fraction * end, source.new_zeros(time_steps, n - 1)
    a, b = source.new_zeros(time_steps, n), source.new_zeros(time_steps, n)
    edge = source.new_zeros(time_steps, n)
    edge[0], edge[-1] = start, end

    density_bar, momentum_bar = density, momentum
    for _ in range(iterations):  # Chambolle–Pock; both step sizes are 1 because averaging has norm ≤ 1
        a, b, mass = _project_on_parabola(a + in_time.average @ density_bar + edge / 2, b + momentum_bar @ in_space.average.mT)
        new_density, new_momentum = _make_continuous(density - in_time.average.mT @ a, momentum - b @ in_space.average, edge, in_time, in_space)
        density_bar, momentum_bar = 2 * new_density - density, 2 * new_momentum - momentum
        density, momentum = new_density, new_momentum

    action = length**2 * (mass * b**2).sum() / (n * time_steps)
    return DynamicTransport(
        torch.cat([start[None], density, end[None]]) / length,
        torch.nn.functional.pad(momentum, (1, 1)),
        a * length**2,
        b * length,
        action,
    )


class _Staggered:
    """From the inner faces of `cells` cells on [0, 1] to their centres: average, difference, modes of −Δ."""

    def __init__(self, cells: int, like: Tensor):
        eye = torch.eye(cells).to(like)
        left, right = eye[:, 1:], eye[:, :-1]  # a cell's left and right face, by columns of inner faces
        self.average, self.difference = (left + right) / 2, (right - left) * cells
        self.frequencies, self.modes = torch.linalg.eigh(self.difference @ self.difference.mT)


def _make_continuous(density, momentum, edge, in_time, in_space):
    """The nearest (density, momentum) that obeys M1: a Poisson equation, solved in the Laplacian's modes."""
    at_ends = torch.zeros_like(edge)
    at_ends[0], at_ends[-1] = -edge[0], edge[-1]
    excess = in_time.difference @ density + at_ends * len(edge) + momentum @ in_space.difference.mT
    eigenvalues = in_time.frequencies[:, None] + in_space.frequencies
    eigenvalues[0, 0] = torch.inf  # the constant mode: mass is conserved already
    phi = in_time.modes @ ((in_time.modes.mT @ excess @ in_space.modes) / eigenvalues) @ in_space.modes.mT
    return density - in_time.difference.mT @ phi, momentum - phi @ in_space.difference


def _project_on_parabola(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The nearest point of {a + ½b² ≤ 0} to (a, b), and its multiplier λ ≥ 0, which is the density.

    λ solves (λ − a)(1 + λ)² = ½b²; Newton's iteration from an upper bound falls onto the largest root.
    """
    multiplier = a.clamp_min(0) + (b**2 / 2) ** (1 / 3)
    for _ in range(12):
        value = (multiplier - a) * (1 + multiplier) ** 2 - b**2 / 2
        slope = (1 + multiplier) ** 2 + 2 * (multiplier - a) * (1 + multiplier)
        multiplier = (multiplier - value / slope).clamp_min(0)  # 0 for a point that is inside already
    return a - multiplier, b / (1 + multiplier), multiplier
