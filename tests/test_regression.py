"""Codes moved by linear regressions, against scikit-learn, and against the mean displacement that they contain."""

import dataclasses

import pytest
import torch
from sklearn.linear_model import LinearRegression

from flowlib.config import Config
from flowlib.data import Sequences, load_digits
from flowlib.errors import FlowlibError
from flowlib.models import VAE, build_model
from flowlib.models.regression import moved_linearly, moved_on_average

SMALL = Config(model="vae-regression", latent_dim=4, width=2)


@pytest.fixture
def sequences():
    return Sequences(load_digits("test")[0][:40], SMALL.factors, SMALL.horizon)


def model(name="vae-regression", **options):
    torch.manual_seed(0)
    return build_model(dataclasses.replace(SMALL, model=name, options=options))


def test_the_code_of_a_flow_moved_linearly(sequences):
    """Its own encoder and decoder, the regressions of its codes, and a model that stays as it was."""
    flow = model("flow").eval()
    before = {name: value.clone() for name, value in flow.state_dict().items()}
    twin, oracle = moved_linearly(flow, sequences, 30), model()
    oracle.encoder.load_state_dict(flow.encoder.state_dict())
    z, images = torch.randn(5, 4, generator=torch.Generator().manual_seed(1)), sequences.first_frames([0, 1])
    oracle.eval().calibrate(sequences, 30)
    assert torch.allclose(twin.transport(z, 1, 8), oracle.transport(z, 1, 8), atol=1e-5)
    assert torch.equal(twin.decode(z), flow.decode(z)) and torch.equal(twin.encode(images).mean, flow.encode(images).mean)
    assert all(torch.equal(before[name], value) for name, value in flow.state_dict().items())


def test_codes_are_what_the_model_takes_for_its_codes(sequences):
    """A TVAE's come from two encoders, and a learned scale belongs to the likelihood."""
    torch.manual_seed(0)
    tvae = build_model(dataclasses.replace(SMALL, model="tvae", latent_dim=32, options={}, likelihood="logistic"))
    tvae.likelihood.log_scale.data += 1
    twin, images = moved_linearly(tvae.eval(), sequences, 30), sequences.first_frames([0, 1])
    codes = tvae.encode(images).mean
    assert torch.equal(twin.encode(images).mean, codes)
    assert torch.equal(twin.likelihood.mean(twin.decode(codes)), tvae.likelihood.mean(tvae.decode(codes)))


def test_the_code_of_a_flow_moved_on_average(sequences):
    """Every code by the mean of z_t − z_0, here by hand."""
    flow = model("flow").eval()
    twin, z = moved_on_average(flow, sequences, 30), torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    codes = flow.encode(sequences.full_batch(list(range(30)), 1).frames.flatten(0, 1)).mean.unflatten(0, (30, -1))
    assert torch.allclose(twin.transport(z, 1, 8), z[:, None] + (codes - codes[:, :1]).mean(0), atol=1e-5)


@pytest.mark.parametrize("name", ["vae-regression", "slow-vae-regression"])
def test_codes_move_as_scikit_learn_predicts(sequences, name):
    fitted = model(name).calibrate(sequences, count=30)
    z = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    for factor in range(3):
        codes = fitted.encode(sequences.full_batch(list(range(30)), factor).frames.flatten(0, 1)).mean
        codes = codes.detach().unflatten(0, (30, 9)).double()
        path = fitted.transport(z, factor, 8)
        assert torch.equal(path[:, 0], z)
        for t in range(1, 9):
            oracle = LinearRegression().fit(codes[:, 0].numpy(), (codes[:, t] - codes[:, 0]).numpy())
            expected = z + torch.as_tensor(oracle.predict(z.double().numpy())).float()
            assert torch.allclose(path[:, t], expected, rtol=1e-3, atol=1e-4)


def test_each_code_moves_by_its_own_factor(sequences):
    fitted = model().calibrate(sequences)
    z = torch.randn(2, 4, generator=torch.Generator().manual_seed(1))
    mixed = fitted.transport(z, torch.tensor([2, 0]), 8)
    assert torch.allclose(mixed[0], fitted.transport(z, 2, 8)[0]) and torch.allclose(mixed[1], fitted.transport(z, 0, 8)[1])


def test_slope_zero_is_the_mean_displacement():
    """Later starts and steps beyond T too."""
    fitted, plain = model(), VAE(SMALL)
    plain.displacement.normal_(generator=torch.Generator().manual_seed(2))
    plain.displacement[:, 0] = 0
    fitted.displacement.copy_(plain.displacement)
    z, factor = torch.randn(3, 4), torch.tensor([0, 1, 2])
    for steps, first in ((8, 1), (2, 3), (12, 1), (3, 10)):
        assert torch.allclose(fitted.transport(z, factor, steps, first), plain.transport(z, factor, steps, first), atol=1e-5)


def test_a_later_start_applies_the_difference_of_two_regressions():
    fitted = model()
    fitted.slope[0] = torch.arange(9.0)[:, None, None] * torch.eye(4)  # z_t = (1 + t) z_0
    z = torch.tensor([[1.0, 2, 3, 4]])
    assert torch.allclose(fitted.transport(z, 0, 2, first=4)[0], torch.outer(torch.tensor([1.0, 2, 3]), z[0]))
    assert torch.allclose(fitted.transport(z, 0, 10)[0, -1], 11 * z[0])


def test_the_model_underneath_keeps_its_options():
    assert model(beta=2.0).beta == 2 and model("slow-vae-regression", rate=3.0, gamma=2.0).rate == 3
    with pytest.raises(FlowlibError, match="rate = -1"):
        model("slow-vae-regression", rate=-1.0)
    with pytest.raises(FlowlibError, match="its own are beta"):
        model(rate=3.0)
