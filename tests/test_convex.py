"""Input-convex potentials: derivatives against torch.func, convexity at any weights, and what it brings (M2, M3, M6, M11)."""

import pytest
import torch
from torch.func import grad, hessian, jacrev

from flowlib import transport
from flowlib.errors import FlowlibError
from flowlib.flows import ConvexBank, run_flow, smallest_eigenvalue

SHAPES = [(2, 5, 1, 0.0), (3, 4, 2, 0.0), (2, 3, 3, 0.2)]


def make(factors, dim, depth, floor, scale=1.0, width=7, seed=0):
    """A bank with weights of either sign far from where they start."""
    torch.manual_seed(seed)
    bank = ConvexBank(factors, dim, width, depth, horizon=4, floor=floor)
    for parameter in bank.parameters():
        parameter.data.normal_(0, scale)
    return bank


@pytest.mark.parametrize("shape", SHAPES)
def test_derivatives_agree_with_torch_func(double, shape):
    bank = make(*shape)
    z, t = torch.randn(bank.factors, 4, bank.dim), torch.rand(4) * 8
    found = bank(z, t, hessian=True)
    for k in range(bank.factors):

        def u(point, time):
            return bank(point[None, None], time, [k]).value[0, 0]  # noqa: B023

        for n in range(4):
            point = z[k, n], t[n]
            assert torch.allclose(found.value[k, n], u(*point), atol=1e-11)
            assert torch.allclose(found.gradient[k, n], grad(u)(*point), atol=1e-11)
            assert torch.allclose(found.time[k, n], grad(u, 1)(*point), atol=1e-11)
            assert torch.allclose(found.hessian[k, n], hessian(u)(*point), atol=1e-11)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [0.3, 1.0, 5.0])
def test_convex_at_any_weights(double, shape, scale):
    """Eigenvalues of the Hessian that autograd finds of the value, not of the closed form, which is a sum of squares."""
    for seed in range(5):
        bank = make(*shape, scale, seed=seed)
        h = transport.hessian(lambda z, t: bank(z[None], t, [1]).value[0], 3 * torch.randn(20, bank.dim), 2.0)  # noqa: B023
        assert (smallest_eigenvalue(h) > bank.floor - 1e-8 * (1 + h.abs().max())).all()


def test_a_chord_lies_above(double):
    bank = make(1, 3, 2, 0.0)
    x, y, s = 4 * torch.randn(500, 3), 4 * torch.randn(500, 3), torch.rand(500, 1)

    def phi(z):
        return bank(z[None], 1.0).value[0] + 0.5 * z.square().sum(-1)

    chord = (s[:, 0]) * phi(x) + (1 - s[:, 0]) * phi(y)
    assert (phi(s * x + (1 - s) * y) < chord + 1e-9).all()


def test_the_curvature_comes_from_every_layer_and_is_no_constant(double):
    """Without the quadratic term convexity is not strict; the layers' own curvature still bends the map."""
    bank = make(1, 3, 2, 0.0)
    bank.quadratic.data.zero_()
    h = bank(3 * torch.randn(1, 30, 3), 1.0, hessian=True).hessian[0] + torch.eye(3)
    assert h.std(0).max() > 0.05
    assert torch.linalg.eigvalsh(h)[:, -1].min() > 1e-3


def test_one_step_is_the_optimal_pairing_of_any_cloud_and_its_image(double):
    bank = make(1, 2, 2, 0.0)
    z = 2 * torch.randn(200, 2)
    y = run_flow(bank, z, 0, 1).path[:, 1].detach()
    plan, w2 = transport.optimal_coupling(z, y)
    assert torch.allclose(plan.diagonal() * len(z), torch.ones(len(z)))
    assert w2 == pytest.approx((z - y).square().sum(1).mean().item())


def test_two_steps_need_not_compose_to_an_optimal_map(double):
    bank = make(1, 2, 2, 0.0)
    z = 2 * torch.randn(200, 2)
    both = jacrev(lambda point: run_flow(bank, point[None], 0, 2).path[0, 2])(z[0])
    assert (both - both.mT).abs().max() > 0.01
    y = run_flow(bank, z, 0, 2).path[:, 2].detach()
    assert transport.optimal_coupling(z, y)[1] < (z - y).square().sum(1).mean() - 1e-3


def test_density_change_of_a_step_integrates_to_one(double):
    """M11 on the line: where no step folds, the moved density holds mass 1 and the mean of its image."""
    bank = make(1, 1, 2, 0.1)
    z = torch.linspace(-8, 8, 4001)[:, None]
    flow = run_flow(bank, z, 0, 1, hessian=True)
    y = flow.path[:, 1, 0]
    density = (torch.distributions.Normal(0, 1).log_prob(z[:, 0]) + flow.log_density_change()[:, 1]).exp()
    assert (y.diff() > 0).all()
    assert torch.trapezoid(density, y).item() == pytest.approx(1, abs=1e-6)


def test_starts_near_rest_and_learns_an_optimal_map(double):
    """Regression on the OT map between two Gaussians, which is ∇Φ of a quadratic."""
    torch.manual_seed(0)
    bank = ConvexBank(1, 2, 16, horizon=1)
    source = transport.Gaussian(torch.zeros(2), torch.eye(2))
    target = transport.Gaussian(torch.tensor([1.0, -1.0]), torch.tensor([[2.0, 0.6], [0.6, 0.5]]))
    best = transport.gaussian_map(source, target)
    z = source.sample(500, torch.Generator().manual_seed(1))
    assert run_flow(bank, z, 0, 1).velocity.norm(dim=-1).mean() < 1
    optimiser = torch.optim.Adam(bank.parameters(), 0.03)
    for _ in range(300):
        loss = (run_flow(bank, z, 0, 1).path[:, 1] - best(z)).square().sum(1).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.01


def test_each_factor_has_its_own_weights_and_may_be_chosen(double):
    bank = make(3, 4, 2, 0.0)
    z = torch.randn(3, 5, 4)
    all_at_once, two = bank(z, 2.0), bank(z[[2, 0]], 2.0, [2, 0])
    assert torch.allclose(all_at_once.gradient[[2, 0]], two.gradient)
    assert not torch.allclose(bank(z[:1].expand(3, -1, -1), 2.0).gradient[0], bank(z[:1].expand(3, -1, -1), 2.0).gradient[1])


@pytest.mark.parametrize("wrong", [{"floor": -0.1}, {"floor": 1.0}, {"depth": 0}])
def test_a_wrong_shape_is_refused(wrong):
    with pytest.raises(FlowlibError, match="="):
        ConvexBank(1, 2, 4, **wrong)
