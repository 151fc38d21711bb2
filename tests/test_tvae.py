"""The topographic VAE: rolls, its Student-t codes by hand, its two divergences and its importance weights."""

import math

import pytest
import torch
from frame_pairs import Quiet, chosen, full, mean_of_pairs, values, values_whatever_the_global_seed
from torch.distributions import Bernoulli, Normal, kl_divergence

from flowlib.config import Config
from flowlib.data import Batch
from flowlib.errors import FlowlibError
from flowlib.models import build_model
from flowlib.models.tvae import TVAE


def small(latent_dim=11, factors=("scale", "rotation", "hue"), horizon=2, **options):
    torch.manual_seed(0)
    config = Config(model="tvae", latent_dim=latent_dim, factors=factors, horizon=horizon, width=2, batch_size=6, options=options)
    return build_model(config)


def test_transport_rolls_the_capsule_of_its_factor():
    model, z = small(), torch.arange(22.0).reshape(2, 11)
    path = model.transport(z, 1, 4)
    for step in range(5):
        expected = torch.cat([z[:, :3], z[:, 3:6].roll(step, 1), z[:, 6:]], 1)
        assert torch.equal(path[:, step], expected)
    assert torch.equal(model.transport(z, 1, 2, first=5), path[:, :3])
    mixed = model.transport(z, torch.tensor([0, 2]), 1)
    assert torch.equal(mixed[0, 1], torch.cat([z[0, :3].roll(1), z[0, 3:]]))
    assert torch.equal(mixed[1, 1], torch.cat([z[1, :6], z[1, 6:9].roll(1), z[1, 9:]]))


def test_codes_by_hand():
    """One capsule of four places, two of T + 1 = 3 frames, no neighbours: v_0 = 3/2 (u_0² + Roll_{−1} u_1²)."""
    model = small(4, ("scale",), mu=-1.0, window=1.0)
    z = torch.tensor([[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]])
    u = torch.tensor([[[1.0, -2.0, 3.0, 4.0], [2.0, 2.0, -2.0, 6.0]]])  # squares 1 4 9 16 and 4 4 4 36
    scales = 3 * torch.tensor([[[2.5, 4.0, 22.5, 10.0], [10.0, 2.5, 4.0, 22.5]]])
    t = model.topographic(z, u, torch.tensor([0]), torch.tensor([[0, 1]]))
    assert torch.allclose(t, (z + 1) / scales.sqrt(), atol=1e-5)


def test_neighbours_form_a_circle_within_a_capsule():
    model = small(7, ("scale", "rotation"), mu=0.0, window=3.0)  # capsules of 3, one coordinate left
    u = torch.arange(1.0, 8.0)[None, None]
    t = model.topographic(torch.ones(1, 1, 7), u, torch.tensor([1]), torch.tensor([[0]]))
    expected = 3 * torch.tensor([14.0] * 3 + [77.0] * 3 + [3 * 49.0])  # 3 frames
    assert torch.allclose(t[0, 0], expected.rsqrt(), rtol=1e-5)
    wide = small(5, ("scale",), mu=0.0, window=3.0)
    t = wide.topographic(torch.ones(1, 1, 5), u[..., :5], torch.tensor([0]), torch.tensor([[0]]))
    expected = torch.tensor([25 + 1 + 4, 1 + 4 + 9, 4 + 9 + 16, 9 + 16 + 25, 16 + 25 + 1])
    assert torch.allclose(t[0, 0], (3 * expected).rsqrt(), rtol=1e-5)


def test_frames_that_roll_have_codes_that_roll(generator):
    """If z and u of every frame are those of x_0, rolled, then so is t, whichever frames are present, in any order."""
    model, factor = small(window=1.0), torch.tensor([0, 1, 2, 1])
    z, u = torch.randn(2, 4, 11, generator=generator)
    times = torch.tensor([[0, 2, 1], [0, 1, 2], [0, 2, 1], [0, 1, 2]])
    chosen_times = times[..., None].expand(-1, -1, 11)
    z_path, u_path = (model.transport(s, factor, 2).gather(1, chosen_times) for s in (z, u))
    t = model.topographic(z_path, u_path, factor, times)
    assert torch.allclose(t, model.transport(t[:, 0], factor, 2).gather(1, chosen_times), atol=1e-5)
    alone = model.topographic(z[:, None], u[:, None], factor, times[:, :1])
    assert torch.allclose(t[:, :1], alone, atol=1e-5)
    backwards = model.topographic(z_path, u_path, factor, -times)
    assert not torch.allclose(t, backwards, atol=1e-2)


def test_scales_of_a_sequence_do_not_depend_on_the_order_of_its_frames(generator):
    model, factor = small(window=1.0), torch.tensor([0, 2])
    z, u = torch.randn(2, 2, 3, 11, generator=generator)
    times, order = torch.tensor([[0, 1, 2]]).expand(2, -1), [2, 0, 1]
    t = model.topographic(z, u, factor, times)
    assert torch.allclose(model.topographic(z[:, order], u[:, order], factor, times[:, order]), t[:, order])


def test_code_of_a_single_image_is_a_gaussian_around_its_topographic_code(generator):
    model, images = small(), full().frames[:, 0]
    u_mean, _ = model.scale_encoder(images)
    model.scale_encoder = Quiet(model.scale_encoder)
    posterior, (mean, log_std) = model.encode(images), model.encoder(images)
    z = mean + log_std.exp() * torch.randn(20_000, *mean.shape, generator=generator)
    repeated = u_mean.expand_as(z).flatten(0, 1)[:, None]
    factor = torch.zeros(len(repeated), dtype=torch.long)
    t = model.topographic(z.flatten(0, 1)[:, None], repeated, factor, torch.zeros(len(repeated), 1, dtype=torch.long))
    t = t.reshape(z.shape)
    error = t.std(0) / math.sqrt(len(z))
    assert ((posterior.mean - t.mean(0)).abs() < 5 * error).all()
    assert torch.allclose(posterior.log_std.exp(), t.std(0), rtol=0.03)


def test_spread_of_the_scales_counts_in_the_code_of_an_image():
    model, images = small(window=1.0), full().frames[:, 0]
    mean, (u_mean, u_log_std) = model.encoder(images)[0], model.scale_encoder(images)
    expected = (mean - model.mu) / (3 * (u_mean**2 + u_log_std.exp() ** 2)).sqrt()
    assert torch.allclose(model.encode(images).mean, expected, rtol=1e-4)


def test_objective_is_two_divergences_and_a_reconstruction():
    model, batch = small(), full("hue")
    batch = Batch((batch.frames > 0.5).float(), batch.times, batch.factor, batch.steps)
    terms, frames = values(model, batch, seed=3), batch.frames.flatten(0, 1)
    generator, codes = torch.Generator().manual_seed(3), []
    for name, encoder in (("kl", model.encoder), ("kl_scale", model.scale_encoder)):
        mean, log_std = encoder(frames)
        kl = kl_divergence(Normal(mean, log_std.exp()), Normal(0.0, 1.0)).sum().item() / 4
        assert terms[name] == pytest.approx(kl, rel=1e-4)
        noise = torch.randn(mean.shape, generator=generator)
        codes.append((mean + log_std.exp() * noise).unflatten(0, (4, 3)))
    t = model.topographic(*codes, batch.factor, batch.times)
    log_prob = Bernoulli(logits=model.decode(t)).log_prob(batch.frames).sum().item() / 4
    assert terms["reconstruction"] == pytest.approx(-log_prob, rel=1e-5)
    assert terms["loss"] == pytest.approx(terms["kl"] + terms["kl_scale"] - log_prob, rel=1e-5)


def drawn(model, batch, seed):
    """(log p(z) p(u) / (q(z|x) q(u|x)), z, u) of one draw for every frame, (B, F, …)."""
    generator, ratio, codes = torch.Generator().manual_seed(seed), 0.0, []
    for encoder in (model.encoder, model.scale_encoder):
        mean, log_std = (one.unflatten(0, batch.times.shape) for one in encoder(batch.frames.flatten(0, 1)))
        code = mean + log_std.exp() * torch.randn(mean.shape, generator=generator)
        ratio = ratio + (Normal(0.0, 1.0).log_prob(code) - Normal(mean, log_std.exp()).log_prob(code)).sum(-1)
        codes.append(code)
    return ratio, *codes


def test_importance_weights_against_torch_distributions():
    model, batch = small(window=1.0, mu=-1.0), full()
    batch = Batch((batch.frames > 0.5).float(), batch.times, batch.factor, batch.steps)
    found = model.frame_log_weights(batch, torch.Generator().manual_seed(5))
    ratio, z, u = drawn(model, batch, 5)
    t = (z - model.mu) / (3**0.5 * u.abs())
    expected = ratio + Bernoulli(logits=model.decode(t)).log_prob(batch.frames).sum((2, 3, 4))
    assert found.shape == (4, 3)
    assert torch.allclose(found, expected, rtol=1e-4)


def test_weights_of_sequences_have_one_scale_for_all_frames():
    """log w is that of all z and u, and of the frames decoded from codes whose scales are shared (`objective`'s, by hand)."""
    model, batch = small(window=1.0, mu=-1.0), full("rotation")
    batch = Batch((batch.frames > 0.5).float(), batch.times, batch.factor, batch.steps)
    found = model.sequence_log_weights(batch, torch.Generator().manual_seed(5))
    ratio, z, u = drawn(model, batch, 5)
    capsules = u.square().clone()  # window 1: v is u², and three times that outside of the capsules
    capsules[..., 3:6] = torch.stack([capsules[:, t, 3:6].roll(-t, -1) for t in range(3)], 1)
    scale = capsules.mean(1, keepdim=True).expand(-1, 3, -1).clone()
    scale[..., 3:6] = torch.stack([scale[:, t, 3:6].roll(t, -1) for t in range(3)], 1)
    t = (z - model.mu) / (3 * scale).sqrt()
    expected = ratio + Bernoulli(logits=model.decode(t)).log_prob(batch.frames).sum((2, 3, 4))
    assert torch.allclose(found, expected.sum(1), rtol=1e-4)


def test_frames_present_stand_for_all():
    model, batch = small(), full()
    expected, pairs = values(model, batch), mean_of_pairs(model, batch)
    for name in ("kl", "kl_scale"):
        assert pairs[name] == pytest.approx(expected[name], rel=1e-5)
    assert values(model, chosen(batch, [0, 2]))["kl"] != pytest.approx(expected["kl"], rel=1e-6)


def test_every_parameter_learns(generator):
    model = small()
    model.objective(full(), generator)["loss"].backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())


def test_all_randomness_comes_from_the_generator():
    one, other, untouched = values_whatever_the_global_seed(small(), full())
    assert one == other and untouched
    assert values(small(), full(), seed=1) != values(small(), full(), seed=2)


def test_capsules_shorter_than_a_sequence_are_refused():
    with pytest.raises(FlowlibError, match="latent_dim = 26.* ≥ 27"):
        small(26, horizon=8)
    assert small(27, horizon=8).capsule == 9


@pytest.mark.parametrize("option", [{"window": 2}, {"window": 5}, {"window": 0}, {"mu": math.inf}])
def test_impossible_options_are_refused(option):
    with pytest.raises(FlowlibError, match=next(iter(option))):
        TVAE(Config(latent_dim=9, horizon=2, width=2), **option)
