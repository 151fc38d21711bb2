"""FactorVAE against pythae, a closed-form total correlation, and the paths its gradients may take."""

import math

import pytest
import torch
from frame_pairs import Quiet, full, mean_of_pairs, values, values_whatever_the_global_seed
from torch import nn
from torch.distributions import MultivariateNormal

from flowlib.config import Config
from flowlib.errors import FlowlibError
from flowlib.models import Posterior, build_model
from flowlib.models.factor_vae import FactorVAE, independent_coordinates

CORRELATION = torch.tensor([[1.0, 0.8, 0.3], [0.8, 1.0, 0.2], [0.3, 0.2, 1.0]])


def small(latent_dim=3, **options):
    torch.manual_seed(0)
    return build_model(Config(model="factor-vae", latent_dim=latent_dim, width=2, horizon=2, options=options))


class Fixed(nn.Module):
    """A discriminator without parameters."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, z):
        return torch.stack(self.logits(z), 1)


def test_loss_terms_agree_with_pythae():
    """Recorded from pythae 0.1.2, `FactorVAE.loss_function` with γ = 7 and this discriminator, for these tensors."""
    mean = torch.tensor([[0.5, -1.0, 0.2], [1.5, 0.3, -0.4]])
    log_variance = torch.tensor([[-1.0, 0.4, -2.0], [0.1, -0.5, -3.0]])
    z = torch.tensor([[0.3, -1.2, 0.8], [1.1, 0.4, -0.6]])
    permuted = torch.tensor([[1.1, -1.2, -0.6], [0.3, 0.4, 0.8]])
    model = small()
    model.discriminator = Fixed(lambda z: (torch.sin(3 * z).sum(1), z.square().sum(1) - z[:, 0]))
    kl = Posterior(mean, log_variance / 2).kl().mean()
    reconstruction = 10.842315673828125  # pythae's own; ours is compared in test_vae.py
    loss = reconstruction + kl + 7 * model.log_ratio(z).mean()
    assert loss.item() == pytest.approx(9.935093879699707, rel=1e-5)
    cross_entropy = model.cross_entropy(z, permuted, torch.ones(2))
    assert cross_entropy.item() == pytest.approx(0.9736495018005371, rel=1e-5)


def test_best_discriminator_gives_the_total_correlation_of_a_gaussian(generator):
    exact = -0.5 * CORRELATION.logdet().item()
    joint = MultivariateNormal(torch.zeros(3), CORRELATION)
    product = MultivariateNormal(torch.zeros(3), torch.eye(3))
    model = small()
    model.discriminator = Fixed(lambda z: (joint.log_prob(z), product.log_prob(z)))
    z = torch.randn(100_000, 3, generator=generator) @ torch.linalg.cholesky(CORRELATION).T
    ratio = model.log_ratio(z)
    assert abs(ratio.mean().item() - exact) < 4 * ratio.std().item() / math.sqrt(len(z))


def test_trained_discriminator_finds_that_total_correlation(generator):
    model, root = small(), torch.linalg.cholesky(CORRELATION)
    optimizer = torch.optim.Adam(model.discriminator.parameters(), 3e-3)
    weights = torch.ones(1000)
    for _ in range(300):
        z = torch.randn(1000, 3, generator=generator) @ root.T
        loss = model.cross_entropy(z, independent_coordinates(z, weights, generator), weights)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = model.log_ratio(torch.randn(20_000, 3, generator=generator) @ root.T).mean().item()
    assert found == pytest.approx(-0.5 * CORRELATION.logdet().item(), rel=0.15)


def gradients(model, term):
    term.backward(retain_graph=True)
    found = {
        part: sum(p.grad.abs().sum().item() for p in getattr(model, part).parameters() if p.grad is not None)
        for part in ("encoder", "decoder", "discriminator")
    }
    model.zero_grad()
    return found


def test_each_term_moves_its_own_networks_only(generator):
    model = small()
    terms = model.objective(full(), generator)
    tc, discriminator = gradients(model, terms["tc"]), gradients(model, terms["discriminator"])
    assert tc["encoder"] > 0 and tc["decoder"] == tc["discriminator"] == 0
    assert discriminator["discriminator"] > 0 and discriminator["encoder"] == discriminator["decoder"] == 0
    assert all(size > 0 for size in gradients(model, terms["loss"]).values())


def test_loss_is_the_vae_plus_the_weighted_total_correlation():
    one, three = values(small(gamma=1.0), full()), values(small(gamma=3.0), full())
    assert three["loss"] - one["loss"] == pytest.approx(2 * one["tc"], rel=1e-3)
    rest = one["reconstruction"] + one["kl"] + one["tc"] + one["discriminator"]
    assert one["loss"] == pytest.approx(rest, rel=1e-6)


def test_coordinates_are_drawn_independently_with_the_frames_weights(generator):
    kind = (torch.arange(30_000) % 3 == 0).float()
    z = torch.stack([kind, 1 - kind, kind + 2], 1)
    drawn = independent_coordinates(z, 1 + 3 * kind, generator)  # weights 4 : 1 : 1 of three codes
    assert drawn.mean(0).tolist() == pytest.approx([2 / 3, 1 / 3, 2 + 2 / 3], abs=0.02)
    assert (drawn.T.corrcoef() - torch.eye(3)).abs().max() < 0.03


def test_frames_present_stand_for_all():
    model, batch = small(), full()
    model.encoder = Quiet(model.encoder)
    model.discriminator = Fixed(lambda z: (100 * z[:, 0], 50 * z[:, 1].square()))
    expected, pairs = values(model, batch), mean_of_pairs(model, batch)
    for name in ("reconstruction", "kl", "tc"):
        assert pairs[name] == pytest.approx(expected[name], rel=1e-3)
    assert abs(values(model, full("hue"))["tc"] - expected["tc"]) > 1e-2 * abs(expected["tc"])  # frames do matter


def test_all_randomness_comes_from_the_generator():
    one, other, untouched = values_whatever_the_global_seed(small(), full())
    assert one == other and untouched
    assert values(small(), full(), seed=1) != values(small(), full(), seed=2)


def test_impossible_gamma_is_refused():
    for gamma in (-1.0, float("inf"), float("nan")):
        with pytest.raises(FlowlibError, match="gamma"):
            FactorVAE(Config(latent_dim=2, width=2), gamma=gamma)


def test_cross_entropy_counts_codes_by_their_weights():
    model = small()
    model.discriminator = Fixed(lambda z: (z[:, 0], z[:, 1]))
    z, weights = torch.tensor([[1.0, 0, 0], [0, 2.0, 0]]), torch.tensor([1.0, 3.0])
    joint = [-torch.tensor(logits).log_softmax(0)[0] for logits in ([1.0, 0.0], [0.0, 2.0])]
    alone = [-torch.tensor(logits).log_softmax(0)[1] for logits in ([1.0, 0.0], [0.0, 2.0])]
    expected = 0.5 * (joint[0] + 3 * joint[1]) / 4 + 0.5 * sum(alone) / 2
    assert model.cross_entropy(z, z, weights).item() == pytest.approx(expected.item())
