"""Samples whose first two moments are exact, so that means of quadratic functions carry no sampling error."""

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from flowlib.errors import FlowlibError
from flowlib.transport.gaussian import Gaussian


def moment_matched_sample(gaussian: Gaussian, n: int, generator: Generator) -> Float[Tensor, "n d"]:
    """n draws, shifted and stretched until their mean and covariance (divided by n) are the Gaussian's.

    The draws are no longer independent; n > d is needed. Moment matching, a control variate for every quadratic
    function at once.
    """
    if n <= len(gaussian.mean):
        raise FlowlibError(f"n is {n}; a sample in {len(gaussian.mean)} dimensions needs more points than dimensions.")
    z = gaussian.sample(n, generator)
    centred = z - z.mean(0)
    factor = torch.linalg.cholesky(centred.mT @ centred / n)
    white = torch.linalg.solve_triangular(factor, centred.mT, upper=False)
    return gaussian.mean + (gaussian.scale_tril @ white).mT
