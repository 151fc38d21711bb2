"""The ladder of operators: ridge regressions against scikit-learn, and rungs that find what lies on them."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.preprocessing import PolynomialFeatures
from tiny import CONFIG, sequences
from torch import nn

from flowlib.data import RecordedSequences
from flowlib.errors import FlowlibError
from flowlib.evaluation import equivariance_error, ladder_errors
from flowlib.evaluation.ladder import linear, quadratic, residual_network, ridge_fit
from flowlib.models import VAE, build_model

CONFIGURED = dataclasses.replace(CONFIG, model="vae", latent_dim=2, horizon=1, factors=("one",), likelihood="gaussian")


def test_features_are_those_of_scikit_learn(double, generator):
    z = torch.randn(5, 3, generator=generator)
    for degree, features in ((1, linear), (2, quadratic)):
        assert np.allclose(features(z).numpy(), PolynomialFeatures(degree).fit_transform(z.numpy()))


def test_the_ridge_is_scikit_learns_and_chosen_on_the_last_fifth(double, generator):
    x, y = torch.randn(50, 3, generator=generator), torch.randn(50, 2, generator=generator) + 5
    left = {}
    for ridge in (0.1, 30.0, 1000.0):
        part = Ridge(alpha=ridge).fit(x[:40].numpy(), y[:40].numpy())
        left[ridge] = ((part.predict(x[40:].numpy()) - y[40:].numpy()) ** 2).sum()
    oracle = Ridge(alpha=min(left, key=left.get)).fit(x.numpy(), y.numpy())
    found = ridge_fit(linear(x), y, tuple(left))
    assert np.allclose(found[0].numpy(), oracle.intercept_) and np.allclose(found[1:].mT.numpy(), oracle.coef_)
    assert min(left, key=left.get) != 0.1  # there was something to choose


def test_the_network_fits_what_is_not_linear_and_nothing_where_there_is_nothing(generator):
    x = torch.randn(400, 2, generator=generator)
    y = (2 * x).sin()
    network = residual_network(x, y)
    with torch.no_grad():
        assert (network(x[320:]) - y[320:]).square().mean() < 0.05 * y.square().mean()
        noise = residual_network(x, torch.randn(400, 2, generator=generator))
        assert noise(x[320:]).square().mean() < 0.05


class TwoPixels(nn.Module):
    def forward(self, images):
        code = images.flatten(1)[:, :2]
        return code, torch.zeros_like(code)


class Shown(nn.Module):
    def forward(self, z):
        return torch.cat([z, torch.zeros_like(z).repeat(1, 7)], 1).unflatten(1, (1, 4, 4))


def moved(move, generator, count=300):
    """Sequences x_0, x_1 of two pixels a and b, x_1 = move(a, b)."""
    begin = torch.rand(count, 2, generator=generator)
    frames = torch.zeros(count, 2, 16)
    begin = 0.1 + 0.7 * begin
    frames[:, 0, :2], frames[:, 1, :2] = begin, move(begin)
    return RecordedSequences(frames.reshape(count, 2, 1, 4, 4), torch.zeros(count, dtype=torch.int64), ("one",))


@pytest.mark.parametrize(
    "rung, move",
    [
        ("mean", lambda z: z + torch.tensor([0.2, -0.1])), ("linear", lambda z: 0.5 * z.flip(1) + 0.1), ("quadratic", lambda z: z[:, :1] * z),
        ("MLP", lambda z: (6 * z).sin().abs()),
    ],
)  # fmt: skip
def test_each_rung_finds_what_lies_on_it(rung, move, generator):
    """Those below err ten times as much (the network three times); the floor of exact codes is 0."""
    model = build_model(dataclasses.replace(CONFIGURED, channels=1, size=4))
    model.encoder, model.decoder = TwoPixels(), Shown()
    train, test = moved(move, generator), moved(move, generator, 50)
    found = {name: errors.mean().item() for name, errors in ladder_errors(model, train, test, 0).items()}
    assert list(found) == ["mean", "linear", "quadratic", "MLP", "floor"] and found["floor"] < 1e-6
    below = list(found)[: list(found).index(rung)]
    if rung == "MLP":
        assert found["MLP"] < min(found[name] for name in below) / 3
    else:
        assert found[rung] < 5e-3 and all(found[name] > 10 * found[rung] for name in below)


def test_the_first_rung_is_the_mean_displacement_of_m16():
    torch.manual_seed(0)
    model, data = VAE(CONFIG).calibrate(sequences()), sequences()
    assert torch.allclose(ladder_errors(model, data, data, 1)["mean"], equivariance_error(model, data, 1), rtol=1e-5)


def test_too_few_images():
    with pytest.raises(FlowlibError, match="4 training images: .*five"):
        ladder_errors(VAE(CONFIG), sequences(), sequences(), 0, fitted=4)
