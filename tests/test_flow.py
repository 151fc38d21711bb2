"""The posterior flow, its density, and the diffusion prior (M9–M11)."""

import math
from dataclasses import replace

import linear_gaussian as lg
import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal

from flowlib.errors import FlowlibError
from flowlib.flows import Derivatives, DiffusionPrior, PotentialBank, estimated_density_change, group_by_factor, run_flow
from flowlib.transport import Gaussian, GaussianPotential, gaussian_map, gaussian_w2


def bank(head=1.0):
    """Three potentials in four dimensions with visible curvature."""
    torch.manual_seed(0)
    made = PotentialBank(3, 4, 8)
    made.head.data.normal_().mul_(head)
    return made


class OptimalBank:
    """The exact T-step potential between two Gaussians, with the interface of a bank of one."""

    factors = 1

    def __init__(self, potential):
        self.potential = potential

    def __call__(self, z, t, factor=None, hessian=False):
        u, flat = self.potential, z[0]
        curvature = u.hessian(flat, t)[None] if hessian else None
        return Derivatives(u(flat, t)[None], u.gradient(flat, t)[None], u.time_derivative(flat, t)[None], curvature)


def test_gaussian_optimal_transport_in_t_steps(double, generator):
    """Exact case 1: residual 0, the map is Bures', Σ log det = log det A, T Σ E‖∇u‖² = W₂²."""
    steps = 5
    source = Gaussian(torch.tensor([1.0, -1.0]), torch.tensor([[1.0, 0.3], [0.3, 0.5]]))
    target = Gaussian(torch.tensor([-2.0, 0.5]), torch.tensor([[0.4, -0.2], [-0.2, 2.0]]))
    z = source.sample(20_000, generator)
    flow = run_flow(OptimalBank(GaussianPotential(source, target, steps)), z, 0, steps, hessian=True)
    optimal = gaussian_map(source, target)
    assert flow.residual.abs().max() < 1e-10
    assert torch.allclose(flow.path[:, -1], optimal(z), atol=1e-10)
    log_det = torch.linalg.slogdet(optimal.matrix).logabsdet
    assert torch.allclose(flow.log_density_change()[:, -1], -log_det.expand(len(z)), atol=1e-10)
    costs = steps * flow.velocity.square().sum((1, 2))
    assert abs(costs.mean() - gaussian_w2(source, target)) < 4 * costs.std() / len(z) ** 0.5


def test_log_density_of_an_affine_flow_is_exact(double, generator):
    """Linear steps keep a Gaussian Gaussian: its density is known without any determinant of ours."""
    model, _ = lg.build("marginal")
    start = MultivariateNormal(torch.zeros(2), torch.eye(2))
    z = start.sample((50,))
    flow = run_flow(model.potentials, z, 1, 3, hessian=True)
    mean, covariance = np.zeros(2), np.eye(2)
    for t in (1, 2, 3):
        step = np.eye(2) + t * model.potentials.matrices[1].numpy()
        mean, covariance = step @ mean + t * model.potentials.offsets[1].numpy(), step @ covariance @ step.T
        expected = MultivariateNormal(torch.tensor(mean), torch.tensor(covariance)).log_prob(flow.path[:, t])
        assert torch.allclose(start.log_prob(z) + flow.log_density_change()[:, t], expected)


def test_grouping_is_only_an_arrangement():
    """One factor, a grouped batch and a mixed batch give every sample the same path."""
    z, made = torch.randn(6, 4, generator=torch.Generator().manual_seed(3)), bank()
    grouped = torch.tensor([0, 0, 1, 1, 2, 2])
    order = torch.tensor([4, 0, 2, 5, 3, 1])
    together = run_flow(made, z, grouped, 4).path
    mixed = run_flow(made, z[order], grouped[order], 4).path
    assert torch.allclose(together[order], mixed, atol=1e-6)
    for k in range(3):
        alone = run_flow(made, z[grouped == k], k, 4).path
        assert torch.allclose(together[grouped == k], alone, atol=1e-6)
    assert group_by_factor(z, grouped, 3)[1] is None  # no gather for a training batch
    assert not torch.allclose(run_flow(made, z, 0, 4).path, run_flow(made, z, 1, 4).path, atol=1e-2)


def test_time_labels_start_at_one_and_can_start_later():
    made, z = bank(), torch.randn(2, 4)
    path = run_flow(made, z, 0, 3).path
    by_hand = z + made(z[None], 1.0, [0]).gradient[0]
    assert torch.allclose(path[:, 1], by_hand)
    assert torch.allclose(run_flow(made, path[:, 1], 0, 2, first=2).path, path[:, 1:], atol=1e-6)


def test_what_a_bank_says_at_all_times_is_what_it_says_at_each():
    """Fractional labels too, and one index, several, or none."""
    made, z = bank(), torch.randn(3, 5, 4)
    for times in ([1, 2, 3], [0.5, 1.25]):
        for index, here in ((None, z), ([2], z[:1]), (torch.tensor([1, 0]), z[:2])):
            for t, field in zip(times, made.along(times, index), strict=True):
                found, alone = field(here, hessian=True), made(here, t, index, hessian=True)
                for name in ("value", "gradient", "time", "hessian"):
                    assert torch.allclose(getattr(found, name), getattr(alone, name), atol=1e-6), name


def test_a_subclass_moves_by_its_own_field():
    """`run_flow` asks a bank for all times at once; where a subclass has written `forward` anew, that is what moves the codes."""

    class Doubled(PotentialBank):
        def forward(self, z, t, factor=None, hessian=False):
            return replace(super().forward(z, t, factor, hessian), gradient=2 * super().forward(z, t, factor).gradient)

    made, z = Doubled(3, 4, 8), torch.randn(2, 4)
    made.load_state_dict(bank().state_dict())
    first = run_flow(made, z, 1, 2).path[:, 1]
    assert torch.allclose(first, z + 2 * bank()(z[None], 1, [1]).gradient[0]) and not torch.allclose(first, z, atol=1e-3)


def test_noise_has_the_kernels_variance(generator):
    made = bank(head=0.0)
    flow = run_flow(made, torch.zeros(20_000, 4), 0, 3, noise_scale=torch.tensor(0.2), generator=generator)
    variance = flow.path.var((0, 2))
    assert torch.allclose(variance, 0.04 * torch.arange(4.0), atol=0.003)
    assert torch.allclose(flow.path[:, 1], 0.2 * flow.noise[:, 0])


def test_a_plain_scale_of_the_noise_keeps_double_precision(double):
    bank = PotentialBank(1, 2, 4, 1, 3)
    z, generator = torch.zeros(5, 2), torch.Generator().manual_seed(0)
    found = run_flow(bank, z, 0, 1, noise_scale=0.1, generator=generator)
    torch.testing.assert_close(found.path[:, 1] - z - found.velocity[:, 0], 0.1 * found.noise[:, 0], rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("steps", [0, 2])
def test_no_codes_at_all_may_flow(steps):
    labels = torch.zeros(0, dtype=torch.int64)
    assert run_flow(PotentialBank(3, 2, 4, 1, 3), torch.zeros(0, 2), labels, steps).path.shape == (0, steps + 1, 2)


def test_estimated_density_change_is_unbiased(double, generator):
    made = bank(head=0.3)
    z = torch.randn(1, 4, generator=generator).expand(4000, -1)
    exact = run_flow(made, z[:1], 1, 3, hessian=True).log_density_change()[0]
    found = estimated_density_change(made, run_flow(made, z, 1, 3), 1, generator, terms=20)
    error = found.std(0) / len(z) ** 0.5
    assert bool(((found.mean(0) - exact).abs() <= 4 * error + 1e-12).all())
    assert exact.abs().max() > 20 * error.max()


def test_the_series_takes_the_labels_of_the_steps(double, generator):
    """Of a path that begins with label 5: the exact log-determinant there, to which the series converges."""
    made = bank(head=0.1)
    made.frequencies.mul_(3)  # so that labels matter
    z = torch.randn(1, 4, generator=generator).expand(2000, -1)
    found = {first: estimated_density_change(made, run_flow(made, z, 1, 2, first), 1, generator, terms=12, first=first) for first in (1, 5)}
    exact = {first: run_flow(made, z[:1], 1, 2, first, hessian=True).log_density_change()[0] for first in found}
    for first, values in found.items():
        assert ((values.mean(0) - exact[first]).abs() <= 4 * values.std(0) / len(z) ** 0.5 + 1e-9).all()
    assert (exact[1] - exact[5]).abs().max() > 20 * (values.std(0) / len(z) ** 0.5).max()


def test_each_sample_may_have_a_first_label_of_its_own(double, generator):
    made, z, first = bank(), torch.randn(3, 4, generator=generator), torch.tensor([1, 4, 2])
    found = run_flow(made, z, 2, 3, first).path
    alone = torch.cat([run_flow(made, z[b : b + 1], 2, 3, int(first[b])).path for b in range(3)])
    torch.testing.assert_close(found, alone, rtol=1e-12, atol=1e-12)
    assert (found - run_flow(made, z, 2, 3, 1).path).abs().max() > 1e-3


def test_a_mixture_has_its_own_hessian_and_needs_a_weight_of_every_potential(double, generator):
    made, z, weights = bank(), torch.randn(2, 4, generator=generator), torch.rand(2, 3, generator=generator)
    mixed = run_flow(made.double(), z, weights, 1, hessian=True)
    expected = sum(weights[:, k, None, None] * run_flow(made, z, k, 1, hessian=True).hessian[:, 0] for k in range(3))
    assert torch.allclose(mixed.hessian[:, 0], expected)
    with pytest.raises(FlowlibError, match=r"mixture of shape \(2, 2\): give a weight for each of 2 samples and 3 factors"):
        run_flow(made, z, weights[:, :2], 1)
    with pytest.raises(FlowlibError, match="one factor for each sample"):
        estimated_density_change(made, mixed, weights)


@pytest.mark.parametrize("steps, factor", [(-1, 0), (2, 3), (2, -1)])
def test_impossible_flows_are_refused(steps, factor):
    with pytest.raises(FlowlibError, match="steps = -1|does not exist"):
        run_flow(bank(), torch.randn(2, 4), factor, steps)


class TestPrior:
    def test_particles_and_density_solve_the_heat_equation(self, double, generator):
        """Brownian motion of variance 2Dt from N(0, I) has the same marginals, and log p_t is their density."""
        prior = DiffusionPrior(2, 0.3).double()
        z = torch.randn(40_000, 3, generator=generator)
        path = prior.transport(z, 1, 4)
        brownian = z + (2 * 0.3 * 4) ** 0.5 * torch.randn(z.shape, generator=generator)
        for moved in (path[:, 4], brownian):
            assert torch.allclose(torch.cov(moved.T), 3.4 * torch.eye(3), atol=0.1)
        expected = MultivariateNormal(torch.zeros(3), 3.4 * torch.eye(3)).log_prob(path[:, 4])
        assert torch.allclose(prior.log_prob(path[:, 4:], 1, torch.tensor([4.0]))[:, 0], expected)

    def test_particles_solve_their_equation_of_motion(self, double):
        """dz/dt = D z / (1 + 2 D t), by a central difference of the closed form."""
        prior = DiffusionPrior(1, 0.2)
        times = torch.tensor([2.0 - 1e-5, 2.0, 2.0 + 1e-5])
        scale = prior.variance(0, times).sqrt()
        assert ((scale[2] - scale[0]) / 2e-5).item() == pytest.approx((0.2 * scale[1] / (1 + 0.8)).item(), rel=1e-6)

    def test_each_factor_has_its_own_learned_diffusion(self):
        prior = DiffusionPrior(3, 0.1)
        prior.log_diffusion.data = torch.tensor([0.1, 0.2, 0.3]).log()
        assert torch.allclose(prior.diffusion(torch.tensor([2, 0])), torch.tensor([0.3, 0.1]))
        assert not DiffusionPrior(3, 0.1, learned=False).log_diffusion.requires_grad

    def test_no_diffusion_is_refused(self):
        with pytest.raises(FlowlibError, match="diffusion = 0"):
            DiffusionPrior(1, 0)


def test_a_fold_makes_the_marginal_objective_exceed_the_truth(double, generator):
    """z ↦ 3 sin 3z is not injective: log q − log|det| counts one of the places that arrive, so the 'ELBO' beats log p."""

    class Fold:
        """u(z) = −cos 3z − z²/2, whose step is z + ∇u = 3 sin 3z."""

        factors = 1

        def __call__(self, z, t, factor=None, hessian=False):
            nothing = torch.zeros_like(z[..., 0])
            return Derivatives(nothing, 3 * torch.sin(3 * z) - z, nothing, (9 * torch.cos(3 * z) - 1)[..., None])

    z = torch.randn(200_000, 1, generator=generator)
    flow = run_flow(Fold(), z, 0, 1, hessian=True)
    log_q = -0.5 * z[:, 0] ** 2 - 0.5 * math.log(2 * math.pi) + flow.log_density_change()[:, 1]
    folded = flow.path[:, 1, 0]
    bins = torch.histogram(folded, bins=60, range=(-2.9, 2.9), density=True)
    centre = 0.5 * (bins.bin_edges[29] + bins.bin_edges[30])
    near = (folded - centre).abs() < 0.05
    assert bins.hist[29].item() > 1.5 * log_q[near].exp().mean().item()
