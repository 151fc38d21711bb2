"""Both objectives and both likelihood estimates against closed forms of a linear-Gaussian model (M13, M14, M17)."""

import dataclasses

import linear_gaussian as lg
import numpy as np
import pytest
import torch
from tiny import CONFIG as TINY
from tiny import sequences
from torch import nn

from flowlib.config import Config
from flowlib.evaluation import frame_log_weights, from_log_weights, log_likelihood, sequence_log_weights
from flowlib.models import FlowVAE
from flowlib.training import new_model

COPIES = 40_000


def bounds(objective, generator, factor=1):
    """Single-sample values of the objective's bound, one per copy."""
    model, frames = lg.build(objective)
    batch = lg.batch_of(frames, COPIES, factor)
    posterior = model.encode(batch.frames[:, 0])
    z = posterior.sample(generator)
    terms = model._marginal_terms if objective == "marginal" else model._path_terms
    trajectory, divergences = terms(posterior, z, batch.factor, batch, generator)
    return model, frames, -(model._reconstruction(trajectory.path, batch) + sum(divergences.values()))


def within(values, expected, errors=4):
    """Whether the mean of the values is within so many standard errors of what is expected."""
    error = values.std().item() / len(values) ** 0.5
    return abs(values.mean().item() - expected) < errors * error


@pytest.mark.parametrize("factor", [0, 1])
def test_marginal_objective_is_the_sum_of_the_frames_elbos(generator, factor):
    model, frames, values = bounds("marginal", generator, factor)
    truth, elbo = lg.frame_truth(model, frames, factor)
    assert within(values, elbo.sum())
    assert elbo.sum() < truth.sum()


@pytest.mark.parametrize("factor", [0, 1])
def test_path_objective_is_the_elbo_of_the_sequence(generator, factor):
    model, frames, values = bounds("path", generator, factor)
    truth, elbo = lg.sequence_truth(model, frames, factor)
    assert within(values, elbo)
    assert elbo < truth


@pytest.mark.parametrize("objective", ["marginal", "path"])
def test_the_loss_is_minus_the_bound_averaged_over_the_batch(objective):
    model, frames, values = bounds(objective, torch.Generator().manual_seed(1))
    terms = model.objective(lg.batch_of(frames, COPIES), torch.Generator().manual_seed(1))
    assert torch.allclose(terms["loss"], -values.mean())
    total = sum(value for name, value in terms.items() if name not in ("loss", "hj"))
    assert torch.allclose(terms["loss"], total) and terms["hj"] == 0


@pytest.mark.parametrize("objective", ["marginal", "path"])
def test_one_frame_with_the_exact_posterior_gives_equality(objective, generator):
    """With T = 0 every term is log p(x_0), sample by sample in the marginal form: a wrong sign cannot hide."""
    model, frames = lg.build(objective)
    mean, covariance = lg.exact_posterior(frames, model.decoder.matrix.numpy())
    values, vectors = np.linalg.eigh(covariance)  # turn the latent axes so that the posterior is diagonal
    rotation = torch.tensor(vectors)
    model.decoder.matrix = model.decoder.matrix @ rotation
    model.encoder = lg.FixedEncoder(rotation.mT @ torch.tensor(mean), torch.tensor(values).sqrt())
    terms = model.objective(lg.batch_of(frames[:1], COPIES), generator)
    truth, _ = lg.frame_truth(model, frames[:1])
    tolerance = 1e-9 if objective == "marginal" else 0.05
    assert terms["loss"].item() == pytest.approx(-truth[0], abs=tolerance)


@pytest.mark.parametrize("kind", ["frame", "sequence"])
def test_importance_weighted_estimates_converge_to_the_truth(kind, generator):
    model, frames = lg.build("path")
    log_weights = frame_log_weights if kind == "frame" else sequence_log_weights
    draws = log_weights(model, lg.batch_of(frames, COPIES), generator)
    truth = lg.frame_truth(model, frames)[0] if kind == "frame" else lg.sequence_truth(model, frames)[0]
    weights = (draws - torch.as_tensor(truth)).exp()  # E w = p(x), so the mean of these is 1
    error = weights.std(0) / COPIES**0.5
    assert bool(((weights.mean(0) - 1).abs() < 4 * error).all())
    assert bool((error < 0.1).all())  # the test is sharp enough to see a missing factor


def test_the_estimate_rises_towards_the_truth_as_samples_grow(generator):
    """E log p̂ ≤ log p, and the gap closes with M: a missing log M would overshoot."""
    model, frames = lg.build("path")
    truth = lg.sequence_truth(model, frames)[0]
    batch = lg.batch_of(frames, 400)
    one, few, many = (log_likelihood(sequence_log_weights, model, batch, samples, generator).value.mean() for samples in (1, 10, 400))
    assert one < few < many < truth + 0.1
    assert abs(many - truth) < 0.15 < truth - one


def test_log_mean_exp_and_effective_sample_size():
    weights = torch.tensor([[1.0, 2.0], [3.0, 2.0]], dtype=torch.float64)
    found = from_log_weights(weights.log() - 2000)
    assert torch.allclose(found.value, torch.tensor([2.0, 2.0], dtype=torch.float64).log() - 2000)
    assert torch.allclose(found.effective_samples, torch.tensor([1.6, 2.0], dtype=torch.float64))


def test_subsampled_frames_estimate_the_full_reconstruction(generator):
    """x_0 counts once and a random frame stands for T: the mean over all choices is the full sum."""
    model, frames = lg.build("path")
    full = lg.batch_of(frames, lg.T)
    path = torch.randn(1, lg.T + 1, lg.DIM, generator=generator).double().expand(lg.T, -1, -1)
    complete = model._reconstruction(path, full)[0]
    times = torch.stack([torch.zeros(lg.T, dtype=torch.long), torch.arange(1, lg.T + 1)], 1)
    picked = full.frames.gather(1, times[:, :, None, None, None].expand(-1, -1, 1, 1, lg.PIXELS))
    few = type(full)(picked, times, full.factor, full.steps)
    assert torch.allclose(model._reconstruction(path, few).mean(), complete)


@pytest.mark.parametrize("lengths", [None, (1, 2)])
def test_agreement_adds_the_squared_distances_of_moved_codes_from_the_encoders(lengths):
    """`Config.agreement`: by a loop over sequences and steps; of a random frame, on average the same; and it is what the loss adds."""
    config = dataclasses.replace(TINY, prior="none", hj_penalty="none", agreement=0.3)
    model, batch = new_model(config), sequences(config).full_batch(range(4), 1)
    if lengths:
        batch = dataclasses.replace(batch, lengths=torch.tensor(lengths).repeat(2))
    own = [batch.steps] * 4 if lengths is None else batch.lengths.tolist()
    path = torch.randn(4, batch.steps + 1, config.latent_dim, generator=torch.Generator().manual_seed(1))
    codes = model.encode(batch.frames.flatten(0, 1)).mean.unflatten(0, (4, -1))
    squares = [[((path[b, t] - codes[b, t]) ** 2).sum() for t in range(1, own[b] + 1)] for b in range(4)]
    exact = torch.stack([sum(each) for each in squares])
    one_by_one = []
    for b in range(4):
        drawn = [batch.take(rows=[b], frames=[0, t]) for t in range(1, own[b] + 1)]
        one_by_one.append(torch.stack([model._disagreement(path[b : b + 1], one)[0] for one in drawn]).mean())
    torch.testing.assert_close(torch.stack(one_by_one), exact)
    if lengths is None:
        torch.testing.assert_close(model._disagreement(path, batch), exact)
    terms = model.objective(batch, torch.Generator().manual_seed(2))
    model.config = dataclasses.replace(config, agreement=0.0)
    plain = model.objective(batch, torch.Generator().manual_seed(2))
    posterior = model.encode(batch.frames[:, 0])
    moved = model.transport(posterior.sample(torch.Generator().manual_seed(2)), 1, batch.steps)
    assert "agreement" not in plain and terms["agreement"].item() == pytest.approx(
        0.3 * model._disagreement(moved, batch).mean().item(), rel=1e-5
    )
    assert (terms["loss"] - plain["loss"]).item() == pytest.approx(terms["agreement"].item(), rel=1e-3)


@pytest.mark.parametrize("lengths", [None, (1, 2)])
def test_one_decoded_frame_estimates_the_full_reconstruction(generator, lengths):
    """Drawn in proportion to its weight, x_0 once in T + 1 draws, also where sequences have one step or two."""
    model, frames = lg.build("path")
    batch, total = lg.batch_of(frames, COPIES), torch.full((COPIES,), 1 + lg.T)
    if lengths:
        total = 1 + torch.tensor(lengths).repeat(COPIES // 2)
        batch = dataclasses.replace(batch, lengths=total - 1)
    batch = batch.take(frames=[0, 1])
    path = torch.randn(1, lg.T + 1, lg.DIM, generator=generator).double().expand(COPIES, -1, -1)
    complete = model._reconstruction(path, batch)
    model.config = dataclasses.replace(model.config, decoded="one")
    found = model._reconstruction(path, batch, generator)
    _, times, weights = batch.draw_frame(generator)
    assert bool((weights[:, 0] == total).all())
    for count in total.unique():
        rows = total == count
        assert within(found[rows], complete[rows][0].item()) and found[rows].std() > 0.1
        assert within((times[rows, 0] == 0).double(), 1 / count.item())


def test_scalar_sequence_by_hand(generator, double):
    """A scalar case by hand: ELBO −3.746951 below log p −3.342596; decoding noise-free latents would give −3.246951."""
    model, _ = lg.build("path", mean=torch.tensor([0.5]), std=torch.tensor([0.5]).sqrt())
    model.potentials = lg.LinearPotentials(torch.zeros(2, 1, 1).double(), torch.full((2, 1), 0.75).double())
    model.prior.log_diffusion.data = torch.full((2,), 0.5).double().log()
    model.likelihood = lg.Gaussian(1.0)
    model.decoder, model.config = Repeat(), dataclasses.replace(model.config, latent_dim=1)
    values = []
    for _ in range(5):
        batch = lg.batch_of(np.array([[1.0], [2.0]]), COPIES)
        posterior = model.encode(batch.frames[:, 0])
        trajectory, divergences = model._path_terms(posterior, posterior.sample(generator), batch.factor, batch, generator)
        values.append(-(model._reconstruction(trajectory.path, batch) + sum(divergences.values())))
    values = torch.cat(values)
    assert within(values, -3.746951)
    weights = sequence_log_weights(model, lg.batch_of(np.array([[1.0], [2.0]]), 200_000), generator)
    assert from_log_weights(weights).value.item() == pytest.approx(-3.342596, abs=0.02)


class Repeat(nn.Module):
    """z ↦ z as a 1 × 1 × 1 image."""

    def forward(self, z):
        return z.reshape(-1, 1, 1, 1)


class TestLogDeterminantsOfSomeSteps:
    """`Config.log_det_steps`: the marginal form's log-determinants at a random few of the steps."""

    @pytest.mark.parametrize("factor", [0, 1])
    @pytest.mark.parametrize("count", [1, 2])
    def test_the_change_is_estimated_without_bias(self, generator, factor, count):
        model, frames, _ = bounds("marginal", generator, factor)
        model.config = dataclasses.replace(model.config, log_det_steps=count)
        batch = lg.batch_of(frames, COPIES, factor)
        path = model.flow(model.encode(batch.frames[:, 0]).mean, batch.factor, lg.T)
        change = model._sampled_change(path, batch.factor, batch, generator)
        steps = torch.tensor(self.log_dets(model, factor, lg.T))
        error = change.std(0) / COPIES**0.5
        assert bool(((change.mean(0) + steps.cumsum(0)).abs() <= 4 * error + 1e-12).all())
        assert bool((4 * error[1:] < 0.2 * steps[1:].abs()).all())  # sharp enough to see another step's label, or a missing T/n

    @pytest.mark.parametrize("count", [0, 1, 2, 3])
    def test_of_sequences_of_different_length(self, generator, count):
        """The divergence of each from its prior, on average: of one step, of two and of three."""
        model, frames, _ = bounds("marginal", generator)
        model.config = dataclasses.replace(model.config, log_det_steps=count)
        lengths = torch.arange(COPIES) % 3 + 1
        batch = dataclasses.replace(lg.batch_of(frames, COPIES), lengths=lengths)
        posterior = model.encode(batch.frames[:, 0])
        _, terms = model._marginal_terms(posterior, posterior.sample(generator), batch.factor, batch, generator)
        for length in (1, 2, 3):
            assert within(terms["kl"][lengths == length], sum(self.divergences(model, length)))

    def test_a_step_of_a_short_sequence_is_its_own(self):
        """Where a sequence has one step, its log-determinant is taken, whichever steps are drawn for the others."""
        model, frames = lg.build("marginal")
        model.config = dataclasses.replace(model.config, log_det_steps=2)
        batch = dataclasses.replace(lg.batch_of(frames, 30), lengths=torch.ones(30, dtype=torch.int64))
        path = model.flow(model.encode(batch.frames[:, 0]).mean, batch.factor, lg.T)
        change = model._sampled_change(path, batch.factor, batch, torch.Generator().manual_seed(0))
        assert torch.allclose(change[:, 1], -torch.tensor(self.log_dets(model, 1, 1)[1]))

    def log_dets(self, model, factor, steps):
        """0 and log det(I + A_t) for t = 1 …"""
        matrix = lg.parts(model, factor)[0]
        return [0.0] + [np.linalg.slogdet(np.eye(lg.DIM) + t * matrix)[1] for t in range(1, steps + 1)]

    def divergences(self, model, steps, factor=1):
        """KL[q_t ‖ N(0, (1 + 2 D t) I)] for t = 0 … steps, from the Gaussians' own moments."""
        matrix, offset, _, mean, covariance = lg.parts(model, factor)
        for t in range(steps + 1):
            if t:
                step = np.eye(lg.DIM) + t * matrix
                mean, covariance = step @ mean + t * offset, step @ covariance @ step.T
            yield lg.normal_kl(mean, covariance, np.zeros(lg.DIM), (1 + 2 * lg.D * t) * np.eye(lg.DIM))

    @pytest.mark.parametrize("kind", ["exact", "series", "trace", "rows"])
    @pytest.mark.parametrize("factor", [0, torch.tensor([0, 0, 1, 1, 2, 2]), torch.tensor([2, 0, 1, 1, 0, 1])], ids=["one", "grouped", "mixed"])
    def test_of_all_steps_it_is_what_it_was(self, double, factor, kind):
        torch.manual_seed(0)
        config = Config(latent_dim=3, horizon=4, objective="marginal", log_det=kind, log_det_steps=4, batch_size=6)
        model = FlowVAE(config)
        model.potentials.head.data.normal_()
        flow = model.flow(torch.randn(6, 3), factor, 4, hessian=True)
        complete = lg.batch_of(np.zeros((5, 1)), 6)
        found = model._sampled_change(flow, factor, complete, torch.Generator().manual_seed(0))
        if kind == "series":  # whose probes are drawn anew
            every = [model._density_change(flow, factor, torch.Generator().manual_seed(seed)) for seed in range(100)]
            sampled = [model._sampled_change(flow, factor, complete, torch.Generator().manual_seed(seed)) for seed in range(100)]
            every, sampled = torch.stack(every), torch.stack(sampled)
            error = ((every.var(0) + sampled.var(0)) / 100).sqrt()
            assert bool(((every.mean(0) - sampled.mean(0)).abs() <= 4.5 * error + 1e-12).all())
        else:
            torch.testing.assert_close(found, model._density_change(flow, factor, None))

    def test_gradients_are_those_of_all_steps_on_average(self, double):
        torch.manual_seed(0)
        config = Config(latent_dim=3, horizon=3, objective="marginal", batch_size=6)
        model, factor, z = FlowVAE(config), torch.arange(3).repeat_interleave(2), torch.randn(6, 3)
        model.potentials.head.data.normal_()
        weights, complete = list(model.potentials.weights), lg.batch_of(np.zeros((4, 1)), 6)

        def gradient(count, seed=0):
            model.config = dataclasses.replace(config, log_det_steps=count)
            flow = model.flow(z, factor, 3, hessian=not count)
            change = model._sampled_change(flow, factor, complete, torch.Generator().manual_seed(seed)) if count else flow.log_density_change()
            return torch.cat([one.flatten() for one in torch.autograd.grad(change.sum(), weights)])

        draws = torch.stack([gradient(1, seed) for seed in range(400)])
        error = draws.std(0) / 20
        off = (draws.mean(0) - gradient(0)).abs()
        assert bool((off <= 5 * error + 1e-12).all())
        assert error.norm() < 0.1 * gradient(0).norm()
