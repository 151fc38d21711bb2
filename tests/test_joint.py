"""log p(z̄, x̄) of every kind of chain: against quadrature, draws, and what the models say of their parts (M17)."""

import dataclasses

import numpy as np
import pytest
import torch
from linear_frames import DIM, STEPS, linear_model, seeded
from tiny import CONFIG, sequences

from flowlib.data import Batch
from flowlib.evaluation import tight
from flowlib.evaluation.gaussian_chain import from_precision
from flowlib.evaluation.tight import fit_proposal, importance_likelihood
from flowlib.models import FlowVAE
from flowlib.training import new_model


def of_model(name, **changes):
    config = dataclasses.replace(CONFIG, model=name, **{"latent_dim": 9 if name == "tvae" else 2} | changes)
    return new_model(config).requires_grad_(False).eval(), sequences(config).full_batch([0, 1], 1)


class TestModels:
    def test_laplace_chain_against_quadrature(self):
        """Two coordinates in all: d = 1, two frames."""
        model, batch = of_model("slow-vae", latent_dim=1, horizon=1, likelihood="gaussian", noise_std=40.0)
        joint = model.sequence_joint(batch)
        start, step = torch.linspace(-5, 5, 41, device="cpu"), torch.linspace(-2, 2, 81, device="cpu")
        z, moved = torch.meshgrid(start, step, indexing="ij")
        points = torch.stack([z, z + moved], -1).reshape(-1, 2, 1)
        values = joint.log_prob(points.repeat_interleave(2, 0)).unflatten(0, (-1, 2))
        exact = torch.logsumexp(values, 0) + np.log(0.25 * 0.05)
        found = importance_likelihood(fit_proposal(joint, seeded(), 20, 4, 50), 200, seeded())
        assert (found.value - exact).abs().max() < 0.1

    @pytest.mark.parametrize("name, changes", [
        ("flow", {}), ("flow", {"prior": "none"}), ("flow-inferred", {}), ("poflow", {}), ("slow-vae", {}), ("tvae", {}), ("linear-motion", {}),
    ])  # fmt: skip
    def test_draws_have_the_density_that_they_are_said_to_have(self, name, changes):
        """E exp(log N(z; m, s² I) − log p(z)) = 1 over draws of p, for a normal narrower than p."""
        chained = name in ("flow", "flow-inferred", "slow-vae", "linear-motion") and not changes
        model, batch = of_model(name, **changes | ({"diffusion": 0.3} if chained and name != "slow-vae" else {}))
        joint = model.sequence_joint(batch.take(rows=[0] * 4000))
        z = joint.draw(seeded())
        steps = torch.cat([z[:, :1], z.diff(dim=1)], 1) if chained else z
        scale = torch.full(z.shape[1:2], 0.95 if name == "tvae" else 0.7, device="cpu")
        scale[1:] *= {"slow-vae": 0.2}.get(name, 0.7) if chained else 1.0
        log_q = (tight.normal_log_prob(steps / scale[:, None]) - steps.shape[-1] * scale.log()).sum(1)
        assert (log_q - joint.log_prior(z)).exp().mean().item() == pytest.approx(1, abs=0.1)

    @pytest.mark.parametrize("kind", ["sequence", "frame"])
    @pytest.mark.parametrize("name, changes", [
        ("flow", {}), ("flow", {"prior": "none"}), ("poflow", {}), ("slow-vae", {}), ("tvae", {}), ("linear-motion", {}),
    ])  # fmt: skip
    def test_the_proposals_precision_is_the_priors(self, name, changes, kind):
        """P z = −∇ log p(z̄): of a Gaussian prior its precision, of a smoothed Laplace's the one that has its slope."""
        model, batch = of_model(name, **changes)
        joint = getattr(model.double(), f"{kind}_joint")(dataclasses.replace(batch, frames=batch.frames.double()))
        z = torch.randn(joint.guess.shape, generator=seeded(), dtype=torch.float64).requires_grad_()
        (slope,) = torch.autograd.grad(joint.smooth_log_prior(z).sum(), z)
        nothing_seen = torch.zeros(*z.shape, z.shape[-1], dtype=torch.float64, device=z.device)
        chain = from_precision(torch.zeros_like(z), nothing_seen, joint.alone(), joint.coupling(z).detach())
        torch.testing.assert_close(chain.covariance_product(slope), -z.detach())

    def test_topographic_chain_against_draws_of_the_prior(self):
        model, batch = of_model("tvae", latent_dim=6, horizon=1, likelihood="gaussian", noise_std=5.0, options={"mu": -2.0, "window": 1})
        joint = model.sequence_joint(batch)
        many = model.sequence_joint(batch.take(rows=[0] * 20_000))
        exact = torch.logsumexp(many.log_seen(many.draw(seeded())), 0) - np.log(20_000)
        found = importance_likelihood(fit_proposal(joint, seeded(5)), 200, seeded(6))
        assert (found.value[0] - exact).abs() < 0.1 and 0 < exact - found.elbo[0] < 0.5

    def test_k_unknown_is_summed_out(self):
        model, batch = of_model("flow-inferred")
        model.prior.log_diffusion.copy_(torch.tensor([-1.0, 0.0, 0.5]))
        z = torch.randn(2, 3, 2, generator=seeded())
        for kind, latents in (("sequence", z), ("frame", torch.randn(6, 1, 2, generator=seeded()))):
            each = []
            for k in range(3):
                given = FlowVAE._diffusions.__get__(model)
                labelled = Batch(batch.frames, batch.times, torch.full_like(batch.factor, k), batch.steps)
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(type(model), "_diffusions", lambda self, b, given=given: given(b))
                    each.append(getattr(FlowVAE, f"{kind}_joint")(model, labelled).log_prob(latents))
            mixed = torch.logsumexp(torch.stack(each), 0) - np.log(3)
            torch.testing.assert_close(getattr(model, f"{kind}_joint")(batch).log_prob(latents), mixed)

    def test_topographic_latents(self):
        model, batch = of_model("tvae")
        joint, latents = model.sequence_joint(batch), torch.randn(2, 3, 18, generator=seeded())
        z, u = latents[..., :9], latents[..., 9:]
        decoded = model.decode(model.topographic(z, u, batch.factor, batch.times))
        normal = torch.distributions.Normal(0, 1).log_prob(latents).sum((1, 2))
        torch.testing.assert_close(joint.log_prob(latents), normal + model.likelihood.log_prob(decoded, batch.frames).sum(1))

    @pytest.mark.parametrize("kind", ["bernoulli", "gaussian"])
    def test_curvature_is_the_hessian_where_the_decoder_is_linear(self, kind):
        model, batch = linear_model()
        if kind == "bernoulli":
            from flowlib.models import Bernoulli

            model.likelihood, batch = Bernoulli(), dataclasses.replace(batch, frames=batch.frames.sigmoid())
        joint = model.sequence_joint(batch)
        z = torch.randn(2, STEPS + 1, DIM, generator=seeded(), dtype=torch.float64)
        hessian = torch.autograd.functional.hessian(
            lambda one: joint.log_seen(torch.stack([one, z[1, 2]])[:, None].expand(-1, STEPS + 1, -1)).sum(), z[0, 2]
        )
        same = z[0, 2].repeat(2, STEPS + 1, 1)
        torch.testing.assert_close(joint.curvature(same)[0].sum(0), -hessian)
