"""Fitted proposals, importance weights, annealing and its sandwich against closed forms and quadrature (M17)."""

import dataclasses
from pathlib import Path

import linear_gaussian as lg
import numpy as np
import pytest
import torch
from linear_frames import linear_model, seeded, truth

import flowlib
from flowlib.data import load_sequences
from flowlib.errors import FlowlibError
from flowlib.evaluation import annealed, tight
from flowlib.evaluation.annealed import Schedule, annealed_likelihood, annealed_log_weights, sandwich, simulated
from flowlib.evaluation.gaussian_chain import GaussianChain
from flowlib.evaluation.tight import Proposal, fit_proposal, importance_likelihood
from flowlib.flows import normal_log_prob
from flowlib.models.joint import Joint

CHECKPOINTS = Path(__file__).resolve().parents[1] / "data" / "checkpoints"
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
        return normal_log_prob(latents[:, 0])

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
            lambda patch: patch.setattr(tight, "normal_log_prob", lambda z, variance=None: -annealed.normal_log_prob(z, variance)),
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


class TestRefused:
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
