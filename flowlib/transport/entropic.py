"""Entropic transport away from the sample points: the softened c-transform and the map that is its gradient."""

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.transport.checks import check_positive, check_shape, check_weights
from flowlib.transport.discrete import squared_distances
from flowlib.transport.types import Number


def soft_c_transform(
    z: Float[Tensor, "B d"],
    y: Float[Tensor, "m d"],
    g: Float[Tensor, " m"],
    epsilon: Number,
    b: Float[Tensor, " m"] | None = None,
) -> Float[Tensor, " B"]:
    """f(z) = −ε log Σ_j b_j exp((g_j − ‖z − y_j‖²)/ε): Sinkhorn's half step, at any point z.

    Tends to `c_transform` as ε falls; b are positive weights of sum 1 (default uniform). Source: Peyré and Cuturi 2019, § 4.4.
    """
    return -epsilon * torch.logsumexp(_exponents(z, y, g, epsilon, b), 1)


def entropic_map(
    z: Float[Tensor, "B d"],
    y: Float[Tensor, "m d"],
    g: Float[Tensor, " m"],
    epsilon: Number,
    b: Float[Tensor, " m"] | None = None,
) -> Float[Tensor, "B d"]:
    """T(z) = z − ½∇f(z) with f the `soft_c_transform`: a mean of the y_j, weighted b_j exp((g_j − ‖z − y_j‖²)/ε).

    On the source points it is the `barycentric_map` of the entropic plan (Pooladian and Niles-Weed 2021).
    """
    return torch.softmax(_exponents(z, y, g, epsilon, b), 1) @ y


def _exponents(z, y, g, epsilon, b):
    check_positive(epsilon, "epsilon")
    check_shape(g, (len(y),), "g")
    b = check_weights(b, y, "b")
    check_positive(b.min(), "the smallest weight")
    return (g - squared_distances(z, y)) / epsilon + b.log()
