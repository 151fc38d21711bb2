"""A matched sample has exact moments and keeps the shape of a random one."""

import pytest
import torch
from transport_cases import gaussian_pair

from flowlib.errors import FlowlibError
from flowlib.transport import moment_matched_sample

pytestmark = pytest.mark.usefixtures("double")


def test_mean_and_covariance_are_exact(generator):
    for gaussian in gaussian_pair():
        z = moment_matched_sample(gaussian, 50, generator)
        torch.testing.assert_close(z.mean(0), gaussian.mean)
        torch.testing.assert_close(z.mT.cov(correction=0), gaussian.covariance)


def test_it_stays_close_to_the_sample_that_it_corrects():
    gaussian = gaussian_pair()[0]
    plain = gaussian.sample(20_000, torch.Generator().manual_seed(1))
    matched = moment_matched_sample(gaussian, 20_000, torch.Generator().manual_seed(1))
    assert (matched - plain).abs().max() < 0.2


def test_too_few_points_are_refused(generator):
    with pytest.raises(FlowlibError, match="more points than dimensions"):
        moment_matched_sample(gaussian_pair()[0], 3, generator)
