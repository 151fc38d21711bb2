"""Optimal transport between point clouds (M3): linear programme, Sinkhorn's approximation, sorting on a line.

The cost is C_ij = ‖x_i − y_j‖² throughout; weights default to uniform. POT solves and is imported inside the
functions. Source: Peyré and Cuturi, *Computational Optimal Transport*, 2019.
"""

import warnings
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flowlib.errors import FlowlibError
from flowlib.transport.checks import check_finite, check_points, check_positive, check_shape, check_weights
from flowlib.transport.types import Number

MOST_PIVOTS = 10_000_000  # of the network simplex; POT's own 1e5 can end before the optimum at 600 points


@dataclass(frozen=True)
class Sinkhorn:
    """An entropic plan P = exp((f ⊕ g − C)/ε) ∘ a⊗b and what it costs: `transport_cost` ⟨P, C⟩ ≥ W₂², and
    `entropic_cost` ⟨P, C⟩ + ε KL(P ‖ a⊗b), which is what the plan minimises."""

    plan: Float[Tensor, "n m"]
    transport_cost: Float[Tensor, ""]
    entropic_cost: Float[Tensor, ""]


def squared_distances(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    """C_ij = ‖x_i − y_j‖²."""
    for points, name in ((x, "x"), (y, "y")):
        check_points(points, name)
        check_finite(points, name)
    check_shape(y, (len(y), x.shape[1]), "y")
    return (x[:, None] - y[None]).square().sum(-1)


def optimal_coupling(
    x: Float[Tensor, "n d"],
    y: Float[Tensor, "m d"],
    a: Float[Tensor, " n"] | None = None,
    b: Float[Tensor, " m"] | None = None,
) -> tuple[Float[Tensor, "n m"], Float[Tensor, ""]]:
    """The plan P that minimises ⟨P, C⟩ over P ≥ 0, P1 = a, Pᵀ1 = b, and W₂² = ⟨P, C⟩ (M3).

    The value is differentiable in x and y (the plan is constant near a generic point). Exact up to rounding; raises
    FlowlibError where the solver ends before the optimum.
    """
    cost = squared_distances(x, y)
    plan, _ = _linear_programme(check_weights(a, x, "a"), check_weights(b, y, "b"), cost.detach())
    return plan, (plan * cost).sum()


@torch.no_grad()
def optimal_pairing(x: Float[Tensor, "n d"], y: Float[Tensor, "n d"]) -> Int[Tensor, " n"]:
    """The permutation j of least Σ_i ‖x_i − y_{j(i)}‖²: the OT plan between n and n points of equal weights (M3)."""
    if len(x) != len(y):
        raise FlowlibError(f"{len(x)} points cannot be paired with {len(y)}; take equally many, or optimal_coupling.")
    a = check_weights(None, x, "x")
    return _linear_programme(a, a, squared_distances(x, y))[0].argmax(1)


def dual_potentials(
    x: Float[Tensor, "n d"],
    y: Float[Tensor, "m d"],
    a: Float[Tensor, " n"] | None = None,
    b: Float[Tensor, " m"] | None = None,
) -> tuple[Float[Tensor, " n"], Float[Tensor, " m"]]:
    """(f, g) that maximise Σ a_i f_i + Σ b_j g_j, which is W₂², under f_i + g_j ≤ C_ij (Kantorovich, M3).

    f_i + g_j = C_ij wherever the plan has mass (complementary slackness). Raises as `optimal_coupling` does.
    """
    cost = squared_distances(x, y).detach()
    _, log = _linear_programme(check_weights(a, x, "a"), check_weights(b, y, "b"), cost)
    return log["u"], log["v"]


def sinkhorn_coupling(
    x: Float[Tensor, "n d"],
    y: Float[Tensor, "m d"],
    epsilon: Number,
    a: Float[Tensor, " n"] | None = None,
    b: Float[Tensor, " m"] | None = None,
    *,
    max_iterations: int = 10_000,
    tolerance: Number = 1e-9,
) -> Sinkhorn:
    """The plan that minimises ⟨P, C⟩ + ε KL(P ‖ a⊗b), by Sinkhorn's iteration on logarithms (Cuturi 2013).

    `transport_cost` exceeds W₂² for every ε > 0: that is the entropic bias, and it falls to 0 with ε.
    `entropic_cost` is differentiable in x and y: at the optimum the plan may be held fixed.
    Raises FlowlibError for a weight 0, an infinite ε (the plan is a⊗b then), and where the marginals are not met to `tolerance` (raised to what the
    dtype resolves) in `max_iterations`.
    """
    import ot

    check_positive(epsilon, "epsilon")
    check_positive(max_iterations, "max_iterations")
    cost, a, b = squared_distances(x, y), check_weights(a, x, "a"), check_weights(b, y, "b")
    check_positive(torch.cat([a, b]).min(), "the smallest weight")
    tolerance = max(tolerance, 10 * torch.finfo(cost.dtype).eps)
    limits = dict(numItermax=max_iterations, stopThr=tolerance, log=True, warn=False)
    plan, log = ot.sinkhorn(a, b, cost.detach(), epsilon, method="sinkhorn_log", **limits)
    error = float(log["err"][-1])
    if not error < tolerance:
        raise FlowlibError(
            f"Sinkhorn is off by {error:.2g} after {max_iterations} iterations at epsilon {epsilon}; "
            f"raise epsilon (the mean cost is {float(cost.mean()):.3g}), tolerance or max_iterations."
        )
    apart = a[:, None] * b
    excess = plan / apart - 1  # KL = Σ a⊗b [(1 + e) log(1 + e) − e] has no cancellation at large ε, where e ~ C/ε
    divergence = (apart * (torch.special.xlog1py(1 + excess, excess) - excess)).sum()
    least = torch.minimum((plan * cost).sum() + epsilon * divergence, (apart * cost).sum())  # a⊗b is a plan as well
    return Sinkhorn(plan, (plan * cost.detach()).sum(), least)


def barycentric_map(plan: Float[Tensor, "n m"], y: Float[Tensor, "m d"]) -> Float[Tensor, "n d"]:
    """E[y | x_i] = Σ_j P_ij y_j / Σ_j P_ij: a map from any plan, the OT map where rows have one entry."""
    check_shape(plan, (len(plan), len(y)), "plan")
    mass = plan.sum(1, keepdim=True)
    check_positive(mass.min(), "the smallest row sum of the plan")
    return plan @ y / mass


def c_transform(z: Float[Tensor, "B d"], y: Float[Tensor, "m d"], g: Float[Tensor, " m"]) -> Float[Tensor, " B"]:
    """f(z) = min_j ‖z − y_j‖² − g_j: extends the dual potential from the source points to all of space."""
    check_shape(g, (len(y),), "g")
    return (squared_distances(z, y) - g).amin(1)


def map_from_dual(z: Float[Tensor, "B d"], y: Float[Tensor, "m d"], g: Float[Tensor, " m"]) -> Float[Tensor, "B d"]:
    """Brenier's map T(z) = z − ½∇f(z), f the `c_transform` of g: the y_j whose Laguerre cell holds z (M3).

    ½‖z‖² − ½f(z) is convex and T is its gradient. On the source points of a linear programme several cells
    can meet, and any of them may be returned; elsewhere the answer is unique.
    """
    check_shape(g, (len(y),), "g")
    return y[(squared_distances(z, y) - g).argmin(1)]


def w2_1d(x: Float[Tensor, " n"], y: Float[Tensor, " m"]) -> Float[Tensor, ""]:
    """W₂² on a line = ∫₀¹ (F_x⁻¹(q) − F_y⁻¹(q))² dq, by sorting (M3)."""
    mass, i, j = _common_levels(x, y)
    return (mass * (x.sort().values[i] - y.sort().values[j]).square()).sum()


def quantile_map_1d(x: Float[Tensor, " n"], y: Float[Tensor, " m"]) -> Float[Tensor, " n"]:
    """The image of each x_i under the increasing map F_y⁻¹∘F_x (M3); where n ≠ m its mean over x_i's mass."""
    mass, i, j = _common_levels(x, y)
    image = torch.zeros_like(x).index_add(0, i, len(x) * mass * y.sort().values[j])
    return torch.empty_like(x).scatter(0, x.argsort(), image)


def _common_levels(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Cut [0, 1] at all k/n and l/m: each piece's length and the ranks of the x and the y that own it."""
    for values, name in ((x, "x"), (y, "y")):
        check_points(values, name, "n")
        check_finite(values, name)
        check_positive(len(values), f"the number of points in {name}")
    n, m = len(x), len(y)
    cuts = torch.cat([m * torch.arange(n + 1), n * torch.arange(m + 1)]).unique()  # in units of 1/(n m): exact
    return cuts.diff().to(x) / (n * m), cuts[:-1] // m, cuts[:-1] // n


def _linear_programme(a: Tensor, b: Tensor, cost: Tensor) -> tuple[Tensor, dict]:
    """POT's network simplex: the plan, and its log with the dual potentials u and v."""
    import ot

    with warnings.catch_warnings(action="ignore"):  # the same words are in the log
        plan, log = ot.emd(a, b, cost, numItermax=MOST_PIVOTS, log=True)
    if log["warning"] is not None:
        raise FlowlibError(
            f"the linear programme of {cost.shape[0]} × {cost.shape[1]} points was not solved ({log['warning']}); "
            "take fewer points, or sinkhorn_coupling."
        )
    return plan, log
