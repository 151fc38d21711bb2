"""The softened c-transform against autograd, its hard limit, and POT's plan."""

import ot
import pytest
import torch

from flowlib.errors import FlowlibError
from flowlib.transport import (
    barycentric_map,
    c_transform,
    entropic_map,
    gradient_of,
    soft_c_transform,
    squared_distances,
)

pytestmark = pytest.mark.usefixtures("double")


@pytest.fixture
def case(generator, double):
    """Queries z (6, 2), points y (4, 2), prices g (4,) and weights b (4,)."""
    b = torch.rand(4, generator=generator) + 0.2
    draw = [torch.randn(*size, generator=generator) for size in ((6, 2), (4, 2), (4,))]
    return *draw, b / b.sum()


def test_one_point_has_no_softness():
    z, y, g = torch.tensor([[1.0, 2.0]]), torch.tensor([[4.0, 6.0]]), torch.tensor([3.0])
    torch.testing.assert_close(soft_c_transform(z, y, g, 0.7), torch.tensor([22.0]))
    torch.testing.assert_close(soft_c_transform(z, y.expand(3, 2), g.expand(3), 0.7), torch.tensor([22.0]))


def test_the_map_is_the_point_minus_half_the_gradient(case):
    z, y, g, b = case
    gradient = gradient_of(lambda p, t: soft_c_transform(p, y, g, 0.8, b))(z, 0)
    torch.testing.assert_close(entropic_map(z, y, g, 0.8, b), z - 0.5 * gradient)


def test_small_epsilon_is_the_hard_transform(case):
    z, y, g, b = case
    torch.testing.assert_close(soft_c_transform(z, y, g, 1e-3, b), c_transform(z, y, g), atol=2e-3, rtol=0)


def test_the_map_is_the_barycentric_map_of_sinkhorn_s_plan(case):
    x, y, _, b = case
    a = torch.full((6,), 1 / 6)
    plan, log = ot.sinkhorn(a, b, squared_distances(x, y), 0.5, method="sinkhorn_log", stopThr=1e-13, log=True)
    g = 0.5 * (log["log_v"] - b.log())
    torch.testing.assert_close(entropic_map(x, y, g, 0.5, b), barycentric_map(plan, y))


def test_what_makes_no_sense_is_named(case):
    z, y, g, b = case
    with pytest.raises(FlowlibError, match="epsilon"):
        soft_c_transform(z, y, g, 0.0, b)
    with pytest.raises(FlowlibError, match="smallest weight"):
        entropic_map(z, y, g, 1.0, torch.tensor([0.5, 0.5, 0.0, 0.0]))
