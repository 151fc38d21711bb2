"""Cases with exact answers that the tests of flowlib.transport share."""

import contextlib
import math

import jaxtyping
import ot
import torch

from flowlib.transport import Gaussian


def gaussian_pair(d=3, seed=3):
    """Two Gaussians whose covariances do not commute and whose means differ."""
    generator = torch.Generator().manual_seed(seed)

    def one():
        root = torch.randn(d, d, generator=generator)
        return Gaussian(torch.randn(d, generator=generator), root @ root.T / d + 0.2 * torch.eye(d))

    return one(), one()


def pot_map(source, target):
    """The oracle's matrix A and offset b of the optimal map x ↦ x A + b."""
    matrix, offset = ot.gaussian.bures_wasserstein_mapping(source.mean, target.mean, source.covariance, target.covariance)
    return matrix, offset.flatten()


def pot_w2(source, target):
    """The oracle's W₂²."""
    distance = ot.gaussian.bures_wasserstein_distance(source.mean, target.mean, source.covariance, target.covariance)
    return distance.squeeze() ** 2


def sigma_points(gaussian):
    """2d points whose mean and covariance are exactly the Gaussian's: E over them is exact for quadratics."""
    d = len(gaussian.mean)
    spread = math.sqrt(d) * gaussian.scale_tril.T
    return torch.cat([gaussian.mean + spread, gaussian.mean - spread])


def covariance_of(z):
    """The covariance of points (B, d), with 1/B."""
    centred = z - z.mean(0)
    return centred.T @ centred / len(z)


def mixture_log_density(z, t):
    """log of a two-component Gaussian mixture, up to a constant, that moves and widens with t."""
    first = -0.5 * ((z - 1 - t) ** 2).sum(-1)
    second = -0.5 * ((z + 1) ** 2 / (1 + t)).sum(-1)
    return torch.logaddexp(first, second)


@contextlib.contextmanager
def jaxtyping_off():
    """Calls as a user makes them: without the executed shapes, which would answer first."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)
