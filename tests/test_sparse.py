"""The unlabelled model: its motion against arithmetic by hand, what it reads, its fields and factors (its bound: test_sparse_bound.py)."""

import dataclasses

import pytest
import torch
from test_sparse_bound import SPARSE
from tiny import CONFIG, sequences
from torch.func import jacrev, vmap

from flowlib.data import Batch, MixedSequences, RecordedSequences
from flowlib.errors import FlowlibError
from flowlib.models import build_model
from flowlib.training import Trainer, new_model


@pytest.fixture
def model(double):
    torch.manual_seed(0)
    built = build_model(dataclasses.replace(SPARSE, options={"gradients": 2, "rotations": 3})).double()
    for parameter in built.banks.parameters():
        parameter.data.normal_(std=0.5)
    return built.requires_grad_(False)


def test_the_first_fields_are_gradients_and_the_others_have_no_divergence(model, generator):
    z = torch.randn(6, 4, generator=generator)
    jacobians = [vmap(jacrev(lambda point, f=f: model.velocities(point[None])[0][f, 0]))(z) for f in range(5)]
    for f, found in enumerate(jacobians):
        assert torch.allclose(found, model.velocities(z, jacobian=True)[1][f])
        symmetric, divergence = torch.allclose(found, found.mT), found.diagonal(dim1=1, dim2=2).sum(1).abs().max()
        assert symmetric if f < 2 else divergence < 1e-12 and not symmetric


def test_a_path_adds_up_strengths_times_fields(model, generator):
    z, g = torch.randn(3, 4, generator=generator), torch.randn(3, 2, 5, generator=generator)
    path = model.move(z, g)
    here = z
    for t in range(2):
        v = model.velocities(here)[0]
        here = torch.stack([here[b] + sum(g[b, t, f] * v[f, b] for f in range(5)) for b in range(3)])
        assert torch.allclose(path[:, t + 1], here)
    assert torch.equal(path[:, 0], z)


class TestTransport:
    def test_a_label_moves_by_its_own_field_at_its_mean_strength(self, model, generator):
        model.moves[:] = 0
        model.moves[1, 3] = 0.5
        z = torch.randn(3, 4, generator=generator)
        step = model.transport(z, 1, 1)[:, 1]
        assert torch.allclose(step, z + 0.5 * model.velocities(z)[0][3])
        assert torch.allclose(model.transport(z, torch.tensor([0, 1, 0]), 1)[:, 1], torch.stack([z[0], step[1], z[2]]))

    def test_it_comes_back(self, model, generator):
        model.moves[:] = 0.1
        z = torch.randn(3, 4, generator=generator)
        there = model.transport(z, 2, 2.5)[:, -1]
        assert torch.allclose(model.transport(there, 2, -2.5)[:, -1], z, atol=1e-9)

    def test_strengths_go_on_with_their_mean(self, model, generator):
        z, g = torch.randn(3, 4, generator=generator), torch.randn(3, 2, 5, generator=generator)
        more = torch.cat([g, g.mean(1, keepdim=True), g.mean(1, keepdim=True)], 1)
        assert torch.allclose(model.transport(z, g, 4), model.move(z, more))
        assert torch.allclose(model.transport(z, g, 1), model.move(z, g)[:, :2])

    @pytest.mark.parametrize("steps, first", [(-1, 1), (0.5, 1), (1, 1.5)])
    def test_strengths_are_of_whole_steps_forward(self, model, steps, first):
        with pytest.raises(FlowlibError, match="strengths belong to whole steps forward"):
            model.transport(torch.zeros(2, 4), torch.zeros(2, 2, 5), steps, first)


class TestReading:
    def test_frames_are_put_in_order(self, model):
        source = MixedSequences(sequences())
        batch = source.training_batch(3, 1, torch.Generator().manual_seed(0))
        batch = dataclasses.replace(batch, frames=batch.frames.double())
        shuffled = Batch(batch.frames[:, [0, 2, 1]], batch.times[:, [0, 2, 1]], batch.factor, 2)
        for one, other in zip(model.read(batch)[2:], model.read(shuffled)[2:]):
            assert torch.equal(one.mean, other.mean) and torch.equal(one.logit, other.logit)
        assert torch.equal(model.read(shuffled)[0], batch.frames)

    def test_missing_frames_are_named(self, model):
        batch = sequences().training_batch(6, 1, torch.Generator().manual_seed(0))
        with pytest.raises(FlowlibError, match="lacks some of the frames x_0 … x_2"):
            model.read(batch)

    def test_there_is_no_density_to_climb(self, model):
        with pytest.raises(FlowlibError, match="model sparse has spikes in its prior"):
            model.frame_joint(sequences().full_batch([0], 0))

    def test_plain_sources_give_all_frames_when_asked(self):
        config = dataclasses.replace(SPARSE, starts="plain")
        assert Trainer(new_model(config), sequences(), config).train_step()["loss"].isfinite()


def test_contributions_are_squared_steps(model):
    source = MixedSequences(sequences())
    batch = source.training_batch(3, 1, torch.Generator().manual_seed(0))
    batch = dataclasses.replace(batch, frames=batch.frames.double())
    _, first, q = model.read(batch)
    g = q.likely()
    added = torch.einsum("fbd,bf->bfd", model.velocities(first.mean)[0], g[:, 0]).square().sum(-1)
    assert torch.allclose(model.contributions(batch)[:, 0], added)


def test_calibration_matches_fields_to_factors(monkeypatch):
    """Field 4 does the work of factor 0, 0 of 1, and 2 most of 2: the matching finds it, with its mean strength and no other."""
    model = new_model(SPARSE)
    work = torch.zeros(3, 8)
    work[0, 4], work[1, 0], work[2, 0], work[2, 2] = 2.0, 5.0, 1.5, 1.0
    monkeypatch.setattr(model, "contributions", lambda batch: work[batch.factor][:, None].expand(-1, 2, -1))
    monkeypatch.setattr(model, "motion", lambda batch: (batch.factor[:, None, None] + torch.arange(8.0)).expand(-1, 2, -1))
    model.calibrate(sequences())
    assert model.order.tolist() == [4, 0, 2]
    assert [model.moves[k, f].item() for k, f in enumerate([4, 0, 2])] == [4.0, 1.0, 4.0] and (model.moves != 0).sum() == 3


def test_training_reads_no_labels_and_learns_every_parameter():
    config = dataclasses.replace(SPARSE, steps=2)
    source = MixedSequences(sequences())
    one, other = (Trainer(new_model(config), source, config) for _ in range(2))
    batch = source.training_batch(6, 1, torch.Generator().manual_seed(0))
    named = dataclasses.replace(batch, factor=torch.arange(6) % 3)
    losses = [trainer.model.eval().objective(b, torch.Generator().manual_seed(1))["loss"] for trainer, b in ((one, batch), (other, named))]
    assert losses[0] == losses[1]
    one.run(progress=False)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"gradients": 1, "rotations": 1}, "give a field for each of the 3 factors"),
        ({"gradients": -1, "rotations": 6}, "give a field for each"),
        ({"activity": 0.0}, "activity = 0.0"),
        ({"beta": -1.0}, "beta = -1.0"),
        ({"temperature": 0.0}, "temperature = 0.0"),
        ({"warm_up": 2.0}, "warm_up = 2.0"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(FlowlibError, match=message):
        build_model(dataclasses.replace(SPARSE, options=options))


def test_without_labels_a_factor_is_a_field_at_its_usual_strength():
    """Those that move codes most, in order; each at the root mean square of its strengths where it acts."""
    config = dataclasses.replace(CONFIG, model="sparse", options={"gradients": 3, "rotations": 2})
    recorded = RecordedSequences(torch.rand(8, 3, 3, 28, 28, generator=torch.Generator().manual_seed(0)), None, CONFIG.factors)
    model = new_model(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.startswith(("reader", "banks")):
                parameter.normal_(generator=torch.Generator().manual_seed(len(name)))
    model.calibrate(recorded)
    batch = recorded.full_batch(range(8), None)
    strengths, added = model.motion(batch), model.contributions(batch).sum((0, 1)).tolist()
    ranked = sorted(range(5), key=lambda field: -added[field])[:3]
    assert model.order.tolist() == ranked and added[ranked[0]] > 0
    for k, field in enumerate(ranked):
        acting = [one for one in strengths[..., field].flatten().tolist() if one]
        expected = (sum(one**2 for one in acting) / max(1, len(acting))) ** 0.5
        assert model.moves[k].tolist() == pytest.approx([expected if other == field else 0 for other in range(5)], rel=1e-5)
    z = model.encode(batch.frames[:, 0]).mean
    assert (model.transport(z, 0, 1)[:, 1] - z).abs().max() > 1e-4
