"""SlowVAE's closed form against quadrature and torch.distributions, and which frame is compared with which."""

import math

import pytest
import torch
from frame_pairs import Quiet, chosen, full, mean_of_pairs, values, values_whatever_the_global_seed
from scipy.integrate import dblquad, quad
from scipy.stats import laplace, norm
from torch.distributions import Laplace, Normal, kl_divergence

from flowlib.config import Config
from flowlib.data import Batch
from flowlib.errors import FlowlibError
from flowlib.models import Gaussian, Posterior, build_model
from flowlib.models.slow_vae import SlowVAE, folded_normal_mean, laplace_kl


def small(**options):
    torch.manual_seed(0)
    return build_model(Config(model="slow-vae", latent_dim=3, width=2, horizon=2, options=options))


def gaussian(means, stds):
    return Posterior(torch.tensor([means]), torch.tensor([stds]).log())


CASES = [(0.0, 1.0), (0.7, 0.3), (-0.7, 0.3), (2.5, 1.4), (-3.0, 0.05)]


@pytest.mark.parametrize("mean, std", CASES)
def test_mean_distance_against_quadrature(mean, std):
    low, high = mean - 12 * std, mean + 12 * std
    points = [0.0] if low < 0 < high else None
    expected = quad(lambda x: abs(x) * norm.pdf(x, mean, std), low, high, points=points)[0]
    found = folded_normal_mean(torch.tensor(mean), torch.tensor(std)).item()
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("mean, std", CASES)
@pytest.mark.parametrize("rate", [1.0, 6.0])
def test_divergence_from_a_known_code_against_quadrature(mean, std, rate):
    """1-D: the code before is a point, 0.4."""

    def integrand(z):
        log_q = norm.logpdf(z, mean, std)
        return math.exp(log_q) * (log_q - laplace.logpdf(z, 0.4, 1 / rate))

    low, high = mean - 12 * std, mean + 12 * std
    expected = quad(integrand, low, high, points=[0.4] if low < 0.4 < high else None)[0]
    found = laplace_kl(gaussian([mean], [std]), gaussian([0.4], [1e-9]), rate).item()
    assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("after, before", [((0.7, 0.3), (-0.2, 0.5)), ((-1.0, 0.9), (0.6, 0.2))])
def test_expected_divergence_against_quadrature(after, before):
    """2-D: both codes are random. The inner integral is split at the kink by its limits."""
    rate = 3.0

    def integrand(z, s):
        log_q = norm.logpdf(z, *after)
        return norm.pdf(s, *before) * math.exp(log_q) * (log_q - laplace.logpdf(z, s, 1 / rate))

    low, high = before[0] - 9 * before[1], before[0] + 9 * before[1]
    left, right = -9.0, 9.0
    tolerance = {"epsabs": 1e-6, "epsrel": 1e-6}
    expected = dblquad(integrand, low, high, left, lambda s: s, **tolerance)[0]
    expected += dblquad(integrand, low, high, lambda s: s, right, **tolerance)[0]
    found = laplace_kl(gaussian(*([x] for x in after)), gaussian(*([x] for x in before)), rate).item()
    assert found == pytest.approx(expected, rel=1e-4)


def test_divergence_of_codes_sums_over_coordinates_like_torch_distributions(generator):
    after, before = gaussian([0.5, -1.0, 0.1], [0.3, 0.2, 1.0]), gaussian([-0.2, -1.5, 0.4], [0.1, 0.4, 0.6])
    q, count = Normal(after.mean, after.log_std.exp()), 200_000
    s = before.mean + before.log_std.exp() * torch.randn(count, 3, generator=generator)
    z = after.mean + after.log_std.exp() * torch.randn(count, 3, generator=generator)
    draws = (q.log_prob(z) - Laplace(s, 1 / 6).log_prob(z)).sum(1)
    error = draws.std().item() / math.sqrt(count)
    assert abs(laplace_kl(after, before, 6.0).item() - draws.mean().item()) < 4 * error


def codes(model, frames):
    """q(z|x) of complete sequences: one posterior per time."""
    return [model.encode(frames[:, t]) for t in range(frames.shape[1])]


def test_objective_of_complete_sequences():
    model, batch = small(gamma=2.0, rate=4.0), full("rotation")
    q, found = codes(model, batch.frames), values(model, batch)
    first = kl_divergence(Normal(q[0].mean, q[0].log_std.exp()), Normal(0.0, 1.0)).sum(1).mean().item()
    transition = sum(laplace_kl(q[t], q[t - 1], 4.0).mean().item() for t in (1, 2))
    assert found["kl"] == pytest.approx(first, rel=1e-4)
    assert found["transition"] == pytest.approx(transition, rel=1e-5)
    assert found["loss"] == pytest.approx(found["reconstruction"] + first + 2 * transition, rel=1e-5)


def test_neighbours_are_found_among_unsorted_frames():
    model, batch = small(rate=50.0), full("scale")
    model.encoder = Quiet(model.encoder)
    expected = values(model, batch)
    assert values(model, chosen(batch, [0, 2, 1])) == pytest.approx(expected, rel=1e-4)
    mixed = torch.tensor([[0, 2, 1], [0, 1, 2], [0, 2, 1], [0, 1, 2]])  # another order in every sequence
    frames = batch.frames[torch.arange(4)[:, None], mixed]
    assert values(model, Batch(frames, mixed, batch.factor, 2)) == pytest.approx(expected, rel=1e-4)
    q = codes(model, batch.frames)
    from_first = sum(laplace_kl(q[t], q[0], 50.0).mean().item() for t in (1, 2))
    assert abs(expected["transition"] - from_first) > 1e-2  # so that a wrong neighbour would be seen


def test_frames_present_stand_for_all():
    """Of two frames the later follows x_0; the mean over its time is then the sum of all such transitions."""
    model, batch = small(), full()
    model.encoder = Quiet(model.encoder)
    q, expected, pairs = codes(model, batch.frames), values(model, batch), mean_of_pairs(model, batch)
    from_first = sum(laplace_kl(q[t], q[0], 6.0).mean().item() for t in (1, 2))
    assert pairs["reconstruction"] == pytest.approx(expected["reconstruction"], rel=1e-4)
    assert pairs["kl"] == pytest.approx(expected["kl"], rel=1e-5)
    assert pairs["transition"] == pytest.approx(from_first, rel=1e-5)


def test_all_randomness_comes_from_the_generator():
    one, other, untouched = values_whatever_the_global_seed(small(), full())
    assert one == other and untouched
    assert values(small(), full(), seed=1) != values(small(), full(), seed=2)


@pytest.mark.parametrize("option", [{"rate": 0.0}, {"rate": float("nan")}, {"gamma": -1.0}])
def test_impossible_options_are_refused(option):
    with pytest.raises(FlowlibError, match=next(iter(option))):
        SlowVAE(Config(latent_dim=2, width=2), **option)


def test_weights_of_a_sequence_converge_to_its_likelihood(generator):
    """Two frames of one grey value, one latent: p(x_0, x_1) by a sum over a grid of (z_0, z_1)."""
    model = SlowVAE(Config(latent_dim=1, width=2, horizon=1, channels=1, size=4), rate=1.5)
    model.likelihood = Gaussian(0.7)
    model.encode = lambda images: Posterior(images.mean((2, 3)) * 0.5, torch.zeros(len(images), 1))
    model.decode = lambda z: z[:, :, None, None]
    pair = torch.tensor([0.9, -0.4])
    z = torch.linspace(-8, 8, 1601)
    start, seen = Normal(0, 1).log_prob(z), [Normal(z, 0.7).log_prob(x) for x in pair]
    step = Laplace(z[:, None], 1 / 1.5).log_prob(z[None])
    exact = torch.logsumexp(((start + seen[0])[:, None] + step + seen[1][None]).flatten(), 0) + 2 * torch.log(z[1] - z[0])
    frames = pair.reshape(1, 2, 1, 1, 1).expand(200_000, -1, -1, -1, -1)
    batch = Batch(frames, torch.tensor([[0, 1]]).expand(len(frames), -1), torch.zeros(len(frames), dtype=torch.long), 1)
    weights = (model.sequence_log_weights(batch, generator) - exact).exp()
    assert abs(weights.mean() - 1) < 4 * weights.std() / len(weights) ** 0.5 and weights.std() < 3
