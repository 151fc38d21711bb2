"""Linear motion: the exponential against scipy, its exact log-determinant against slogdet, its bounds against closed forms."""

import dataclasses

import linear_gaussian as lg
import numpy as np
import pytest
import torch
from scipy.linalg import expm, logm
from tiny import CONFIG, sequences
from torch.distributions import MultivariateNormal

from flowlib.errors import FlowlibError
from flowlib.evaluation import frame_log_weights, sequence_log_weights
from flowlib.flows import Trajectory
from flowlib.models import Gaussian, build_model, has_potentials
from flowlib.training import Trainer, new_model

SMALL = dataclasses.replace(CONFIG, model="linear-motion", latent_dim=4)


def made(skew=False, scale=0.4, **changes):
    torch.manual_seed(0)
    model = build_model(dataclasses.replace(SMALL, options={"skew": skew}, **changes)).double()
    model.weight.data.normal_(std=scale)
    return model


@pytest.fixture
def z(double, generator):
    return torch.randn(3, 4, generator=generator)


@pytest.mark.parametrize("skew", [False, True])
@pytest.mark.parametrize("steps, times", [(3, [0, 1, 2, 3]), (2.5, [0, 1, 2, 2.5]), (-2, [0, -1, -2]), (-2.5, [0, -0.5, -1.5, -2.5]), (0, [0])])
def test_codes_move_by_scipys_exponential(z, skew, steps, times):
    model, factor = made(skew), torch.tensor([2, 0, 1])
    path = model.transport(z, factor, steps)
    for row, k in enumerate(factor.tolist()):
        matrix = model.weight[k].detach().numpy()
        matrix = matrix - matrix.T if skew else matrix
        for place, t in enumerate(times):
            assert torch.allclose(path[row, place], torch.as_tensor(expm(t * matrix)) @ z[row], atol=1e-12)
    alone = model.transport(z, 1, steps, first=5)
    assert torch.allclose(alone[2], path[2])  # no time label


def test_the_flow_that_is_trained_is_the_transport(z):
    model, factor = made(), torch.tensor([2, 0, 1])
    moved = model.flow(z, factor, 3)
    assert torch.allclose(moved.path, model.transport(z, factor, 3), atol=1e-12)
    assert torch.allclose(moved.velocity, moved.path.diff(dim=1), atol=1e-12)
    grouped = model.flow(z, torch.tensor([0, 1, 2]), 3).path  # a training batch takes another way through `run_flow`
    assert torch.allclose(grouped[1], model.transport(z[1:2], 1, 3)[0], atol=1e-12)


def test_there_and_back(z):
    model = made()
    assert torch.allclose(model.transport(model.transport(z, 0, 2.7)[:, -1], 0, -2.7)[:, -1], z, atol=1e-12)


def test_the_log_determinant_is_t_times_the_trace(z):
    model, factor = made(), torch.tensor([2, 0, 1])
    moved = model.flow(z, factor, 3, hessian=True)
    change = moved.log_density_change()
    assert torch.allclose(change, Trajectory.log_density_change(moved), atol=1e-12)
    for row, k in enumerate(factor.tolist()):
        power = expm(3 * model.weight[k].detach().numpy())
        assert change[row, 3].item() == pytest.approx(-np.linalg.slogdet(power)[1]) != 0
        assert change[row, 3].item() == pytest.approx(-torch.linalg.slogdet(torch.as_tensor(power)).logabsdet.item())


def test_density_of_a_moved_gaussian(z):
    """The whole of M11: log q_t of N(0, I) moved by exp(tA) is that of N(0, exp(tA) exp(tA)ᵀ)."""
    model = made()
    moved = model.flow(z, 0, 2)
    power = torch.as_tensor(expm(2 * model.weight[0].detach().numpy()))
    start = MultivariateNormal(torch.zeros(4), torch.eye(4)).log_prob(z)
    expected = MultivariateNormal(torch.zeros(4), power @ power.T).log_prob(moved.path[:, 2])
    assert torch.allclose(start + moved.log_density_change()[:, 2], expected)


def test_a_skew_generator_turns(z):
    model = made(skew=True)
    path = model.transport(z, 1, 4)
    assert torch.allclose(path.norm(dim=-1), z.norm(dim=-1, keepdim=True).expand(-1, 5)) and (path[:, 1] - z).norm() > 0.1
    assert model.flow(z, 1, 4).log_density_change().abs().max() == 0
    assert torch.allclose(model.matrices, -model.matrices.mT)


def linear_gaussian(objective, prior="diffusion"):
    """(the closed forms' model with potentials t·A and t·b, ours with the same first step where both are one step long)."""
    theirs, frames = lg.build(objective)
    config = dataclasses.replace(theirs.config, model="linear-motion", prior=prior, hj_penalty="zero")
    ours = build_model(dataclasses.replace(config, channels=1, size=4)).double()
    ours.encoder, ours.decoder, ours.likelihood = theirs.encoder, theirs.decoder, Gaussian(lg.STD)
    theirs.potentials.offsets.zero_()
    for k, matrix in enumerate(theirs.potentials.matrices):
        ours.weight.data[k] = torch.as_tensor(logm(np.eye(lg.DIM) + matrix.numpy()))
    return theirs, ours, frames[:2]


@pytest.mark.parametrize("objective", ["path", "marginal"])
def test_objective_is_the_exact_elbo(double, generator, objective):
    """M14 and M13 of a single step, where the flow with potential ½ zᵀAz takes z to (I + A) z = exp(log(I + A)) z, in numpy's closed form."""
    theirs, ours, frames = linear_gaussian(objective)
    batch = lg.batch_of(frames, 60_000)
    with torch.no_grad():
        loss = ours.objective(batch, generator)["loss"].item()
    truth = lg.sequence_truth(theirs, frames)[1] if objective == "path" else lg.frame_truth(theirs, frames)[1].sum()
    assert -loss == pytest.approx(truth, abs=0.02)


def test_weights_of_sequences_and_frames_are_unbiased(double, generator):
    theirs, ours, frames = linear_gaussian("path")
    batch = lg.batch_of(frames, 20_000)
    with torch.no_grad():
        sequence, frame = sequence_log_weights(ours, batch, generator), frame_log_weights(ours, batch, generator)
    for found, truth in ((sequence, lg.sequence_truth(theirs, frames)[0]), (frame, torch.as_tensor(lg.frame_truth(theirs, frames)[0]))):
        weights = (found - truth).exp()
        assert ((weights.mean(0) - 1).abs() < 4 * weights.std(0) / 20_000**0.5).all()


def test_without_a_prior_only_the_start_has_a_divergence(generator):
    model = build_model(dataclasses.replace(SMALL, prior="none"))
    terms = model.objective(sequences().training_batch(6, 1, generator), generator)
    assert set(terms) == {"loss", "reconstruction", "kl", "hj"} and terms["hj"] == 0
    assert terms["loss"].item() == pytest.approx((terms["reconstruction"] + terms["kl"]).item())


@pytest.mark.parametrize("changes", [{}, {"options": {"skew": True}}, {"prior": "none"}, {"objective": "marginal"}])
def test_training_moves_the_matrices(changes):
    config = dataclasses.replace(SMALL, **changes)
    model = new_model(config)
    trainer = Trainer(model, sequences(), config)
    for _ in range(2):
        trainer.train_step()
    assert (model.matrices.abs().amax((1, 2)) > 0).all() and not has_potentials(model)


@pytest.mark.parametrize(
    "changes", [{"hj_weight": 1.0}, {"velocity": "free", "hj_penalty": "none"}, {"objective": "marginal", "log_det": "trace"}]
)
def test_choices_without_use_are_refused(changes):
    with pytest.raises(FlowlibError, match="has no use for this"):
        build_model(dataclasses.replace(SMALL, **changes))
