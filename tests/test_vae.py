"""The VAE's loss against torch.distributions, and its transport by mean displacements (M16)."""

import dataclasses

import linear_gaussian as lg
import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Normal, kl_divergence

from flowlib.config import Config
from flowlib.data import Sequences, load_digits
from flowlib.errors import FlowlibError
from flowlib.evaluation import frame_log_weights, sequence_log_likelihood
from flowlib.models import VAE, Gaussian


@pytest.fixture
def sequences():
    return Sequences(load_digits("test")[0][:12], ("scale", "rotation", "hue"), 8)


def small(**options):
    torch.manual_seed(0)
    return VAE(Config(latent_dim=4, width=2), **options)


@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_objective_is_the_negative_elbo_of_every_frame(sequences, beta):
    model = small(beta=beta)
    batch = sequences.full_batch([0, 1, 2], "scale")
    frames = (batch.frames > 0.5).float()  # on binary images the Bernoulli likelihood is exact
    batch = type(batch)(frames, batch.times, batch.factor, batch.steps)
    terms = model.objective(batch, torch.Generator().manual_seed(3))
    flat = frames.flatten(0, 1)
    mean, log_std = model.encoder(flat)
    z = mean + log_std.exp() * torch.randn(mean.shape, generator=torch.Generator().manual_seed(3))
    log_prob = Bernoulli(logits=model.decoder(z)).log_prob(flat).sum((1, 2, 3))
    kl = kl_divergence(Normal(mean, log_std.exp()), Normal(0.0, 1.0)).sum(-1)
    assert terms["reconstruction"].item() == pytest.approx(-log_prob.sum().item() / 3, rel=1e-5)
    assert terms["kl"].item() == pytest.approx(kl.sum().item() / 3, rel=1e-4)
    assert terms["loss"].item() == pytest.approx((-log_prob.sum() + beta * kl.sum()).item() / 3, rel=1e-5)


def test_frames_that_are_drawn_stand_for_all(sequences):
    """x_0 counts once, each of two others for T/2, in reconstruction and KL alike."""
    model = small()
    batch = sequences.full_batch([0, 1, 2], "scale").take(frames=[0, 2, 7])
    terms = model.objective(batch, torch.Generator().manual_seed(3))
    mean, log_std = model.encoder(batch.frames.flatten(0, 1))
    z = mean + log_std.exp() * torch.randn(mean.shape, generator=torch.Generator().manual_seed(3))
    kl = kl_divergence(Normal(mean, log_std.exp()), Normal(0.0, 1.0)).sum(-1).unflatten(0, (3, 3))
    log_prob = model.likelihood.log_prob(model.decoder(z), batch.frames.flatten(0, 1)).unflatten(0, (3, 3))
    for name, each in (("kl", kl), ("reconstruction", -log_prob)):
        assert terms[name].item() == pytest.approx((each[:, 0] + 4 * each[:, 1] + 4 * each[:, 2]).mean().item(), rel=1e-5)


class Brightness(nn.Module):
    """A code whose first coordinate is the image's mean, so that displacements can be computed by hand."""

    def forward(self, images):
        code = torch.stack([images.mean((1, 2, 3))] + 3 * [images[:, 0, 0, 0]], 1)
        return code, code


def test_a_latent_moves_by_the_mean_displacement(sequences):
    model = small()
    model.encoder = Brightness()
    model.calibrate(sequences)
    z = torch.zeros(2, 4)
    frames = sequences.full_batch(list(range(12)), "scale").frames
    expected = (frames.mean((2, 3, 4)) - frames[:, :1].mean((2, 3, 4))).mean(0)
    path = model.transport(z, 0, 8)
    assert torch.allclose(path[0, :, 0], expected, atol=1e-6)
    assert expected[8] > 0.02
    mixed = model.transport(z, torch.tensor([0, 2]), 8)
    assert torch.allclose(mixed[0], path[0]) and torch.allclose(mixed[1], model.transport(z, 2, 8)[1])


def test_transport_can_start_later_and_goes_on_beyond_t(sequences):
    model = small()
    model.displacement = torch.arange(9.0)[None, :, None].expand(3, -1, 4) ** 2
    z = torch.ones(1, 4)
    assert model.transport(z, 0, 2, first=3)[0, :, 0].tolist() == [1, 1 + 9 - 4, 1 + 16 - 4]
    assert model.transport(z, 0, 10)[0, -1, 0] == 1 + 64 + 2 * (64 - 49)


def test_negative_beta_is_refused():
    with pytest.raises(FlowlibError, match="beta = -1"):
        small(beta=-1)


def test_loss_terms_agree_with_pythae():
    """Recorded from pythae 0.1.2, `VAE.loss_function` with reconstruction_loss "bce", for these very tensors."""
    from flowlib.models import Bernoulli as FlowlibBernoulli
    from flowlib.models import Posterior

    t = torch.arange(24.0).reshape(2, 1, 3, 4)
    images, logits = (torch.sin(t) + 1) / 2, 2 * torch.cos(t)
    mean = torch.tensor([[0.5, -1.0, 0.2], [1.5, 0.3, -0.4]])
    log_variance = torch.tensor([[-1.0, 0.4, -2.0], [0.1, -0.5, -3.0]])
    reconstruction = -FlowlibBernoulli().log_prob(logits, images).mean()
    kl = Posterior(mean, log_variance / 2).kl().mean()
    assert reconstruction.item() == pytest.approx(10.842315673828125, rel=1e-5)
    assert kl.item() == pytest.approx(1.886631965637207, rel=1e-5)
    assert (reconstruction + kl).item() == pytest.approx(12.728947639465332, rel=1e-5)


def linear_gaussian_vae():
    """A VAE whose p(x) is known, its frames, and log p of each."""
    flow, frames = lg.build("path")
    config = Config(factors=("scale", "rotation"), horizon=lg.T, latent_dim=lg.DIM, network="mlp", width=1, batch_size=2)
    model = VAE(dataclasses.replace(config, channels=1, size=4)).double()
    model.encoder, model.decoder, model.likelihood = flow.encoder, flow.decoder, Gaussian(lg.STD)
    c = model.decoder.matrix.numpy()
    covariance = c @ c.T + lg.STD**2 * np.eye(lg.PIXELS)
    return model, frames, np.array([lg.normal_log_prob(x, np.zeros(lg.PIXELS), covariance) for x in frames])


def test_weights_of_single_frames_converge_to_the_truth(double, generator):
    model, frames, truth = linear_gaussian_vae()
    draws = frame_log_weights(model, lg.batch_of(frames, 40_000), generator)
    weights = (draws - torch.as_tensor(truth)).exp()
    error = weights.std(0) / 40_000**0.5
    assert ((weights.mean(0) - 1).abs() < 4 * error).all() and (error < 0.1).all()


def test_independent_frames_add_up_to_the_sequence(double, generator):
    model, frames, truth = linear_gaussian_vae()
    found = sequence_log_likelihood(model, lg.batch_of(frames, 3), 4000, generator)
    assert found.value.tolist() == pytest.approx([truth.sum()] * 3, abs=0.2)
