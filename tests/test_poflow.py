"""PoFlow's penalty against torch.func, and a model whose prior moves by its own flow."""

import dataclasses

import pytest
import torch
from tiny import CONFIG, sequences
from torch.func import grad, hessian

from flowlib.errors import FlowlibError
from flowlib.flows import PotentialBank, run_flow
from flowlib.models import FlowVAE, build_model
from flowlib.models.poflow import WavePenalty


@pytest.fixture
def bank(double):
    torch.manual_seed(3)
    made = PotentialBank(2, 3, 6, depth=3, horizon=4)
    made.head.data.normal_()
    for bias in made.biases:
        bias.data.normal_()
    return made


def potential(bank, k):
    return lambda z, t: bank(z[None, None], t, [k]).value[0, 0]


@pytest.mark.parametrize("k", [0, 1])
def test_wave_terms_are_second_derivatives(bank, k, generator):
    z, t = torch.randn(2, 5, 3, generator=generator), 4 * torch.rand(5, generator=generator)
    second, laplacian = bank.wave_terms(z, t)
    for n in range(5):
        u = potential(bank, k)
        assert second[k, n].item() == pytest.approx(hessian(u, 1)(z[k, n], t[n]).item(), abs=1e-12)
        assert laplacian[k, n].item() == pytest.approx(hessian(u)(z[k, n], t[n]).trace().item(), abs=1e-12)
    alone = bank.wave_terms(z[k : k + 1], t, [k])
    assert torch.allclose(alone[0][0], second[k]) and torch.allclose(alone[1][0], laplacian[k])


def test_penalty_by_hand(bank, generator):
    """Mean over samples and steps of (∂_tt u − c² ∇²u)², each sample with its own factor, time and speed, plus ‖∇u(z_0, 0)‖²."""
    labels = torch.tensor([0, 0, 1, 1])
    penalty = WavePenalty(2, 1.0)
    penalty.speed.data = torch.tensor([0.5, 2.0])
    flow = run_flow(bank, torch.randn(4, 3, generator=generator), labels, 3)
    squares, rest = [], []
    for n, k in enumerate(labels.tolist()):
        u = potential(bank, k)
        rest.append(grad(u)(flow.path[n, 0], torch.tensor(0.0)).square().sum())
        for t in range(1, 4):
            point, time = flow.path[n, t - 1], torch.tensor(float(t))
            wave = hessian(u, 1)(point, time) - penalty.speed[k] ** 2 * hessian(u)(point, time).trace()
            squares.append(wave.square())
    expected = torch.stack(squares).mean() + torch.stack(rest).mean()
    assert penalty(bank, flow, labels).item() == pytest.approx(expected.item())


def test_penalty_of_a_program_by_hand(bank, generator):
    """Every potential at the points where it acts, and ‖Σ ∇u(z_0, 0)‖² of those that act first."""
    activity = torch.tensor([[[1, 0], [0, 1]], [[1, 1], [1, 1]], [[0, 1], [0, 1]]]).double()
    penalty = WavePenalty(2, 1.0)
    penalty.speed.data = torch.tensor([0.5, 2.0])
    flow = run_flow(bank, torch.randn(3, 3, generator=generator), activity, 2)
    squares, rest = [], []
    for n in range(3):
        fields = [grad(potential(bank, k))(flow.path[n, 0], torch.tensor(0.0)) for k in range(2) if activity[n, 0, k]]
        rest.append(sum(fields).square().sum())
        for t in (1, 2):
            for k in (k for k in range(2) if activity[n, t - 1, k]):
                u, point, time = potential(bank, k), flow.path[n, t - 1], torch.tensor(float(t))
                squares.append((hessian(u, 1)(point, time) - penalty.speed[k] ** 2 * hessian(u)(point, time).trace()).square())
    expected = torch.stack(squares).mean() + torch.stack(rest).mean()
    assert len(squares) == 8 and penalty(bank, flow, activity).item() == pytest.approx(expected.item())


def test_no_wave_terms_under_an_output_tanh():
    with pytest.raises(FlowlibError, match="bounded_potential False"):
        PotentialBank(1, 2, 3, bounded=True).wave_terms(torch.zeros(1, 1, 2), 1.0)


def test_objective_has_no_prior_flow():
    torch.manual_seed(0)
    model = build_model(dataclasses.replace(CONFIG, model="poflow", options={"wave_weight": 3.0}))
    batch = sequences().training_batch(6, 1, torch.Generator().manual_seed(2))
    terms = model.objective(batch, torch.Generator().manual_seed(1))
    posterior = model.encode(batch.frames[:, 0])
    assert set(terms) == {"loss", "reconstruction", "kl", "hj"}
    assert terms["kl"].item() == pytest.approx(posterior.kl().mean().item(), rel=1e-5)
    assert terms["loss"].item() == pytest.approx((terms["reconstruction"] + terms["kl"] + 3 * terms["hj"]).item())
    terms["loss"].backward()
    assert model.penalty.speed.grad.abs().sum() > 0


@pytest.mark.parametrize("options", [{"wave_weight": -1.0}, {"speed": 0.0}])
def test_impossible_options(options):
    with pytest.raises(FlowlibError, match="wave_weight ≥ 0 and speed > 0"):
        build_model(dataclasses.replace(CONFIG, model="poflow", options=options))


def test_a_shared_flow_needs_no_determinant():
    """p_t and q_t are images of p_0 and q_0 under one map, so their ratio at z_t is the ratio at z_0, whatever the flow."""
    torch.manual_seed(0)
    model = build_model(dataclasses.replace(CONFIG, prior="none"))
    assert isinstance(model, FlowVAE)
    model.potentials.head.data.normal_()
    batch = sequences().full_batch([0, 1, 2], 1)
    frames = model.frame_log_weights(batch, torch.Generator().manual_seed(5))
    whole = model.sequence_log_weights(batch, torch.Generator().manual_seed(5))
    posterior = model.encode(batch.frames[:, 0])
    z = posterior.sample(torch.Generator().manual_seed(5))
    start = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)
    start = start - torch.distributions.Normal(posterior.mean, posterior.log_std.exp()).log_prob(z).sum(-1)
    decoded = model.likelihood.log_prob(model.decode(model.transport(z, 1, 2)), batch.frames)
    assert torch.allclose(frames, start[:, None] + decoded, rtol=1e-5)
    assert torch.allclose(whole, start + decoded.sum(1), rtol=1e-5)
