"""The bound of the unlabelled model against a closed form with every spike summed out."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from tiny import CONFIG, sequences
from torch import nn

from flowlib.data import Batch, MixedSequences
from flowlib.flows import Derivatives
from flowlib.models import build_model
from flowlib.models.spike_slab import SpikeSlab
from flowlib.training import new_model

SPARSE = dataclasses.replace(CONFIG, model="sparse", latent_dim=4, starts="mixed")
STEPS, PI, SPEED, SCALE, STD = 3, 0.3, 1.7, 0.9, 0.6


class Constant(nn.Module):
    """Fields that do not depend on z: `velocities` (F, d)."""

    def __init__(self, velocities):
        super().__init__()
        self.velocities, self.factors = velocities, len(velocities)

    def forward(self, z, t, factor=None, hessian=False):
        v = self.velocities[:, None].expand(-1, z.shape[1], -1)
        return Derivatives(v[..., 0], v, v[..., 0], torch.zeros(*v.shape, v.shape[-1]) if hessian else None)


class Fixed(nn.Module):
    """The same numbers, whatever comes in."""

    def __init__(self, values):
        super().__init__()
        self.values = values

    def forward(self, inputs):
        return self.values.expand(*inputs.shape[:-1], -1)


class FixedEncoder(nn.Module):
    def forward(self, images):
        return torch.full((len(images), 1), 0.4), torch.full((len(images), 1), math.log(0.7))


class OnePixel(nn.Module):
    def forward(self, z):
        return (SCALE * z)[..., None, None]


def closed(beta=1.0, activity=PI, batch=1):
    """(model, batch): one code, one constant field, one pixel, everything Gaussian but for the spikes."""
    config = dataclasses.replace(
        SPARSE, latent_dim=1, horizon=STEPS, factors=("one",), likelihood="gaussian", noise_std=STD, size=4, channels=1,
        options={"gradients": 1, "rotations": 0, "activity": activity, "beta": beta},
    )  # fmt: skip
    model = build_model(config)
    model.encoder, model.decoder = FixedEncoder(), OnePixel()
    model.banks = nn.ModuleList([Constant(torch.full((1, 1), SPEED))])
    model.reader = Fixed(torch.tensor([0.3, math.log(0.8), 0.2]))
    frames = torch.tensor([0.9, 0.8, 0.1, 0.3]).reshape(1, 4, 1, 1, 1).expand(batch, -1, -1, -1, -1)
    return model.eval(), Batch(frames, torch.arange(4).expand(batch, -1), torch.full((batch,), -1), STEPS)


def log_p(batch, activity=PI, last=STEPS):
    """log p(x_0 … x_last): a mixture over all patterns of spikes of Gaussians, z_t = z_0 + c Σ_{s≤t} y_s ε_s. numpy alone."""
    x, lower, total = batch.frames[0].flatten().numpy()[: last + 1], np.tri(last + 1, last, -1), []
    for pattern in itertools.product((0, 1), repeat=last):
        y = np.array(pattern)
        covariance = SCALE**2 * (1 + SPEED**2 * (lower * y) @ lower.T) + STD**2 * np.eye(last + 1)
        weight = np.prod(np.where(y == 1, activity, 1 - activity))
        total.append(np.log(weight) + multivariate_normal.logpdf(x, np.zeros(last + 1), covariance) if weight else -np.inf)
    return np.logaddexp.reduce(total)


N = 200_000


@pytest.fixture
def draws(double):
    torch.set_default_dtype(torch.float64)
    model, batch = closed(batch=N)
    with torch.no_grad():
        return model.sequence_log_weights(batch, torch.Generator().manual_seed(0)), log_p(batch), model, batch


def test_weights_average_to_the_likelihood_of_the_sequence(draws):
    log_w, exact, *_ = draws
    w = (log_w - exact).exp()
    assert w.mean().item() == pytest.approx(1, abs=5 * w.std().item() / math.sqrt(N))
    assert w.std().item() / math.sqrt(N) < 0.02


def test_the_loss_is_minus_the_mean_log_weight_and_bounds_the_likelihood(draws):
    log_w, exact, model, batch = draws
    with torch.no_grad():
        loss = model.objective(batch, torch.Generator().manual_seed(1))["loss"].item()
    assert loss == pytest.approx(-log_w.mean().item(), abs=5 * math.sqrt(2) * log_w.std().item() / math.sqrt(N))
    assert -loss < exact - 0.1


def test_a_larger_beta_is_a_looser_bound_by_so_much_of_the_kl(double):
    losses = {}
    for beta in (1.0, 4.0):
        model, batch = closed(beta)
        with torch.no_grad():
            losses[beta] = model.objective(batch, torch.Generator().manual_seed(0))
    q = SpikeSlab(torch.tensor(0.3), torch.tensor(math.log(0.8)), torch.tensor(0.2), PI)
    assert losses[1.0]["kl_g"].item() == pytest.approx(STEPS * q.kl().item(), abs=1e-6)
    assert (losses[4.0]["loss"] - losses[1.0]["loss"]).item() == pytest.approx(3 * STEPS * q.kl().item(), abs=1e-5)


def test_the_weight_of_the_kl_grows_in_the_first_half_of_training():
    config = dataclasses.replace(SPARSE, steps=4, options={"beta": 6.0})
    model, source = new_model(config), MixedSequences(sequences())
    model.train()
    batch, weights = source.training_batch(6, 1, torch.Generator().manual_seed(0)), []
    for _ in range(4):
        weights.append(model.weight)
        terms = model.objective(batch, torch.Generator().manual_seed(1))
        assert terms["loss"].item() == pytest.approx((terms["reconstruction"] + terms["kl"] + weights[-1] * terms["kl_g"]).item())
    assert weights == [0, 3, 6, 6] and model.eval().weight == 6
    assert new_model(dataclasses.replace(config, options={"beta": 6.0, "warm_up": 0.0})).train().weight == 6


@pytest.mark.parametrize("t", [0, 2])
def test_weights_of_frames_average_to_their_own_likelihood(double, t):
    model, batch = closed(batch=N)
    with torch.no_grad():
        w = model.frame_log_weights(batch, torch.Generator().manual_seed(0))[:, t]
    total = []
    for y in itertools.product((0, 1), repeat=t):
        variance = SCALE**2 * (1 + SPEED**2 * sum(y)) + STD**2
        total.append(
            sum(math.log(PI if one else 1 - PI) for one in y)
            - 0.5 * (batch.frames[0, t].item() ** 2 / variance + math.log(2 * math.pi * variance))
        )
    w = (w - np.logaddexp.reduce(total)).exp()
    assert w.mean().item() == pytest.approx(1, abs=5 * w.std().item() / math.sqrt(N))


def test_without_spikes_the_weights_fit_too(double):
    model, batch = closed(activity=1.0, batch=N)
    with torch.no_grad():
        w = (model.sequence_log_weights(batch, torch.Generator().manual_seed(0)) - log_p(batch, 1.0)).exp()
    assert w.mean().item() == pytest.approx(1, abs=5 * w.std().item() / math.sqrt(N))
