"""Meta-sequential prediction on exactly linear data: M is recovered, and the error of a swap is what the two matrices say."""

import dataclasses

import numpy as np
import pytest
import torch
from tiny import CONFIG, sequences
from torch import nn

from flowlib.data import MixedSequences, RecordedSequences
from flowlib.errors import FlowlibError
from flowlib.evaluation import equivariance_error, evaluate_model, format_report, labelled_error, moved_path, own_motion, swap_error
from flowlib.models import VAE, build_model
from flowlib.training import Trainer, new_model

ROWS, STEPS, COUNT = 2, 4, 6
LINEAR = dataclasses.replace(CONFIG, model="msp", latent_dim=16, horizon=STEPS, factors=("one",), likelihood="gaussian", batch_size=COUNT)


class Pixels(nn.Module):
    """The code of an image is its pixels, and the image of a code its numbers."""

    def forward(self, images):
        return images.flatten(1), torch.zeros_like(images.flatten(1))


def matrices(generator):
    """One for each sequence: nonnegative with rows that add up to 1, so that images stay between 0 and 1."""
    rows = torch.rand(COUNT, ROWS, ROWS, generator=generator)
    return rows / rows.sum(-1, keepdim=True)


def linear_data(motions, generator, spread=0.0):
    """(n, T + 1, 1, 4, 4) images whose pixels, as (2, 8) matrices, are Mᵗ Z_0, plus noise."""
    path = [torch.rand(COUNT, ROWS, 8, generator=generator)]
    for _ in range(STEPS):
        path.append(motions @ path[-1])
    frames = torch.stack(path, 1).reshape(COUNT, STEPS + 1, 1, 4, 4)
    return (frames + spread * torch.randn(frames.shape, generator=generator)).clamp(0, 1)


def source(frames):
    return RecordedSequences(frames, torch.zeros(len(frames), dtype=torch.int64), ("one",))


def reader(**options):
    model = build_model(dataclasses.replace(LINEAR, options={"rows": ROWS, "ridge": 0.0, **options}, channels=1, size=4)).double()
    model.encoder, model.decoder = Pixels(), nn.Unflatten(1, (1, 4, 4))
    return model


@pytest.mark.parametrize("seen", [2, 3])
def test_on_linear_data_the_matrices_are_recovered(double, generator, seen):
    motions = matrices(generator)
    data = source(linear_data(motions, generator))
    model, batch = reader(seen=seen), data.full_batch(list(range(COUNT)), 0)
    assert torch.allclose(model.motion(batch), motions)
    assert torch.allclose(moved_path(model, batch), batch.frames.flatten(2))
    assert equivariance_error(model, data, 0).max() < 1e-9


def test_a_swap_errs_by_what_the_matrices_differ(double, generator):
    """Σ_t ‖M_iᵗ Z − M_{i+1}ᵗ Z‖₁ by numpy; zero where all sequences have one matrix."""
    motions = matrices(generator)
    frames = linear_data(motions, generator)
    expected = []
    for i in range(COUNT):
        z, own, other = (x.numpy() for x in (frames[i, 0].reshape(ROWS, 8), motions[i], motions[(i + 1) % COUNT]))
        power = np.linalg.matrix_power
        expected.append(sum(np.abs(power(own, t) @ z - power(other, t) @ z).sum() for t in range(1, STEPS + 1)))
    assert np.allclose(swap_error(reader(), source(frames), 0).numpy(), expected) and min(expected) > 0.1
    alike = linear_data(motions[:1].expand(COUNT, -1, -1), generator)
    assert swap_error(reader(), source(alike), 0).max() < 1e-9


def test_noisy_frames_give_numpys_least_squares(double, generator):
    frames = linear_data(matrices(generator), generator, 0.05)
    model = reader(seen=3)
    found = model.motion(source(frames).full_batch(list(range(COUNT)), 0))
    for i in range(COUNT):
        z = frames[i].reshape(-1, ROWS, 8).numpy()
        here, there = np.concatenate(z[:2], 1), np.concatenate(z[1:3], 1)
        assert np.allclose(found[i].numpy(), np.linalg.lstsq(here.T, there.T, rcond=None)[0].T)


def test_the_ridge_is_relative_to_the_codes(double, generator):
    codes = torch.randn(1, 2, 16, generator=generator)
    here, there = codes[0].reshape(2, ROWS, 8)
    gram = here @ here.mT
    expected = there @ here.mT @ torch.linalg.inv(gram + 0.3 * gram.trace() / ROWS * torch.eye(ROWS))
    for scale in (1.0, 100.0):
        assert torch.allclose(reader(ridge=0.3).solve(scale * codes)[0], expected)


def test_calibrate_finds_one_matrix_for_all_sequences(double, generator):
    """Least squares over all steps of all of them, by numpy; on data with a single matrix, that one."""
    frames = linear_data(matrices(generator), generator)
    model, z = reader().calibrate(source(frames)), frames.reshape(COUNT, STEPS + 1, ROWS, 8).numpy()
    here, there = (np.concatenate(part.reshape(-1, ROWS, 8), 1) for part in (z[:, :-1], z[:, 1:]))
    assert np.allclose(model.matrices[0].numpy(), np.linalg.lstsq(here.T, there.T, rcond=None)[0].T)
    motion = matrices(generator)[:1]
    alike = source(linear_data(motion.expand(COUNT, -1, -1), generator))
    assert torch.allclose(model.calibrate(alike).matrices, motion) and labelled_error(model, alike, 0).max() < 1e-9


def test_the_frames_that_m_is_solved_from_are_found_by_their_times(double, generator):
    """Whatever else the batch holds, in whatever order."""
    motions = matrices(generator)
    batch = source(linear_data(motions, generator)).full_batch(list(range(COUNT)), 0)
    assert torch.allclose(reader(seen=3).motion(batch.take(frames=[0, 4, 2, 1])), motions)
    with pytest.raises(FlowlibError, match="lacks some of the frames x_0 … x_2"):
        reader(seen=3).motion(batch.take(frames=[0, 1, 3]))


def test_transport_multiplies(double, generator):
    model, z = reader(), torch.randn(3, 16, generator=generator)
    own = torch.randn(3, ROWS, ROWS, generator=generator)
    path = model.transport(z, own, 3)
    for i in range(3):
        for t in range(4):
            power = np.linalg.matrix_power(own[i].numpy(), t)
            assert np.allclose(path[i, t].numpy(), (power @ z[i].reshape(ROWS, 8).numpy()).ravel())
    assert torch.allclose(model.transport(path[:, 3], own, -3), path.flip(1))
    model.matrices[0] = own[0]
    assert torch.allclose(model.transport(z, 0, 3)[0], path[0])
    with pytest.raises(FlowlibError, match="whole steps alone"):
        model.transport(z, own, 1.5)
    with pytest.raises(FlowlibError, match="no way back"):
        model.transport(z, torch.zeros_like(own), -1)


def objective_by_hand(model, batch):
    """−log p of x_0, and T times that of the later frame, drawn from Mᵗ Z_0, with the constants of a Gaussian."""
    total = 0.0
    motions = model.motion(batch)
    for i in range(len(batch)):
        z = model.encode(batch.frames[i, :1]).mean.reshape(model.rows, -1)
        for weight, place in ((1, 0), (batch.steps, 1)):
            code = torch.linalg.matrix_power(motions[i], int(batch.times[i, place])) @ z
            total += weight * torch.distributions.Normal(model.decode(code.reshape(1, -1)), 0.1).log_prob(batch.frames[i, place]).sum()
    return -total / len(batch)


def test_objective_predicts_a_later_frame_and_learns_through_the_least_squares(double, generator):
    frames = linear_data(matrices(generator), generator, 0.05)
    torch.manual_seed(0)
    model = build_model(dataclasses.replace(LINEAR, options={"rows": 4, "seen": 3}, channels=1, size=4)).double()
    batch = source(frames).training_batch(COUNT, 1, generator, beginning=2)
    terms = model.objective(batch)
    assert torch.allclose(terms["loss"], objective_by_hand(model, batch)) and terms["loss"] == terms["reconstruction"]
    terms["loss"].backward()
    whole = next(model.encoder.parameters()).grad.clone()
    model.zero_grad()
    solve = model.solve
    model.solve = lambda codes: solve(codes).detach()
    model.objective(batch)["loss"].backward()
    assert not torch.allclose(whole, next(model.encoder.parameters()).grad)


def test_of_mixed_sequences_all_frames_are_predicted(generator):
    """Their batches hold x_0 … x_T in order, so that the first two are no random ones."""
    data = MixedSequences(sequences())
    model = build_model(dataclasses.replace(CONFIG, model="msp", latent_dim=4))
    batch = data.training_batch(6, 1, generator)
    decoded = model.decode(model.transport(model.encode(batch.frames[:, 0]).mean, model.motion(batch), batch.steps))
    expected = -model.likelihood.log_prob(decoded, batch.frames).sum(1).mean()
    assert batch.complete and torch.allclose(model.objective(batch)["loss"], expected)
    assert not batch.take(frames=[0, 2, 1]).complete


def test_the_gradient_of_the_solution(double, generator):
    model = reader(ridge=1e-2, seen=3)
    assert torch.autograd.gradcheck(model.solve, torch.randn(2, 3, 16, generator=generator).requires_grad_())


class TestBeginning:
    def test_batches_hold_the_first_frames_besides_the_others(self):
        """With the same generator the other frames are the same as without."""
        plain, more = (sequences().training_batch(6, 1, torch.Generator().manual_seed(3), beginning=n) for n in (0, 2))
        assert torch.equal(more.times[:, :2], plain.times) and torch.equal(more.times[:, 2:], torch.tensor([[1, 2]]).expand(6, -1))
        assert torch.equal(more.frames[:, :2], plain.frames)
        at_two = plain.times[:, 1] == 2
        assert torch.equal(more.frames[at_two, 3], plain.frames[at_two, 1]) and at_two.any()

    def test_of_recorded_sequences_too(self, generator):
        data = source(linear_data(matrices(generator), generator))
        batch = data.training_batch(COUNT, 1, generator, beginning=1)
        assert batch.times[:, 2].tolist() == [1] * COUNT and batch.frames.shape[1] == 3

    def test_the_trainer_asks_for_what_the_model_needs(self, monkeypatch):
        config, asked = dataclasses.replace(CONFIG, model="msp", latent_dim=4), []
        data = sequences()
        whole = data.training_batch
        monkeypatch.setattr(data, "training_batch", lambda *given, **more: (asked.append(more), whole(*given, **more))[1])
        Trainer(new_model(config), data, config).train_step()
        Trainer(VAE(CONFIG), data, CONFIG).train_step()
        assert asked == [{"beginning": 1}, {}]


def test_a_motion_is_the_label_where_a_model_has_none():
    batch = sequences().full_batch([0, 1], 1)
    assert torch.equal(own_motion(VAE(CONFIG), batch), batch.factor)
    plain = VAE(CONFIG).calibrate(sequences())
    for error in (swap_error, labelled_error):  # a label says the same of every image
        assert torch.equal(error(plain, sequences(), 1), equivariance_error(plain, sequences(), 1))
    with pytest.raises(FlowlibError, match="count ≥ 2"):
        swap_error(plain, sequences(), 1, 1)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"rows": 3}, "rows = 3: give a divisor of latent_dim = 16"),
        ({"seen": 1}, "seen = 1"),
        ({"seen": 6}, "seen = 6: a sequence has 5 frames"),
        ({"ridge": -1.0}, "ridge = -1"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(FlowlibError, match=message):
        build_model(dataclasses.replace(LINEAR, options=options, channels=1, size=4))


def test_rows_that_two_frames_determine():
    assert [build_model(dataclasses.replace(LINEAR, latent_dim=d, channels=1, size=4)).rows for d in (2, 9, 16, 32)] == [1, 3, 4, 4]


def test_a_model_without_a_density_has_no_likelihood():
    model = build_model(dataclasses.replace(CONFIG, model="msp", latent_dim=4)).eval()
    report = evaluate_model(model, sequences())
    assert report["log_likelihood"] == {} and "log-likelihood" not in format_report(report)
    assert evaluate_model(VAE(CONFIG).eval(), sequences())["log_likelihood"]["samples"] == 100
    with pytest.raises(FlowlibError, match="no likelihood"):
        model.frame_log_weights(sequences().full_batch([0], 0))


def test_without_labels_a_factor_has_no_matrix():
    """Nothing says which matrix a factor moves by: the model does not stand still without a word."""
    config = dataclasses.replace(CONFIG, model="msp")
    recorded = RecordedSequences(torch.rand(8, 3, 3, 28, 28, generator=torch.Generator().manual_seed(0)), None, CONFIG.factors)
    model = new_model(config).calibrate(recorded)
    with pytest.raises(FlowlibError, match="is measured with labels .*model.motion"):
        model.transport(torch.zeros(2, config.latent_dim), 1, 1)
    moved = model.transport(torch.zeros(2, config.latent_dim), model.motion(recorded.full_batch([0, 1], None)), 1)
    assert moved.shape == (2, 2, config.latent_dim)
