"""The Hamilton–Jacobi penalties (M12): by hand, with torch.func's traces, and on an optimal potential."""

import pytest
import torch
from test_flow import bank

from flowlib.config import Config
from flowlib.flows import Derivatives, PotentialBank, Trajectory, run_flow
from flowlib.models import HJPenalty, driven_residual
from flowlib.transport import Gaussian, GaussianPotential, gaussian_w2


class TestPenalty:
    def penalty(self, kind, made, flow, factor=0):
        return HJPenalty(kind, 3, 4, Config(potential_width=8))(made, flow, factor)

    def test_zero_is_the_mean_square_residual_of_every_sample(self):
        made, z = bank(), torch.randn(6, 4)
        flow = run_flow(made, z, 0, 3)
        by_hand = []
        for n in range(6):
            for t in (1, 2, 3):
                at = made(flow.path[None, n : n + 1, t - 1], float(t), [0])
                by_hand.append((at.time + 0.5 * at.gradient.square().sum(-1)).item() ** 2)
        assert self.penalty("zero", made, flow).item() == pytest.approx(sum(by_hand) / 18, rel=1e-5)
        assert self.penalty("none", made, flow) == 0

    @pytest.mark.parametrize("factor", [1, torch.tensor([0, 0, 1, 2, 2, 1])])
    def test_viscous_adds_the_diffusion_times_the_laplacian(self, double, factor):
        """Of every sample at its own time with its own D, the trace from torch.func; D gets no gradient."""
        made, z = bank(), torch.randn(6, 4)
        diffusion = torch.linspace(0.1, 0.6, 6).requires_grad_()
        flow = run_flow(made, z, factor, 3)
        squares = []
        for n, k in enumerate([factor] * 6 if isinstance(factor, int) else factor.tolist()):
            for t in (1, 2, 3):
                here = flow.path[n, t - 1]
                trace = torch.func.hessian(lambda p: made(p[None, None], float(t), [k]).value[0, 0])(here).trace()  # noqa: B023
                squares.append((flow.residual[n, t - 1] + diffusion[n] * trace).square())
        penalty = HJPenalty("viscous", 3, 4, Config(potential_width=8))(made, flow, factor, diffusion)
        assert penalty.item() == pytest.approx(torch.stack(squares).mean().item())
        assert torch.autograd.grad(penalty, diffusion, allow_unused=True) == (None,)

    @pytest.mark.parametrize("kind", ["number", "labels", "mixture", "program"])
    def test_a_time_free_potential_has_an_energy_of_its_own(self, kind):
        """r − E_k, of a program r − Σ E_k of the factors that act."""
        torch.manual_seed(2)
        made, z, labels = PotentialBank(3, 4, 8, time_free=True), torch.randn(6, 4), torch.tensor([0, 0, 1, 2, 2, 1])
        one_hot = torch.nn.functional.one_hot(labels, 3).float()
        program = torch.stack([one_hot, one_hot + one_hot.roll(1, 1), one_hot], 1)
        factor = {"number": 2, "labels": labels, "mixture": one_hot, "program": program}[kind]
        penalty = HJPenalty("zero", 3, 4, Config(time_free=True))
        penalty.energy.data = torch.tensor([0.1, 0.2, 0.4])
        flow = run_flow(made, z, factor, 3)
        expected = {"number": torch.tensor(0.4), "labels": penalty.energy[labels][:, None]}.get(kind)
        if expected is None:
            acting = program if kind == "program" else one_hot[:, None].expand(-1, 3, -1)
            expected = torch.stack([(acting[:, t] * penalty.energy).sum(1) for t in range(3)], 1)
        by_hand = (0.5 * flow.velocity.square().sum(-1) - expected).square().mean()
        assert penalty(made, flow, factor).item() == pytest.approx(by_hand.item(), rel=1e-5)
        assert HJPenalty("zero", 3, 4, Config()).energy is None

    def test_paper_variant_is_what_it_says(self):
        torch.manual_seed(1)
        made, z = bank(), torch.randn(6, 4)
        penalty = HJPenalty("paper", 3, 4, Config(potential_width=8))
        penalty.force.head.data.normal_()
        flow = run_flow(made, z, 2, 3)
        force = torch.stack([penalty.force(flow.path[None, :, t - 1], float(t), [2]).value[0] for t in (1, 2, 3)], 1)
        start, still = made(z[None], 0.0, [2]).gradient[0], penalty.force(z[None], 0.0, [2]).value[0]
        expected = (flow.residual + force**2).square().mean() + start.square().sum(-1).mean() + still.square().mean()
        assert penalty(made, flow, 2).item() == pytest.approx(expected.item(), rel=1e-5)

    def test_a_free_force_leaves_only_the_positive_residual(self):
        """(r + f²)² with f free: zero for r ≤ 0, r² for r > 0, so the inequality alone constrains nothing (M12)."""
        residual = torch.tensor([-2.0, -0.5, 0.7])
        path = torch.arange(4.0)[None, :, None]  # step t begins at z = t − 1, so a force of z can be chosen freely at each

        class Force(PotentialBank):
            def forward(self, z, t, factor=None):
                value = residual.clamp(max=0).neg().sqrt()[z[..., 0].long()]
                return Derivatives(value, torch.zeros_like(z), torch.zeros_like(value), None)

        flow = Trajectory(path, torch.zeros(1, 3, 1), residual[None])
        assert driven_residual(Force(1, 1, 1), flow, 0).item() == pytest.approx(0.49 / 3)

    def test_on_the_optimal_potential_the_papers_start_term_is_w2_not_zero(self, double, generator):
        source = Gaussian(torch.zeros(2), torch.eye(2))
        target = Gaussian(torch.tensor([3.0, 0.0]), torch.eye(2) * 1.5)
        u = GaussianPotential(source, target, 1)
        squares = u.gradient(source.sample(40_000, generator), 1).square().sum(-1)
        assert squares.mean().item() == pytest.approx(gaussian_w2(source, target).item(), rel=0.02)
