"""The fit of a potential (M12): its measurements on the exact potential, its penalties, and that it learns."""

import json

import pytest
import torch

from flowlib.experiments import potential_fit as experiment
from flowlib.flows import Derivatives, PotentialBank, Trajectory, run_flow
from flowlib.models import HJPenalty
from flowlib.transport import Gaussian, GaussianPotential, gaussian_w2, hamilton_jacobi_residual


class ExactBank(PotentialBank):
    """A bank of one potential, the closed form, which must cost W₂² and arrive."""

    def __init__(self, source, target):
        super().__init__(1, 2, width=1)
        self.exact = GaussianPotential(source, target, experiment.STEPS)

    def forward(self, z, t, factor=None, hessian=False):
        u = self.exact
        return Derivatives(u(z[0], t)[None], u.gradient(z[0], t)[None], u.time_derivative(z[0], t)[None],
                           u.hessian(z[0], t)[None] if hessian else None)  # fmt: skip


@pytest.fixture
def slanted():
    """A pair whose map is not diagonal."""
    target = Gaussian(torch.tensor([1.0, -2.0]).double(), torch.tensor([[1.0, 0.6], [0.6, 0.8]]).double())
    return {"source": experiment.SOURCE, "target": target}


def residuals(values):
    """A trajectory with the given residuals (B, T) and nothing else."""
    still = torch.zeros(len(values), values.shape[1], 2)
    return Trajectory(torch.zeros(len(values), values.shape[1] + 1, 2), still, values)


def test_the_task_costs_nine_and_a_half():
    assert gaussian_w2(experiment.SOURCE, experiment.TARGET) == pytest.approx(9.5)


def test_the_exact_potential_is_measured_as_optimal(slanted):
    report = experiment.measure_fit(ExactBank(**slanted), particles=200, **slanted)
    assert report.action.item() == pytest.approx(report.displacement.item(), rel=1e-9)
    assert report.displacement.item() == pytest.approx(report.w2.item(), rel=1e-9)
    assert report.mismatch.abs().item() < 1e-9 and report.residual.abs().max() < 1e-9
    assert torch.allclose(report.speed, report.speed[:, :1].expand_as(report.speed))


def test_the_mismatch_is_the_divergence_when_nothing_moves(slanted):
    z = experiment.SOURCE.sample(200_000, torch.Generator().manual_seed(0))
    rest = Trajectory(torch.stack([z, z], 1), z[:, None] * 0, z[:, :1] * 0, hessian=torch.zeros(len(z), 1, 2, 2).double())
    p, q = (torch.distributions.MultivariateNormal(g.mean, g.covariance) for g in slanted.values())
    expected = torch.distributions.kl_divergence(p, q)
    assert experiment.end_mismatch(rest, **slanted).mean().item() == pytest.approx(expected.item(), rel=0.02)


def test_the_positive_part_is_what_the_best_force_leaves():
    r = torch.tensor([[-2.0, 0.5], [0.0, 3.0]])
    force = torch.linspace(0, 2, 20_001)
    best = (r[..., None] + force**2).square().amin(-1).mean()
    assert experiment.PositivePart()(None, residuals(r), 0).item() == pytest.approx(best.item(), abs=1e-5)
    assert experiment.PositivePart(slope=3.0)(None, residuals(r), 0).item() == 0


def test_the_driven_residual_is_the_paper_s_penalty_without_its_terms_at_the_start():
    paper, driven = (experiment.make_penalty(kind, 2).double() for kind in ("paper", "driven"))
    driven.force.load_state_dict(paper.force.state_dict())
    bank = PotentialBank(2, 2, experiment.WIDTH, horizon=experiment.STEPS).double()
    z = experiment.SOURCE.sample(10, torch.Generator().manual_seed(0))
    factor = torch.arange(2).repeat_interleave(5)
    flow = run_flow(bank, z, factor, experiment.STEPS)
    start = bank(z.reshape(2, 5, 2), 0).gradient.square().sum(-1).mean()
    still = paper.force(z.reshape(2, 5, 2), 0).value.square().mean()
    whole = paper(bank, flow, factor).item()
    assert whole == pytest.approx((driven(bank, flow, factor) + start + still).item(), rel=1e-12)


def test_a_slope_in_time_lowers_the_residual_and_moves_nobody():
    z = torch.randn(5, 2, generator=torch.Generator().manual_seed(0)).double()
    u = GaussianPotential(experiment.SOURCE, experiment.TARGET)
    gradient = torch.func.grad(lambda x: (u(x, 1.3) - 4 * 1.3).sum())(z)
    assert torch.allclose(gradient, u.gradient(z, 1.3))
    r = hamilton_jacobi_residual(u.time_derivative(z, 1.3) - 4, gradient)
    assert torch.allclose(r, torch.full_like(r, -4))


def test_penalties_by_name_and_one_s_own():
    own = torch.nn.Identity()
    assert experiment.make_penalty(own, 2) is own
    assert isinstance(experiment.make_penalty("positive", 2), experiment.PositivePart)
    paper = experiment.make_penalty("paper", 2)
    assert isinstance(paper, HJPenalty) and paper.kind == "paper" and paper.force.factors == 2


def test_a_short_fit_reaches_the_end_and_the_penalty_lowers_the_action():
    short = {"repeats": 2, "samples": 32, "iterations": 120}
    free, held = (experiment.measure_fit(experiment.fit_potential(kind, **short)) for kind in ("none", "zero"))
    assert max(free.mismatch.max(), held.mismatch.max()) < 0.2
    assert (held.action / held.w2).max() < (free.action / free.w2).min() - 0.1
    assert (free.action >= free.displacement - 1e-9).all() and (free.displacement >= free.w2 - 1e-9).all()


def test_a_fit_repeats_itself_and_leaves_the_global_generator_alone():
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    first, again = (experiment.fit_potential("paper", repeats=2, samples=8, iterations=3) for _ in range(2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not torch.equal(first.weights[0][0], first.weights[0][1])


def test_the_stored_sweep_is_complete_and_in_the_experiment_s_form():
    rows = experiment.read_sweep()
    assert [row["kind"] for row in rows] == ["none"] + [k for k in experiment.KINDS for _ in experiment.WEIGHTS]
    assert all(len(row["action_over_w2"]) == len(row["mismatch"]) == 8 for row in rows)
    fresh = experiment.sweep(kinds=("zero",), weights=(1.0,), repeats=2, samples=8, iterations=2)
    trained = {"commit": "abc"}
    made = json.loads(json.dumps(experiment.as_results(fresh, trained)))["rows"]
    assert [set(row["config"] | row["metrics"]) for row in made] == [set(rows[0])] * 2
    assert all(row["trained"]["seconds"] >= 0 and row["trained"]["commit"] == "abc" for row in made)


def test_the_bank_of_repeats_flows_one_by_one():
    bank = experiment.fit_potential("none", repeats=2, samples=8, iterations=2)
    z = experiment.SOURCE.sample(4, torch.Generator().manual_seed(0))
    second = run_flow(bank, z, 1, experiment.STEPS, hessian=True)
    report = experiment.measure_fit(bank, particles=4, seed=0)
    assert torch.allclose(report.residual[1], experiment.STEPS**2 * second.residual)
