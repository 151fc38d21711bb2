"""Densities on a line: exact displacement interpolation by quantiles, and what a film of densities costs.

A density (n,) is constant on each of n cells of width `spacing`, is ≥ 0 and has Σ p·spacing = 1. On a line the
optimal map keeps the order of the mass (M3), and a film p_t has exactly one momentum that vanishes at the ends.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.errors import FlowlibError
from flowlib.transport.checks import check_density, check_points, check_positive, check_shape
from flowlib.transport.types import Number, Time


def w2_density_1d(source: Float[Tensor, " n"], target: Float[Tensor, " n"], spacing: Number) -> Float[Tensor, ""]:
    """W₂² = ∫₀¹ (F⁻¹(q) − G⁻¹(q))² dq (M3), exact for densities that are constant on the cells."""
    mass, start, end = _matched_pieces(source, target, spacing)
    left, right = (end - start).unbind(1)
    return (mass * (left**2 + left * right + right**2) / 3).sum()


def displacement_density_1d(source: Float[Tensor, " n"], target: Float[Tensor, " n"], spacing: Number, s: Time) -> Float[Tensor, " n"]:
    """The displacement interpolation at 0 ≤ s ≤ 1 (M4): the law of (1 − s) F⁻¹(q) + s G⁻¹(q), q uniform.

    Returned as its mean over each cell: mass is kept exactly.
    """
    if not 0 <= s <= 1:
        raise FlowlibError(f"s is {s}; the displacement interpolation is defined for 0 ≤ s ≤ 1.")
    mass, start, end = _matched_pieces(source, target, spacing)
    left, right = ((1 - s) * start + s * end).unbind(1)  # each piece is spread evenly between these
    edges = torch.arange(len(source) + 1).to(source)[:, None] * spacing
    share = ((edges - left) / (right - left).clamp_min(torch.finfo(source.dtype).tiny)).clamp(0, 1)
    share[-1] = 1  # rounding must not push mass over the last edge
    return share.diff(dim=0) @ mass / spacing


def momentum_1d(density: Float[Tensor, "N1 n"], spacing: Number) -> Float[Tensor, "N n1"]:
    """The momentum m = p v that carries a film of N + 1 frames over the time [0, 1]: ∂_t p + ∂_x m = 0 (M1).

    m(x, t) = −∫_{−∞}^x ∂_t p: the flux through a point is the rate at which the mass to its left shrinks. It
    stands between frames and on the faces of the cells, 0 on the first and the last face. Each frame has mass 1; it
    may be negative in places, as `benamou_brenier_1d` leaves it before it has converged.
    """
    check_points(density, "the film", "N+1 n")
    for frame in density:
        check_density(frame, spacing, "a frame of the film", negative=True)
    before, after = _mass_beside_faces(density), _mass_beside_faces(density.flip(1)).flip(1)
    rate = spacing * (len(density) - 1)
    return rate * torch.where(before[1:] < after[1:], -before.diff(dim=0), after.diff(dim=0))


def momentum_action_1d(density: Float[Tensor, "N1 n"], momentum: Float[Tensor, "N n1"], spacing: Number) -> Float[Tensor, ""]:
    """∫₀¹∫ m²/p dx dt (M4), convex in (p, m) together: 0/0 counts as 0, m ≠ 0 where p = 0 and any p < 0 as infinite.

    p is averaged in time and m in space, so that both stand at the centres of the cells of space and time. As 1/p is convex, this is
    less than the action of the straight line from frame to frame, above all where a place fills from next to nothing: that of a cross-fade is
    ∫ m² log(p₁/p₀)/(p₁ − p₀) dx, which no affordable number of frames comes near. Momentum that is rounding counts as 0 where there is no mass.
    """
    check_positive(spacing, "spacing")
    check_shape(momentum, (len(density) - 1, density.shape[1] + 1), "momentum")
    mass = (density[1:] + density[:-1]) / 2
    flux = (momentum[:, 1:] + momentum[:, :-1]) / 2
    rounding = 16 * torch.finfo(flux.dtype).eps * len(momentum) * density[0].sum() * spacing  # all mass crosses in a frame: N · mass
    flux = torch.where((flux.abs() <= rounding) & (mass <= torch.finfo(mass.dtype).eps * mass.max()), 0, flux)
    cost = torch.where((flux == 0) & (mass == 0), 0, torch.where(mass < 0, torch.inf, flux**2 / mass))
    return cost.sum() * spacing / len(momentum)


def _mass_beside_faces(density: Tensor) -> Tensor:
    """Σ of the cells before each of the n + 1 faces. Summed from the nearer end of the line, the thin tails there
    are not lost in rounding."""
    return torch.nn.functional.pad(density.cumsum(1), (1, 0))


def _matched_pieces(source: Tensor, target: Tensor, spacing: Number) -> tuple[Tensor, Tensor, Tensor]:
    """Cut the mass at all levels where either density changes: masses (k,), and where each piece begins and ends
    in the source (k, 2) and in the target (k, 2), measured from the left end of the line."""
    check_density(source, spacing, "source")
    check_density(target, spacing, "target")
    check_shape(target, source.shape, "target")
    levels = [torch.nn.functional.pad((p / p.sum()).cumsum(0), (1, 0)) for p in (source, target)]
    for level in levels:
        level[-1] = 1
    cuts = torch.cat(levels).unique()
    return cuts.diff(), *(spacing * _positions(level, cuts) for level in levels)


def _positions(level: Tensor, cuts: Tensor) -> Tensor:
    """Where each piece of mass between neighbouring cuts begins and ends, (k, 2), in units of cells."""
    cell = torch.searchsorted(level, (cuts[1:] + cuts[:-1]) / 2, right=True) - 1
    cell = cell.clamp(max=len(level) - 2)
    below, height = level[cell], (level[cell + 1] - level[cell]).clamp_min(torch.finfo(level.dtype).tiny)
    ends = torch.stack([cuts[:-1], cuts[1:]], 1)
    return cell[:, None] + ((ends - below[:, None]) / height[:, None]).clamp(0, 1)
