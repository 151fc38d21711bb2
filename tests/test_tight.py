"""Fitted proposals, importance weights, annealing and its sandwich against closed forms and quadrature (M17)."""

import dataclasses
from pathlib import Path

import linear_gaussian as lg
import numpy as np
import pytest
import torch
from tiny import CONFIG, sequences
from torch import nn

import flowlib
from flowlib.config import Config
from flowlib.data import Batch, load_sequences
from flowlib.errors import FlowlibError
from flowlib.evaluation import annealed, tight
from flowlib.evaluation.annealed import Schedule, annealed_likelihood, annealed_log_weights, sandwich, simulated
from flowlib.evaluation.gaussian_chain import GaussianChain, from_precision
from flowlib.evaluation.tight import Proposal, fit_proposal, importance_likelihood
from flowlib.models import FlowVAE, Gaussian
from flowlib.models.joint import Joint, normal_log_prob
from flowlib.training import new_model

CHECKPOINTS = Path(__file__).resolve().parents[1] / "data" / "checkpoints"
DIM, PIXELS, STEPS, STD, DIFFUSION = 32, 48, 3, 0.7, 0.1


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class Linear(nn.Module):
    """z ↦ C z as a 1 × 6 × 8 image."""

    def __init__(self, matrix):
        super().__init__()
        self.matrix = matrix

    def forward(self, z):
        return (z @ self.matrix.mT).reshape(-1, 1, 6, 8)


def linear_model(prior="diffusion"):
    """(a flow with d = 32 whose decoder is linear and Gaussian, in double precision; two sequences drawn at random)."""
    random = np.random.RandomState(0)
    config = Config(
        factors=("scale", "rotation"), horizon=STEPS, latent_dim=DIM, diffusion=DIFFUSION, prior=prior, hj_penalty="none", network="mlp", width=1,
    )  # fmt: skip
    model = FlowVAE(config, channels=1, size=8).double()
    model.encoder = lg.FixedEncoder(torch.zeros(DIM).double(), torch.ones(DIM).double())
    model.decoder = Linear(torch.tensor(random.randn(PIXELS, DIM) / 3))
    matrices = random.randn(2, DIM, DIM) * 0.05
    model.potentials = lg.LinearPotentials(torch.tensor(matrices + matrices.transpose(0, 2, 1)), torch.tensor(random.randn(2, DIM) * 0.1))
    model.likelihood = Gaussian(STD)
    frames = torch.tensor(random.randn(2, STEPS + 1, 1, 6, 8))
    return model.requires_grad_(False), Batch(frames, torch.arange(STEPS + 1).expand(2, -1), torch.tensor([1, 1]), STEPS)


def truth(model, batch, kind):
    """log p of every frame, or of every sequence, from one Gaussian of all pixels; numpy alone."""
    c = model.decoder.matrix.numpy()
    if model.config.prior == "diffusion":
        times = np.arange(STEPS + 1)
        latent, mean = np.kron(1 + 2 * DIFFUSION * np.minimum.outer(times, times), np.eye(DIM)), np.zeros((STEPS + 1, DIM))
    else:
        a, b = model.potentials.matrices[1].numpy(), model.potentials.offsets[1].numpy()
        maps, mean = [np.eye(DIM)], [np.zeros(DIM)]
        for t in range(1, STEPS + 1):
            step = np.eye(DIM) + t * a
            maps, mean = maps + [step @ maps[-1]], mean + [step @ mean[-1] + t * b]
        maps = np.concatenate(maps)
        latent, mean = maps @ maps.T, np.array(mean)
    decode = np.kron(np.eye(STEPS + 1), c)
    mean, covariance = decode @ mean.reshape(-1), decode @ latent @ decode.T + STD**2 * np.eye((STEPS + 1) * PIXELS)
    found = []
    for x in batch.frames.flatten(2).numpy():
        if kind == "sequence":
            found.append(lg.normal_log_prob(x.reshape(-1), mean, covariance))
        else:
            spans = [slice(t * PIXELS, (t + 1) * PIXELS) for t in range(STEPS + 1)]
            found += [lg.normal_log_prob(x[t], mean[span], covariance[span, span]) for t, span in enumerate(spans)]
    return np.array(found)


KINDS = [(prior, kind) for prior in ("diffusion", "none") for kind in ("sequence", "frame")]


@pytest.fixture(scope="module", params=KINDS, ids=" ".join)
def case(request):
    prior, kind = request.param
    model, batch = linear_model(prior)
    joint = getattr(model, f"{kind}_joint")(batch)
    return model, batch, kind, joint, fit_proposal(joint, seeded(), climb=20, refine=0)


class TestClosedForm:
    def test_the_likelihood_is_recovered(self, case):
        model, batch, kind, _, proposal = case
        found = importance_likelihood(proposal, 100, seeded())
        assert np.abs(found.value.numpy() - truth(model, batch, kind)).max() < 0.5
        assert found.effective_samples.min() > 20 and bool((found.elbo <= found.value + 1e-9).all())

    def test_a_poor_proposal_is_annealed_to_the_same_value(self, case):
        model, batch, kind, joint, proposal = case
        wide = dataclasses.replace(proposal.chain, mean=proposal.chain.mean + 0.05, scale=1.1 * proposal.chain.scale)
        poor, exact = Proposal(joint, wide), truth(model, batch, kind)
        found = annealed_likelihood(poor, 8, Schedule(60, 6, 0.4), seeded())
        assert np.abs(found.value.numpy() - exact).max() < 0.5
        assert (importance_likelihood(poor, 20, seeded()).elbo.numpy() < exact - 0.1).all()

    @pytest.mark.parametrize("kind", ["sequence", "frame"])
    def test_the_sandwich_holds_and_closes(self, kind):
        model, batch = linear_model()
        joint_of = getattr(model, f"{kind}_joint")
        found = sandwich(joint_of, batch, 2, Schedule(20, 4, 0.4), seeded(), climb=20, refine=0)
        joint, _ = simulated(joint_of, batch, seeded())
        drawn = dataclasses.replace(batch, frames=joint.frames.reshape(batch.frames.shape))
        exact = truth(model, drawn, kind)
        assert np.abs(found.lower.numpy() - exact).max() < 0.5 and np.abs(found.upper.numpy() - exact).max() < 0.5
        assert abs(found.gap) < 0.5 and found.accepted > 0.6


class Slope(Joint):
    """z ~ N(0, 1), and what is seen is N(z; 0.4, 1/40), unnormalised."""

    def __init__(self):
        super().__init__(None, torch.zeros(1, 1), torch.zeros(1, 1, 1).double(), (torch.ones(1), torch.zeros(1)))

    def log_prior(self, latents):
        return normal_log_prob(latents[:, 0], 1.0)

    def log_seen(self, latents):
        return -20 * (latents[:, 0, 0] - 0.4) ** 2


class TestSearch:
    def test_it_finds_modes_that_the_climb_does_not(self):
        """Of sequences that a trained flow draws of the hue: the climb from their encodings ends far below where the search does."""
        model = flowlib.load(CHECKPOINTS / "flow-composing.safetensors").requires_grad_(False)
        batch = load_sequences(model.config, "test").full_batch(range(16), 2)
        joint, drawn = simulated(model.sequence_joint, batch, seeded(79))
        stuck = [12, 15]
        few = model.sequence_joint(dataclasses.replace(batch, frames=joint.frames).take(stuck))
        plain, searched = (fit_proposal(few, seeded(), refine=0, **one).chain.mean for one in ({}, {"search": 300}))
        truth = few.log_prob(drawn[stuck])
        assert (few.log_prob(searched) - few.log_prob(plain)).mean() > 50
        assert (few.log_prob(searched) > truth).any()

    def test_what_is_seen_weighs_little_at_first(self):
        assert [round(tight._rising(progress), 6) for progress in (0.0, 0.4, 0.8, 1.0)] == [0.001, 0.031623, 1.0, 1.0]
        z = torch.tensor([[[0.1]]]).double()
        seen = [tight._slope(Slope(), z, weight).item() for weight in (0.0, 0.001, 1.0)]
        assert seen[0] == pytest.approx(-0.1) and seen[2] == pytest.approx(-0.1 + 40 * 0.3, rel=1e-6)
        assert seen[1] == pytest.approx(-0.1 + 0.04 * 0.3, rel=1e-6)

    @pytest.mark.parametrize("prior", ["diffusion", "none"])
    def test_the_likelihood_is_recovered_from_there_too(self, prior):
        model, batch = linear_model(prior)
        found = importance_likelihood(fit_proposal(model.sequence_joint(batch), seeded(), refine=0, search=60), 100, seeded())
        assert np.abs(found.value.numpy() - truth(model, batch, "sequence")).max() < 0.5


class TestUnbiased:
    """With few coordinates and a proposal that is wrong on purpose, E w = p(x) forward and E 1/w = 1/p(x) backward."""

    def small(self):
        model, frames = lg.build("path")
        batch = lg.batch_of(frames, 1)
        joint = model.requires_grad_(False).sequence_joint(batch)
        chain = fit_proposal(joint, seeded(), climb=20, refine=0).chain
        wrong = dataclasses.replace(chain, mean=chain.mean + 0.2, scale=1.2 * chain.scale)
        return model, batch, Proposal(joint, wrong), lg.sequence_truth(model, frames)[0]

    def test_importance_weights(self):
        _, _, proposal, exact = self.small()
        weights = (proposal.log_weight(proposal.noise(10_000, seeded())) - exact).exp()
        assert weights.mean().item() == pytest.approx(1, abs=0.06)

    @pytest.mark.parametrize("temperatures", [1, 3])
    def test_annealing_forward(self, temperatures):
        _, _, proposal, exact = self.small()
        weights, _ = annealed_log_weights(proposal, proposal.noise(5_000, seeded()), Schedule(temperatures, 2, 0.8), seeded(1))
        assert (weights - exact).exp().mean().item() == pytest.approx(1, abs=0.05)

    def test_annealing_backward(self):
        """Exact draws of the posterior of a linear-Gaussian chain: its fitted proposal is that posterior."""
        _, _, proposal, exact = self.small()
        right = fit_proposal(proposal.joint, seeded(), climb=20, refine=0)
        draws = right.chain.place(right.noise(5_000, seeded()))
        wide = Proposal(proposal.joint, dataclasses.replace(right.chain, mean=right.chain.mean + 0.2, scale=1.2 * right.chain.scale))
        weights, _ = annealed_log_weights(wide, wide.chain.unplace(draws), Schedule(3, 2, 0.8), seeded(1), backward=True)
        assert (exact - weights).exp().mean().item() == pytest.approx(1, abs=0.05)
        assert weights.mean().item() > exact + 0.01

    @pytest.mark.parametrize(
        "change",
        [
            lambda patch: patch.setattr(GaussianChain, "log_det", property(lambda self: -torch.linalg.slogdet(self.scale)[1].sum(1))),
            lambda patch: patch.setattr(tight, "normal_log_prob", lambda z, variance: -annealed.normal_log_prob(z, variance)),
            lambda patch: patch.setattr(annealed._State, "force", lambda self, beta: self.noise - beta * self.slope),
            lambda patch: patch.setattr(annealed._State, "energy", lambda self, beta: -beta * self.ratio),
        ],
        ids=["log-determinant", "log q", "force", "energy without the proposal"],
    )  # fmt: skip
    def test_wrong_signs_are_seen(self, change, monkeypatch):
        _, _, proposal, exact = self.small()
        change(monkeypatch)
        weights, _ = annealed_log_weights(proposal, proposal.noise(5_000, seeded()), Schedule(3, 2, 0.8), seeded(1))
        spread = weights.std().item()
        with_right_force = abs((weights - exact).exp().mean().item() - 1) < 0.05
        assert not with_right_force or spread > 0.25  # a wrong force leaves weights unbiased, but as wide as without annealing


class TestChain:
    def dense(self):
        generator, shape = seeded(3), (2, 4, 3)
        root = torch.randn(*shape, 3, generator=generator, dtype=torch.float64)
        first, coupling = torch.tensor([1.0, 0.5]).double(), 0.2 + torch.rand(2, 3, 3, generator=generator, dtype=torch.float64)
        mean, blocks = torch.randn(shape, generator=generator, dtype=torch.float64), root @ root.mT
        precision = torch.zeros(2, 4, 3, 4, 3, dtype=torch.float64)
        for t in range(4):
            precision[:, t, :, t] += blocks[:, t]
        for j in range(3):
            precision[:, 0, j, 0, j] += first
            for t in range(3):
                precision[:, t, j, t, j] += coupling[:, t, j]
                precision[:, t + 1, j, t + 1, j] += coupling[:, t, j]
                precision[:, t, j, t + 1, j] -= coupling[:, t, j]
                precision[:, t + 1, j, t, j] -= coupling[:, t, j]
        return from_precision(mean, blocks, first, coupling), mean, precision.reshape(2, 12, 12)

    def test_covariance_and_determinant(self):
        chain, mean, precision = self.dense()
        basis = torch.eye(12, dtype=torch.float64).reshape(12, 1, 4, 3).expand(-1, 2, -1, -1).reshape(24, 4, 3)
        columns = (chain.place(basis).reshape(12, 2, 12) - mean.reshape(2, 12)).permute(1, 2, 0)
        torch.testing.assert_close(columns @ columns.mT, torch.linalg.inv(precision))
        torch.testing.assert_close(chain.log_det, -0.5 * torch.linalg.slogdet(precision)[1])
        v = torch.randn(2, 12, generator=seeded(), dtype=torch.float64)
        solved = torch.linalg.solve(precision, v[..., None])[..., 0]
        torch.testing.assert_close(chain.covariance_product(v.reshape(2, 4, 3)).reshape(2, 12), solved)

    def test_noise_is_found_again(self):
        chain, _, _ = self.dense()
        noise = torch.randn(6, 4, 3, generator=seeded(), dtype=torch.float64)
        torch.testing.assert_close(chain.unplace(chain.place(noise)), noise)


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
        log_q = (tight.normal_log_prob(steps / scale[:, None], 1.0) - steps.shape[-1] * scale.log()).sum(1)
        assert (log_q - joint.log_prior(z)).exp().mean().item() == pytest.approx(1, abs=0.1)

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

    def test_not_finite(self):
        model, batch = linear_model()
        broken = dataclasses.replace(batch, frames=batch.frames * torch.nan)
        with pytest.raises(FlowlibError, match="not finite"):
            fit_proposal(model.sequence_joint(broken), seeded())

    def test_refused(self):
        model, batch = linear_model()
        proposal = fit_proposal(model.frame_joint(batch), seeded(), 1, 0, 0)
        for call in (
            lambda: importance_likelihood(proposal, 0),
            lambda: annealed_likelihood(proposal, 0),
            lambda: Schedule(0),
            lambda: Schedule(step=0.0),
        ):
            with pytest.raises(FlowlibError, match="0"):
                call()
