"""Encoders, decoders, posterior and likelihoods against torch.distributions (M8)."""

import dataclasses
import math

import pytest
import torch
from tiny import CONFIG, OPTIONS, trained
from torch.distributions import Bernoulli as TorchBernoulli
from torch.distributions import Independent, Normal, kl_divergence

from flowlib.config import Config
from flowlib.devices import set_precision
from flowlib.errors import FlowlibError
from flowlib.models import Bernoulli, FlowVAE, Gaussian, Posterior, build_model
from flowlib.models.likelihood import Logistic, bits_per_dimension, build_likelihood
from flowlib.models.networks import build_networks
from flowlib.models.protocol import LOG_2PI


class TestPosterior:
    mean, log_std = (
        torch.tensor([[0.3, -1.0, 2.0], [0.0, 0.5, 4.0]]),
        torch.tensor([[0.2, -1.5, 0.0], [-3.0, 1.0, 0.4]]),
    )
    ours = Posterior(mean, log_std)
    oracle = Independent(Normal(mean, log_std.exp()), 1)

    def test_log_prob(self, generator):
        z = torch.randn(2, 3, generator=generator)
        assert torch.allclose(self.ours.log_prob(z), self.oracle.log_prob(z), rtol=1e-5)

    def test_kl_to_the_standard_normal(self):
        standard = Independent(Normal(torch.zeros(2, 3), torch.ones(2, 3)), 1)
        assert torch.allclose(self.ours.kl(), kl_divergence(self.oracle, standard), rtol=1e-5)
        assert torch.equal(Posterior(torch.zeros(2, 3), torch.zeros(2, 3)).kl(), torch.zeros(2))

    def test_samples_have_its_mean_and_variance(self, generator):
        many = Posterior(self.mean[:1].expand(50_000, -1), self.log_std[:1].expand(50_000, -1)).sample(generator)
        standardised = (many - self.mean[0]) / self.log_std[0].exp()
        assert torch.allclose(standardised.mean(0), torch.zeros(3), atol=0.02)
        assert torch.allclose(torch.cov(standardised.T), torch.eye(3), atol=0.03)

    def test_samples_come_from_the_generator_and_carry_gradients(self):
        mean, log_std = self.mean.clone().requires_grad_(), self.log_std.clone().requires_grad_()
        one, same = (Posterior(mean, log_std).sample(torch.Generator().manual_seed(3)) for _ in range(2))
        assert torch.equal(one, same)
        one.sum().backward()
        assert torch.equal(mean.grad, torch.ones(2, 3))
        assert torch.allclose(log_std.grad, (one - mean).detach(), atol=1e-6)  # d(σ ε)/d log σ = σ ε

    def test_constant(self):
        assert LOG_2PI == math.log(2 * math.pi)


class TestLikelihoods:
    shape = (2, 5, 3, 4, 6)

    def decoded(self):
        return 3 * torch.randn(self.shape, generator=torch.Generator().manual_seed(0))

    def test_bernoulli_on_binary_images_is_their_probability(self):
        images = torch.bernoulli(torch.full(self.shape, 0.4), generator=torch.Generator().manual_seed(1))
        oracle = Independent(TorchBernoulli(logits=self.decoded()), 3).log_prob(images)
        assert torch.allclose(Bernoulli().log_prob(self.decoded(), images), oracle, rtol=1e-5)

    def test_bernoulli_on_grey_values_is_maximal_at_the_right_mean(self):
        grey = torch.rand(self.shape, generator=torch.Generator().manual_seed(1))
        logits = torch.logit(grey)
        assert torch.allclose(Bernoulli().mean(logits), grey, atol=1e-5)
        best = Bernoulli().log_prob(logits, grey)
        for off in (0.1, -0.1):
            assert bool((Bernoulli().log_prob(logits + off, grey) < best).all())

    @pytest.mark.parametrize("std", [0.1, 1.0, 2.5])
    def test_gaussian_is_a_density(self, std):
        images = torch.rand(self.shape, generator=torch.Generator().manual_seed(1))
        oracle = Independent(Normal(self.decoded(), std), 3).log_prob(images)
        found = Gaussian(std).log_prob(self.decoded(), images)
        assert found.shape == (2, 5) and torch.allclose(found, oracle, rtol=1e-5)
        assert torch.equal(Gaussian(std).mean(self.decoded()), self.decoded())

    @pytest.mark.parametrize("std", [0.0, -1.0, math.nan, math.inf])
    def test_no_such_deviation(self, std):
        with pytest.raises(FlowlibError, match=f"noise_std = {std}"):
            Gaussian(std)

    def test_chosen_by_name(self):
        assert isinstance(build_likelihood("bernoulli", 0.1), Bernoulli)
        assert build_likelihood("gaussian", 0.3) == Gaussian(0.3)
        assert isinstance(build_likelihood("logistic", 0.1), Logistic)
        with pytest.raises(FlowlibError, match="likelihood = 'poisson': choose bernoulli, gaussian or logistic"):
            build_likelihood("poisson", 0.1)


class TestLogistic:
    values = torch.arange(256, device="cpu").double()[:, None, None, None] / 255

    def of(self, std):
        return Logistic(std).double()

    @pytest.mark.parametrize("std", [0.002, 0.1, 0.5])
    @pytest.mark.parametrize("output", [-1.0, -0.02, 0.3, 1.4])
    def test_256_values_sum_to_one_and_agree_with_differences_of_sigmoids(self, std, output):
        ours, decoded = self.of(std), torch.full((256, 1, 1, 1), output).double()
        log_prob = ours.log_prob(decoded, self.values)
        assert log_prob.exp().sum().item() == pytest.approx(1, abs=1e-9)
        scale, middle = 255 * std * math.sqrt(3) / math.pi, 255 * output
        edges = ((torch.arange(255, device="cpu").double() + 0.5 - middle) / scale).sigmoid()
        pieces = torch.cat([edges, edges.new_ones(1)]) - torch.cat([edges.new_zeros(1), edges])
        likely = pieces > 1e-6
        assert torch.allclose(log_prob[likely], pieces[likely].log(), rtol=1e-5)

    def test_gradients(self):
        ours, images = self.of(0.1), self.values[::15][:, :, :1, :1]
        decoded = torch.linspace(-3, 3, len(images), device="cpu").double().reshape(-1, 1, 1, 1)
        scale = ours.log_scale.detach()

        def log_prob(decoded, log_scale):
            given = self.of(0.1)
            del given.log_scale
            given.log_scale = log_scale
            return given.log_prob(decoded, images)

        assert torch.autograd.gradcheck(log_prob, (decoded.requires_grad_(), scale.clone().requires_grad_()))

    def test_far_out_it_stays_finite(self):
        decoded = torch.tensor([-30.0, 30.0]).reshape(2, 1, 1, 1).requires_grad_()
        found = Logistic(0.01).log_prob(decoded, torch.tensor([1.0, 0.5]).reshape(2, 1, 1, 1))
        found.sum().backward()
        assert found.isfinite().all() and decoded.grad.isfinite().all()

    def test_samples_have_these_probabilities(self):
        ours, decoded = self.of(0.05), torch.full((20_000, 1, 1, 1), 0.4).double()
        drawn = ours.sample(decoded, torch.Generator().manual_seed(0))
        probability = ours.log_prob(decoded[:256], self.values).exp()
        assert drawn.mean().item() == pytest.approx((probability * self.values[:, 0, 0, 0]).sum().item(), abs=0.002)
        share = torch.bincount((255 * drawn).round().long().flatten(), minlength=256) / len(drawn)
        assert (share - probability).abs().max() < 0.01

    @pytest.mark.parametrize("output", [-0.5, -0.05, 0.0, 0.4, 0.97, 1.2])
    def test_mean_and_curvature_are_expectations_over_the_256_values(self, output):
        ours, output = self.of(0.1), torch.tensor(output).double()
        weight = ours.log_prob(output.expand(256, 1, 1, 1), self.values).exp().detach()
        assert ours.mean(output).item() == pytest.approx((weight * self.values[:, 0, 0, 0]).sum().item(), rel=1e-3)
        second = torch.autograd.functional.hessian(lambda one: (ours.log_prob(one.expand(256, 1, 1, 1), self.values) * weight).sum(), output)
        assert ours.curvature(output).item() == pytest.approx(-second.item(), rel=2e-3)

    def test_a_pixel_that_is_always_black_costs_nothing(self):
        black = torch.zeros(1, 1, 1, 1)
        assert Logistic(0.1).log_prob(black - 1, black).item() == pytest.approx(0, abs=1e-6)

    def test_bits(self):
        flat = -8 * math.log(2) * 12  # 12 pixels of 256 equal values
        assert bits_per_dimension(flat, 12) == pytest.approx(8)

    def test_its_scale_is_learned(self):
        config = dataclasses.replace(CONFIG, model="vae", likelihood="logistic")
        run = trained(config=config)
        before = run.model.likelihood.log_scale.item()
        run.train_step()
        assert run.model.likelihood.log_scale.item() != before
        assert "likelihood.log_scale" in run.model.state_dict()


class TestNetworks:
    @pytest.mark.parametrize("kind", ["conv", "refined", "mlp"])
    @pytest.mark.parametrize("channels, size", [(3, 28), (1, 28), (3, 64)])
    def test_shapes(self, kind, channels, size):
        encoder, decoder = build_networks(kind, channels, size, latent_dim=5, width=2)
        images = torch.rand(4, channels, size, size)
        mean, log_std = encoder(images)
        assert mean.shape == log_std.shape == (4, 5) and not torch.equal(mean, log_std)
        assert decoder(mean).shape == images.shape

    @pytest.mark.parametrize("kind", ["conv", "refined", "mlp"])
    def test_every_input_matters_and_every_output_is_free(self, kind):
        """No pixel is ignored by the encoder, none is constant in the decoder; logits have both signs."""
        torch.manual_seed(0)
        encoder, decoder = build_networks(kind, 3, 28, latent_dim=4, width=2)
        images = torch.rand(2, 3, 28, 28, requires_grad=True)
        torch.cat(encoder(images), 1).square().sum().backward()
        assert bool((images.grad != 0).all())
        decoded = decoder(torch.randn(8, 4))
        assert bool((decoded.std(0) > 0).all()) and decoded.min() < 0 < decoded.max()

    @pytest.mark.parametrize("kind", ["conv", "refined", "mlp"])
    def test_width_is_what_the_option_says(self, kind):
        """`width` channels in the finest layer of conv, hidden layers of 16 × width."""
        encoder, decoder = build_networks(kind, 3, 28, latent_dim=4, width=3)
        hidden = [layer.out_features for net in (encoder, decoder) for layer in net.net if hasattr(layer, "out_features")]
        assert hidden.count(48) == (4 if kind == "mlp" else 2)
        if kind != "mlp":
            assert encoder.net[0].out_channels == decoder.net[-1].in_channels == 3

    @pytest.mark.parametrize("kind", ["conv", "refined", "mlp"])
    @pytest.mark.parametrize("size", [4, 16, 17, 30, 33, 50, 64, 99, 128])
    def test_any_size(self, kind, size):
        encoder, decoder = build_networks(kind, 5, size, 3, 2)
        assert [part.shape for part in encoder(torch.zeros(2, 5, size, size))] == [(2, 3)] * 2
        assert decoder(torch.zeros(2, 3)).shape == (2, 5, size, size)

    def test_larger_images_are_halved_more_often(self):
        for size, convolutions in ((16, 2), (28, 2), (32, 2), (64, 3), (128, 4)):
            for network in build_networks("conv", 3, size, 2, 2):
                assert sum("Conv" in type(layer).__name__ for layer in network.net) == convolutions

    def test_names_and_shapes_that_checkpoints_of_digits_have(self):
        encoder, decoder = build_networks("conv", 3, 28, 5, 4)
        assert {name: tuple(value.shape) for name, value in encoder.state_dict().items() if "weight" in name} == {
            "net.0.weight": (4, 3, 4, 4), "net.2.weight": (8, 4, 4, 4), "net.5.weight": (64, 392), "net.7.weight": (10, 64),
        }  # fmt: skip
        assert {name: tuple(value.shape) for name, value in decoder.state_dict().items() if "weight" in name} == {
            "net.0.weight": (64, 5), "net.2.weight": (392, 64), "net.5.weight": (8, 4, 4, 4), "net.7.weight": (4, 3, 4, 4),
        }  # fmt: skip

    def test_three_pixels_are_too_few(self):
        with pytest.raises(FlowlibError, match="image size 3: .* 4 or more pixels"):
            build_networks("conv", 3, 3, 2, 2)

    def test_lower_precision_inside_the_networks_alone(self):
        """bf16 has 8 bits of mantissa: the output differs by about 2^-8, and what leaves the networks is float32."""
        model = build_model(CONFIG)
        images = torch.rand(4, 3, 28, 28)
        exact = model.encode(images).mean
        lowered = set_precision(model, "bf16").encode(images).mean
        assert lowered.dtype == torch.float32 and 0 < (lowered - exact).abs().max() < 0.05
        assert model.decode(exact).dtype == torch.float32
        assert torch.equal(set_precision(model, "float32").encode(images).mean, exact)

    def test_unknown_kind(self):
        with pytest.raises(FlowlibError, match="network = 'transformer': choose one of conv, refined, mlp"):
            build_networks("transformer", 3, 28, 2, 2)


class TestModel:
    def test_options_reach_the_model(self):
        model = FlowVAE(Config(**OPTIONS | {"likelihood": "gaussian", "noise_std": 0.7, "diffusion": 0.2,
                                            "learn_diffusion": False, "factors": ("hue", "scale"),
                                            "bounded_potential": True, "hj_penalty": "paper"}))  # fmt: skip
        assert model.likelihood == Gaussian(0.7)
        assert torch.allclose(model.prior.diffusion(torch.tensor([0, 1])), torch.tensor([0.2, 0.2]))
        assert not model.prior.log_diffusion.requires_grad
        assert model.potentials.factors == 2 and model.potentials.dim == 2 and model.potentials.bounded
        assert model.potentials.head.shape == (2, 4) and model.penalty.force.head.shape == (2, 4)

    def test_a_decoder_takes_any_batch_of_latents(self):
        model = build_model(CONFIG)
        z = torch.randn(2, 3, 2)
        assert model.decode(z).shape == (2, 3, 3, 28, 28)
        assert torch.allclose(model.decode(z)[1, 2], model.decode(z[1, 2][None])[0], atol=1e-6)

    def test_other_image_sizes(self):
        model = build_model(dataclasses.replace(CONFIG, channels=1, size=64))
        assert model.decode(model.encode(torch.rand(2, 1, 64, 64)).mean).shape == (2, 1, 64, 64)

    @pytest.mark.parametrize("objective", ["path", "marginal"])
    @pytest.mark.parametrize("kind", ["conv", "refined", "mlp"])
    def test_every_weight_gets_a_gradient(self, kind, objective):
        from tiny import sequences

        config = Config(**OPTIONS | {"network": kind, "objective": objective, "potential_depth": 2})
        torch.manual_seed(0)
        model = build_model(config)
        batch = sequences(config).training_batch(6, 1, torch.Generator().manual_seed(0))
        model.objective(batch, torch.Generator().manual_seed(0))["loss"].backward()
        free = {"potentials.offset"}  # a constant in u moves nothing
        still = {name for name, p in model.named_parameters() if p.grad is None or not bool((p.grad != 0).any())}
        assert still == free
