"""Variants with lines of the published code in place of ours, against independent computations of what those lines compute (chapter 13)."""

import dataclasses

import pytest
import torch
from tiny import sequences
from torch.distributions import Normal

from flowlib.config import Config
from flowlib.data import Batch, RecordedSequences, grouped_factors, single_factor_batch
from flowlib.errors import FlowlibError
from flowlib.flows import PotentialBank, Trajectory, rows_density_change, run_flow, trace_density_change
from flowlib.models import build_model
from flowlib.models.published import MixedPenalty, softmax_divergence
from flowlib.training import Trainer, new_model

CONFIG = Config(
    model="flow-published", factors=("scale", "rotation"), horizon=3, latent_dim=4, network="mlp", width=1, batch_size=6, potential_width=5,
)  # fmt: skip
MIXED = dataclasses.replace(CONFIG, hj_penalty="paper", hj_weight=1.0, options={"mixed_residual": True})


def curved(hessian):
    """A trajectory that stands still with the given Hessians (steps, d, d)."""
    steps, d = hessian.shape[:2]
    still = torch.zeros(1, steps + 1, d, dtype=hessian.dtype)
    return Trajectory(still, still[:, 1:], still[:, 1:, 0], None, hessian[None])


def awake(model, seed=0, scale=0.5):
    """Potentials and forces that move, so that every term has a size."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.data = scale * torch.randn(parameter.shape, generator=generator).to(parameter)
    return model.double()


class TestRowSums:
    def test_the_case_with_off_diagonals(self):
        h = torch.tensor([[0, 0.5], [0.5, 0]], dtype=torch.float64)
        found = rows_density_change(curved(torch.stack([h, h])))
        log = torch.tensor(1.5, dtype=torch.float64).log()
        assert torch.allclose(found, torch.stack([0 * log, -2 * log, -4 * log])[None])  # exact would be −log(1 − ¼), twice

    def test_a_diagonal_hessian_is_exact(self):
        h = torch.diag_embed(torch.tensor([[0.3, -0.4, 0.1]], dtype=torch.float64))
        assert torch.allclose(rows_density_change(curved(h)), curved(h).log_density_change())
        assert not torch.allclose(rows_density_change(curved(h)), trace_density_change(curved(h)), rtol=0.05)

    def test_rows_are_what_a_second_call_of_autograd_gives(self, generator):
        bank = awake(PotentialBank(1, 3, 5))
        z = torch.randn(4, 3, generator=generator).double()
        expected = [torch.zeros(4).double()]
        here = z
        for t in (1, 2):
            here = here.detach().requires_grad_()
            u = bank(here[None], t, [0]).value
            (gradient,) = torch.autograd.grad(u.sum(), here, create_graph=True)
            (rows,) = torch.autograd.grad(gradient.sum(), here)
            expected.append(expected[-1] - (1 + rows).abs().log().sum(-1))
            here = here + gradient
        found = rows_density_change(run_flow(bank, z, 0, 2, hessian=True))
        assert torch.allclose(found, torch.stack(expected, 1))

    def test_the_objective_uses_them(self, generator):
        config = dataclasses.replace(CONFIG, model="flow", objective="marginal", log_det="rows", frames_per_step=3)
        model, images = awake(build_model(config)), torch.rand(6, 4, 3, 28, 28, generator=generator).double()
        batch = Batch(images, torch.arange(4).expand(6, -1), grouped_factors(6, 2), 3)
        found = model.objective(batch, torch.Generator().manual_seed(1))["kl"]
        posterior = model.encode(images[:, 0])
        z = posterior.sample(torch.Generator().manual_seed(1))
        trajectory = model.flow(z, batch.factor, 3, hessian=True)
        log_q = Normal(posterior.mean, posterior.log_std.exp()).log_prob(z).sum(-1)[:, None] + rows_density_change(trajectory)
        variance = 1 + 2 * model.prior.diffusion(batch.factor)[:, None] * torch.arange(4)
        log_p = Normal(0, variance.sqrt()[..., None]).log_prob(trajectory.path).sum(-1)
        assert torch.allclose(found, (log_q - log_p).sum(1).mean())


class TestSoftmax:
    def test_against_torch(self, generator):
        log_q, log_p = torch.randn(2, 5, 7, generator=generator).double()
        theirs = torch.nn.KLDivLoss(reduction="batchmean", log_target=True)
        expected = theirs(torch.log_softmax(log_q.exp(), -1), torch.log_softmax(log_p.exp(), -1))
        assert torch.allclose(softmax_divergence(log_q, log_p).mean(), expected)
        assert not torch.allclose(softmax_divergence(log_p, log_q).mean(), expected, rtol=1e-3)

    def test_it_is_blind_to_what_is_added_to_all_densities_alike(self, generator):
        log_p = torch.randn(7, generator=generator).double()
        assert softmax_divergence((log_p.exp() + 3).log(), log_p).abs() < 1e-12

    def test_the_term_follows_both_densities_coordinate_by_coordinate(self, generator):
        """Written again with torch.distributions and a loop: log q along the flow, log p along the prior's own particle from the same z_0."""
        model, images = awake(build_model(CONFIG), scale=0.2), torch.rand(6, 4, 3, 28, 28, generator=generator).double()
        batch = Batch(images, torch.arange(4).expand(6, -1), grouped_factors(6, 2), 3)
        terms = model.objective(batch, torch.Generator().manual_seed(1))
        posterior = model.encode(images[:, 0])
        z = posterior.sample(torch.Generator().manual_seed(1))
        trajectory = model.flow(z, batch.factor, 3, hessian=True)
        log_q, total = Normal(posterior.mean, posterior.log_std.exp()).log_prob(z), 0
        for t in (1, 2, 3):
            log_q = log_q - (1 + trajectory.hessian[:, t - 1].sum(-1)).abs().log()
            scale = (1 + 2 * model.prior.diffusion(batch.factor) * t).sqrt()[:, None]
            p, q = (one.exp().softmax(-1) for one in (Normal(0, scale).log_prob(z * scale), log_q))
            total = total + (p * (p / q).log()).sum(-1)
        assert torch.allclose(terms["softmax"], total.mean()) and total.mean() > 1e-3
        assert torch.allclose(terms["kl"], posterior.kl().mean())
        assert torch.allclose(terms["loss"], terms["reconstruction"] + terms["kl"] + terms["softmax"] + CONFIG.hj_weight * terms["hj"])


class TestMixedPenalty:
    def test_against_autograd_with_one_time_for_the_batch(self, generator):
        """Transcribed: one t for the batch, so that autograd returns a sum over it, and means over batch and dimensions elsewhere."""
        penalty = awake(MixedPenalty("paper", 2, 4, CONFIG))
        bank, z = awake(PotentialBank(2, 4, 5), 1), torch.randn(6, 4, generator=generator).double()
        factor = grouped_factors(6, 2)
        expected = 0
        for k, rows in ((0, slice(0, 3)), (1, slice(3, 6))):
            here, total = z[rows], 0
            for step in (1, 2, 3):
                t = torch.tensor([float(step)]).double().requires_grad_()
                leaf = here.detach().requires_grad_()
                u = bank(leaf[None], t, [k]).value.sum()
                gradient, rate = torch.autograd.grad(u, (leaf, t))
                force = penalty.force(leaf[None], float(step), [k]).value[0]
                total = total + (rate + 0.5 * (gradient**2).mean() + force**2).square().mean()
                here = here + gradient
            start = bank(z[rows][None], 0, [k]).gradient[0]
            expected = expected + (total + start.square().mean() + penalty.force(z[rows][None], 0, [k]).value.square().mean()) / 2
        found = penalty(bank, run_flow(bank, z, factor, 3), factor)
        assert torch.allclose(found, expected)
        both = penalty(bank, run_flow(bank, z[:3], 0, 3), 0) + penalty(bank, run_flow(bank, z[3:], 1, 3), 1)
        assert torch.allclose(found, both / 2)

    def test_an_exact_solution_is_punished_with_the_batch(self):
        """u = ‖z‖² / (2 (1 + t)) has residual 0; by sums and means it has −n·mean‖z‖²/8 + mean z_i²/8 at t = 1 (chapter 13)."""
        penalty = awake(MixedPenalty("paper", 1, 2, CONFIG))
        penalty.force.head.data.zero_(), penalty.force.offset.data.zero_()
        z = torch.tensor([[1.0, 0.0], [0.0, 2.0]]).double()
        gradient = z / 2
        path = torch.stack([z, z + gradient], 1)
        trajectory = Trajectory(path, gradient[:, None], torch.zeros(2, 1).double())
        still = awake(PotentialBank(1, 2, 5))
        still.head.data.zero_()
        assert torch.allclose(penalty(still, trajectory, 0), torch.tensor((-(1 + 4) / 8 + 0.5 * (5 / 4) / 4) ** 2).double())

    def test_it_needs_the_force(self):
        with pytest.raises(FlowlibError, match="choose hj_penalty paper"):
            build_model(dataclasses.replace(MIXED, hj_penalty="zero"))


class TestSingleFactor:
    def test_batches_hold_one_factor_and_all_come(self):
        source, drawn = sequences(), set()
        for seed in range(20):
            batch = single_factor_batch(source, 6, 1, torch.Generator().manual_seed(seed))
            assert len(batch) == 6 and len(batch.factor.unique()) == 1
            drawn.add(int(batch.factor[0]))
        assert drawn == set(range(len(source.factors)))
        again = single_factor_batch(source, 6, 1, torch.Generator().manual_seed(3))
        assert torch.equal(again.frames, single_factor_batch(source, 6, 1, torch.Generator().manual_seed(3)).frames)

    def test_without_labels_nobody_knows(self):
        source = RecordedSequences(torch.rand(8, 3, 3, 8, 8), factors=("a", "b"))
        with pytest.raises(FlowlibError, match="choose balanced"):
            single_factor_batch(source, 6, 1, torch.Generator())

    def test_shares_of_processes_have_the_same_factor(self):
        parts = [single_factor_batch(sequences(), 6, 1, torch.Generator().manual_seed(5), (rank, 2)) for rank in (0, 1)]
        assert [len(part) for part in parts] == [3, 3] and torch.equal(*(part.factor for part in parts))

    @pytest.mark.parametrize("config", [dataclasses.replace(CONFIG, batches="single"), dataclasses.replace(MIXED, batches="single")])
    def test_training_takes_them(self, config):
        source = sequences()
        config = dataclasses.replace(config, factors=source.factors, horizon=source.steps, channels=source.channels, size=source.size)
        trainer, asked = Trainer(new_model(config), source, config), []
        real = trainer.model.objective
        trainer.model.objective = lambda batch, generator: (asked.append(batch.factor), real(batch, generator))[1]
        terms = [trainer.train_step() for _ in range(4)]
        assert all(len(one.unique()) == 1 and len(one) == config.batch for one in asked)
        assert all(bool(one["loss"].isfinite()) for one in terms)
