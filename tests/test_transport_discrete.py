"""Transport between point clouds, against scipy's programmes, sorting, POT, and two points by hand."""

import math

import numpy as np
import ot
import pytest
import torch
from scipy.optimize import linear_sum_assignment, linprog
from transport_cases import jaxtyping_off

from flowlib.errors import FlowlibError
from flowlib.transport import (
    barycentric_map,
    c_transform,
    dual_potentials,
    gradient_of,
    map_from_dual,
    optimal_coupling,
    optimal_pairing,
    quantile_map_1d,
    sinkhorn_coupling,
    squared_distances,
    w2_1d,
)

pytestmark = pytest.mark.usefixtures("double")


@pytest.fixture
def clouds(generator, double):
    """x (5, 2) and y (7, 2) with unequal weights a and b."""
    a, b = torch.rand(5, generator=generator) + 0.1, torch.rand(7, generator=generator) + 0.1
    x, y = torch.randn(5, 2, generator=generator), 1 + torch.randn(7, 2, generator=generator)
    return x, y, a / a.sum(), b / b.sum()


def test_cost_is_the_squared_distance():
    x, y = torch.tensor([[0.0, 0.0], [1.0, 2.0]]), torch.tensor([[3.0, 4.0]])
    torch.testing.assert_close(squared_distances(x, y), torch.tensor([[25.0], [8.0]]))


def test_uniform_coupling_is_the_best_assignment(generator):
    x, y = torch.randn(12, 3, generator=generator), torch.randn(12, 3, generator=generator)
    plan, w2 = optimal_coupling(x, y)
    cost = torch.cdist(x, y) ** 2
    rows, columns = linear_sum_assignment(cost.numpy())
    expected = torch.zeros(12, 12)
    expected[rows, columns] = 1 / 12
    torch.testing.assert_close(plan, expected)
    torch.testing.assert_close(w2, cost[rows, columns].mean())


def test_pairing_is_the_best_assignment_in_the_order_of_x(generator):
    x, y = torch.randn(9, 3, generator=generator), torch.randn(9, 3, generator=generator)
    columns = linear_sum_assignment((torch.cdist(x, y) ** 2).numpy())[1]
    assert optimal_pairing(x, y).tolist() == columns.tolist()
    shuffled = torch.randperm(9, generator=generator)
    assert optimal_pairing(x, x[shuffled]).tolist() == shuffled.argsort().tolist()


def test_pairing_of_unequal_numbers_is_refused():
    with jaxtyping_off(), pytest.raises(FlowlibError, match="cannot be paired with 3"):
        optimal_pairing(torch.randn(2, 1), torch.randn(3, 1))


def test_weighted_coupling_solves_the_linear_programme(clouds):
    x, y, a, b = clouds
    plan, w2 = optimal_coupling(x, y, a, b)
    rows, columns = np.kron(np.eye(5), np.ones(7)), np.kron(np.ones(5), np.eye(7))
    cost, marginals = (torch.cdist(x, y) ** 2).flatten().numpy(), torch.cat([a, b]).numpy()
    oracle = linprog(cost, A_eq=np.vstack([rows, columns]), b_eq=marginals)
    assert w2.item() == pytest.approx(oracle.fun, rel=1e-9)
    torch.testing.assert_close(plan.sum(1), a)
    torch.testing.assert_close(plan.sum(0), b)
    assert (plan >= 0).all()


def test_value_is_differentiable(generator):
    """∂W₂²/∂x_i = 2 (x_i − T(x_i)) / n, checked on a line, where T sorts."""
    x, y = torch.randn(6, 1, generator=generator).requires_grad_(), torch.randn(6, 1, generator=generator)
    optimal_coupling(x, y)[1].backward()
    image = y.sort(0).values[x.detach()[:, 0].argsort().argsort()]
    torch.testing.assert_close(x.grad, 2 * (x.detach() - image) / 6)


def test_duality_and_complementary_slackness(clouds):
    x, y, a, b = clouds
    plan, w2 = optimal_coupling(x, y, a, b)
    f, g = dual_potentials(x, y, a, b)
    slack = torch.cdist(x, y) ** 2 - f[:, None] - g
    assert slack.min() > -1e-9
    assert (plan * slack).abs().max() < 1e-12
    assert slack.max() > 0.1
    torch.testing.assert_close(a @ f + b @ g, w2)
    torch.testing.assert_close(c_transform(x, y, g), f)


def test_map_from_dual_is_optimal_on_the_points(clouds):
    """T(x_i) is one of the points where the constraint is tight."""
    x, y, a, b = clouds
    f, g = dual_potentials(x, y, a, b)
    image = map_from_dual(x, y, g)
    chosen = torch.cdist(image, y).argmin(1)
    torch.testing.assert_close((x - image).square().sum(1), f + g[chosen])


def test_map_from_dual_is_brenier_between_the_points(clouds, generator):
    x, y, a, b = clouds
    _, g = dual_potentials(x, y, a, b)
    z = 2 * torch.randn(30, 2, generator=generator)
    image = map_from_dual(z, y, g)
    torch.testing.assert_close(image, z - 0.5 * gradient_of(lambda p, t: c_transform(p, y, g))(z, 0))
    monotone = ((image[:, None] - image) * (z[:, None] - z)).sum(-1)
    assert monotone.min() > -1e-12
    assert len(image.unique(dim=0)) > 3


def test_barycentric_map(clouds):
    x, y, a, b = clouds
    torch.testing.assert_close(barycentric_map(a[:, None] * b, y), (b @ y).expand(5, 2))
    permutation = torch.eye(7).roll(2, 1) / 7
    torch.testing.assert_close(barycentric_map(permutation, y), y.roll(-2, 0))


@pytest.mark.parametrize("epsilon", [0.3, 2.0])
def test_sinkhorn_between_two_pairs_by_hand(epsilon):
    """x = y = {0, 1}: 2P = [[p, 1 − p], [1 − p, p]], p/(1 − p) = e^{1/ε}; value −ε log[(1 + e^{−1/ε})/2]."""
    x = torch.tensor([[0.0], [1.0]])
    found = sinkhorn_coupling(x, x, epsilon, tolerance=1e-13)
    p = 1 / (1 + math.exp(-1 / epsilon))
    torch.testing.assert_close(found.plan, torch.tensor([[p, 1 - p], [1 - p, p]]) / 2)
    assert found.transport_cost.item() == pytest.approx(1 - p)
    assert found.entropic_cost.item() == pytest.approx(-epsilon * math.log((1 + math.exp(-1 / epsilon)) / 2))


def test_entropic_bias_falls_with_epsilon(clouds):
    x, y, a, b = clouds
    _, w2 = optimal_coupling(x, y, a, b)
    found = [sinkhorn_coupling(x, y, epsilon, a, b) for epsilon in (3.0, 1.0, 0.3, 0.03)]
    bias = [(s.transport_cost - w2).item() for s in found]
    assert bias == sorted(bias, reverse=True) and bias[0] > 0.1 and 0 <= bias[-1] < 0.01
    for one in found:
        torch.testing.assert_close(one.plan.sum(1), a)
        torch.testing.assert_close(one.plan.sum(0), b, atol=1e-8, rtol=0)
        assert one.transport_cost <= one.entropic_cost


def test_entropic_cost_is_differentiable(clouds):
    x, y, a, b = clouds
    value = lambda x, y: sinkhorn_coupling(x, y, 1.0, a, b, tolerance=1e-13).entropic_cost  # noqa: E731
    assert torch.autograd.gradcheck(value, (x.requires_grad_(), y.requires_grad_()), atol=1e-6)


@pytest.mark.parametrize("n, m", [(8, 8), (6, 9), (5, 7), (4, 1)])
def test_quantiles_on_a_line(n, m, generator):
    x, y = torch.randn(n, generator=generator), 3 + 2 * torch.randn(m, generator=generator)
    torch.testing.assert_close(w2_1d(x, y), torch.as_tensor(ot.emd2_1d(x.numpy(), y.numpy())))
    torch.testing.assert_close(w2_1d(x, y), optimal_coupling(x[:, None], y[:, None])[1])
    plan = torch.as_tensor(ot.emd_1d(x.numpy(), y.numpy()))
    torch.testing.assert_close(quantile_map_1d(x, y), barycentric_map(plan, y[:, None])[:, 0])


def test_quantile_value_is_differentiable():
    x = torch.tensor([3.0, 1.0], requires_grad=True)
    w2_1d(x, torch.tensor([5.0, 2.0])).backward()
    torch.testing.assert_close(x.grad, torch.tensor([-2.0, -1.0]))


def test_single_precision_stays_single(generator):
    x, y = torch.randn(6, 2, generator=generator).float(), torch.randn(6, 2, generator=generator).float()
    plan, w2 = optimal_coupling(x, y)
    f, g = dual_potentials(x, y)
    entropic = sinkhorn_coupling(x, y, 1.0)
    results = [plan, w2, f, g, entropic.plan, entropic.entropic_cost, w2_1d(x[:, 0], y[:, 0])]
    assert {r.dtype for r in results} == {torch.float32}


def test_some_hundred_grains_in_the_worst_order_are_solved_exactly():
    """POT's own limit of 1e5 pivots ends above the optimum here, with a warning alone."""
    x, y = torch.linspace(0, 1, 600), torch.linspace(3, 2, 600) ** 2
    plan, w2 = optimal_coupling(x[:, None], y[:, None])
    torch.testing.assert_close(w2, w2_1d(x, y), rtol=1e-9, atol=0)
    f, g = dual_potentials(x[:, None], y[:, None])
    assert ((x[:, None] - y) ** 2 - f[:, None] - g).min() > -1e-9
    torch.testing.assert_close(f.mean() + g.mean(), w2)


@pytest.mark.parametrize("solve", [optimal_coupling, dual_potentials])
def test_an_end_before_the_optimum_is_an_error(solve, monkeypatch, generator):
    monkeypatch.setattr("flowlib.transport.discrete.MOST_PIVOTS", 3)
    x, y = torch.randn(40, 2, generator=generator), torch.randn(40, 2, generator=generator)
    with pytest.raises(FlowlibError, match="40 × 40 points was not solved.*sinkhorn_coupling"):
        solve(x, y)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("epsilon", [1e3, 1e6, 1e8, 1e12])
def test_large_epsilon_costs_what_the_independent_plan_costs(dtype, epsilon, generator):
    """As ε grows the entropic cost rises to ⟨a⊗b, C⟩ − Var/2ε + …, Var the variance of C without its row and column means."""
    x, y = (torch.rand(n, 2, generator=generator) for n in (60, 50))
    cost = torch.cdist(x, y) ** 2
    rest = cost - cost.mean(0) - cost.mean(1, keepdim=True) + cost.mean()
    expected = cost.mean() - rest.square().mean() / (2 * epsilon)
    found = sinkhorn_coupling(x.to(dtype), y.to(dtype), epsilon)
    rounding = 1e-6 if dtype == torch.float32 else 1e-9
    assert found.entropic_cost.item() == pytest.approx(expected.item(), rel=rounding)
    assert found.transport_cost <= found.entropic_cost * (1 + rounding)


@pytest.mark.parametrize("call", [c_transform, map_from_dual])
@pytest.mark.parametrize("g", [torch.zeros(4, 1), torch.zeros(1), torch.zeros(5)], ids=str)
def test_prices_are_one_for_each_point(call, g):
    with jaxtyping_off(), pytest.raises(FlowlibError, match=r"g has shape .*; it has to be \(4,\)"):
        call(torch.zeros(4, 2), torch.zeros(4, 2), g)


def test_marginals_are_met_to_the_tolerance_or_it_is_an_error():
    """What twenty iterations reach is refused where a tenth of it is asked for."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(12, 2, generator=generator, dtype=torch.float64), torch.randn(9, 2, generator=generator, dtype=torch.float64)
    plan = sinkhorn_coupling(x, y, 1.0, max_iterations=20, tolerance=1e-3).plan
    off = float((plan.sum(0) - 1 / 9).norm())
    assert 1e-5 < off < 1e-3
    with pytest.raises(FlowlibError, match="Sinkhorn is off by"):
        sinkhorn_coupling(x, y, 1.0, max_iterations=20, tolerance=off / 10)
