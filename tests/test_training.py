"""The trainer: schedule, exact steps, exact resumption, failures that keep the last good checkpoint."""

import dataclasses
import errno
import math
import os
import resource
import signal

import pytest
import torch

from flowlib.config import Config, preset
from flowlib.data import Sequences
from flowlib.errors import FlowlibError
from flowlib.training import Trainer, learning_rate, load, new_model, step_generator, trainer
from tiny import CONFIG, OPTIONS, digits, sequences


def made(folder=None, config=CONFIG):
    return Trainer(new_model(config), sequences(config), config, folder)


def state(of):
    """Weights, optimiser and history: everything that must agree bit by bit."""
    named = of.optimizer.state_dict()["state"]
    return {**of.model.state_dict(), **{(i, key): value for i, values in named.items() for key, value in values.items()}}


def agree(one, other):
    a, b = state(one), state(other)
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
    assert one.history == other.history and one.step == other.step


@pytest.fixture
def uninterrupted(monkeypatch):
    monkeypatch.setattr(trainer, "RECORD_EVERY", 2)
    whole = made()
    whole.run(progress=False)
    assert whole.step == 6 and whole.history["loss"][-1] < whole.history["loss"][0]
    return whole


class TestSchedule:
    config = Config(steps=1000, learning_rate=2e-3)

    @pytest.mark.parametrize(
        "step, expected",
        [
            (0, 2e-3 / 50), (24, 1e-3 * (0.01 + 0.99 * (1 + math.cos(0.024 * math.pi)) / 2)),
            (49, 2e-3 * (0.01 + 0.99 * (1 + math.cos(0.049 * math.pi)) / 2)), (500, 2e-3 * 0.505), (1000, 2e-5),
        ],
    )  # fmt: skip
    def test_cosine_with_warm_up(self, step, expected):
        assert learning_rate(self.config, step) == pytest.approx(expected, rel=1e-4)

    def test_rises_then_falls(self):
        rates = [learning_rate(self.config, step) for step in range(1000)]
        peak = rates.index(max(rates))
        assert peak == 49
        assert all(a < b for a, b in zip(rates[:50], rates[1:50])) and all(a > b for a, b in zip(rates[49:], rates[50:]))

    def test_a_short_run_has_no_warm_up_of_zero_steps(self):
        assert learning_rate(Config(steps=1, checkpoint_every=1), 0) == pytest.approx(3e-3)

    def test_constant(self):
        config = Config(schedule="constant", learning_rate=0.5, steps=10)
        assert [learning_rate(config, step) for step in (0, 5, 10)] == [0.5] * 3


class TestStep:
    def test_randomness_of_a_step_depends_on_seed_and_step_alone(self):
        def draw(seed, step):
            return tuple(torch.rand(3, generator=step_generator(seed, step)).tolist())

        keys = [(seed, step) for seed in (0, 1, 2, 2**31, 2**32 - 1) for step in (0, 1, 2, 7000, 89_999)]
        draws = {key: draw(*key) for key in keys}
        assert len(set(draws.values())) == len(keys)
        assert draws == {key: draw(*key) for key in keys[::-1]}

    def test_runs_of_different_seeds_never_meet(self):
        """No seed's window of 90 000 steps reaches into another's."""
        starts = sorted(step_generator(seed, 0).initial_seed() for seed in range(1000))
        assert 0 <= starts[0] and starts[-1] < 2**32
        assert min(b - a for a, b in zip(starts, starts[1:])) > 90_000

    def test_batches_of_different_seeds_differ(self):
        """All 32 bits of the generator's seed count: with a seed shifted beyond them, every run saw the same images."""
        one, other = (made(config=dataclasses.replace(CONFIG, seed=seed)) for seed in (0, 1))
        batches = [run.sequences.training_batch(6, 1, step_generator(run.config.seed, 0)) for run in (one, other)]
        assert not torch.equal(batches[0].frames, batches[1].frames)

    def test_adam_by_hand(self):
        """The first update of Adam is −lr g / (|g| + ε), the rate that of the schedule."""
        one = made()
        before = {name: value.clone() for name, value in one.model.named_parameters()}
        model, generator = new_model(CONFIG), step_generator(0, 0)
        terms = model.objective(one.sequences.training_batch(6, 1, generator), generator)
        terms["loss"].backward()
        found = one.train_step()
        assert {name: value.item() for name, value in found.items()} == {name: v.item() for name, v in terms.items()}
        rate = learning_rate(CONFIG, 0)
        for (name, old), reference in zip(before.items(), model.parameters()):
            g = torch.zeros_like(old) if reference.grad is None else reference.grad
            assert torch.allclose(one.model.get_parameter(name), old - rate * g / (g.abs() + 1e-8), rtol=0, atol=1e-6), name

    def test_the_paper_preset_takes_that_step_too(self):
        """Its own widths, d = 324, the paper's penalty and the series of the log-determinant; fewer sequences and frames."""
        config = dataclasses.replace(preset("paper-mnist"), batch_size=3, horizon=2, frames_per_step=2)
        one = Trainer(new_model(config), Sequences(digits(4), config.factors, 2), config)
        before = {name: value.clone() for name, value in one.model.named_parameters()}
        terms = one.train_step()
        assert set(terms) == {"loss", "reconstruction", "kl", "hj"}
        assert terms["loss"] == pytest.approx((terms["reconstruction"] + terms["kl"] + terms["hj"]).item(), rel=1e-5)
        assert terms["reconstruction"] == pytest.approx(3 * 3 * 784 * math.log(2), rel=0.1)  # T + 1 frames, black logits
        for name, value in one.model.named_parameters():
            expected = before[name] - 1e-4 * value.grad / (value.grad.abs() + 1e-8)
            assert torch.allclose(value, expected, rtol=0, atol=1e-6), name
        assert before["potentials.weights.0"].shape == (3, 324, 324)

    def test_gradients_do_not_add_up(self):
        """Two steps of the trainer are two fresh gradients: the second one equals that of a new model with these weights."""
        one = made()
        one.train_step()
        model, generator = new_model(CONFIG), step_generator(0, 1)
        model.load_state_dict(one.model.state_dict())
        model.objective(one.sequences.training_batch(6, 1, generator), generator)["loss"].backward()
        one.train_step()
        named = [(name, value) for name, value in one.model.named_parameters() if value.grad is not None]
        assert len(named) > 10
        for name, value in named:
            assert torch.equal(value.grad, model.get_parameter(name).grad), name

    def test_initial_weights_come_from_the_seed_and_leave_torchs_generator_alone(self):
        torch.manual_seed(9)
        expected = torch.rand(3)
        torch.manual_seed(9)
        first = new_model(CONFIG)
        assert torch.equal(torch.rand(3), expected)
        same, other = new_model(CONFIG), new_model(dataclasses.replace(CONFIG, seed=1))
        weights = [model.encoder.net[0].weight for model in (first, same, other)]
        assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])

    def test_fixed_diffusion_stays_fixed(self):
        config = dataclasses.replace(CONFIG, learn_diffusion=False)
        one = made(config=config)
        one.run(progress=False)
        assert torch.equal(one.model.prior.log_diffusion, torch.full((3,), math.log(0.01)))
        assert not torch.equal(made().model.encoder.net[0].weight, one.model.encoder.net[0].weight)


class TestResuming:
    @pytest.mark.parametrize("stop", [1, 2, 5])
    def test_from_any_step(self, tmp_path, uninterrupted, stop):
        made(tmp_path).run(stop, progress=False)
        again = made(tmp_path)
        assert again.step == stop
        again.run(progress=False)
        agree(again, uninterrupted)

    def test_from_the_last_checkpoint_after_an_interruption(self, tmp_path, uninterrupted, monkeypatch):
        """Ctrl-C in the fifth step: what the fourth left is there, and the rest is repeated exactly."""
        interrupted, whole_step = made(tmp_path), Trainer.train_step

        def step(self):
            if self.step == 5:
                signal.raise_signal(signal.SIGINT)
            return whole_step(self)

        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "train_step", step)
            with pytest.raises(KeyboardInterrupt):
                interrupted.run(progress=False)
        assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors"]
        again = made(tmp_path)
        assert again.step == 4
        again.run(progress=False)
        agree(again, uninterrupted)

    def test_a_finished_run_trains_no_more(self, tmp_path, uninterrupted):
        made(tmp_path).run(progress=False)
        again = made(tmp_path)
        assert again.run(progress=False) == uninterrupted.history
        agree(again, uninterrupted)

    def test_the_clock_goes_on(self, tmp_path):
        first = made(tmp_path)
        first.run(2, progress=False)
        again = made(tmp_path)
        assert again.seconds == first.seconds > 0
        again.run(progress=False)
        assert again.seconds > first.seconds

    def test_checkpoints_come_at_their_steps_and_at_the_end(self, monkeypatch, tmp_path):
        steps = []
        monkeypatch.setattr(Trainer, "save", lambda self: steps.append(self.step))
        made(tmp_path, dataclasses.replace(CONFIG, checkpoint_every=4)).run(progress=False)
        assert steps == [4, 6]

    def test_without_a_folder_nothing_is_written(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        made().run(progress=False)
        assert list(tmp_path.iterdir()) == []

    def test_weights_alone_are_no_state(self, tmp_path):
        from flowlib.training.checkpoint import save

        save(tmp_path / "checkpoint.safetensors", {"model": new_model(CONFIG).state_dict()}, CONFIG, 6)
        with pytest.raises(FlowlibError, match="holds weights alone"):
            made(tmp_path)

    def test_of_another_configuration(self, tmp_path):
        made(tmp_path).run(2, progress=False)
        with pytest.raises(FlowlibError, match="another configuration — learning_rate: 0.003 there, 0.1 asked for"):
            made(tmp_path, dataclasses.replace(CONFIG, learning_rate=0.1))


class TestFullDisk:
    @pytest.fixture
    def running(self, tmp_path, monkeypatch):
        """A run whose first checkpoint is written, its bytes, and a check that nothing else has changed."""
        monkeypatch.setattr(trainer, "RECORD_EVERY", 2)
        one = made(tmp_path)
        one.run(2, progress=False)
        good = one.path.read_bytes()

        def unharmed():
            return one.path.read_bytes() == good and [path.name for path in tmp_path.iterdir()] == [one.path.name]

        return one, unharmed

    def check(self, one, unharmed, reason):
        with pytest.raises(FlowlibError, match=f"checkpoint.safetensors could not be written.*{reason}.*is untouched"):
            one.run(progress=False)
        assert unharmed()

    def test_when_flushing(self, running, monkeypatch, uninterrupted):
        one, unharmed = running

        def full(_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            self.check(one, unharmed, "No space left on device")
        again = made(one.path.parent)
        again.run(progress=False)
        agree(again, uninterrupted)

    def test_when_writing(self, running):
        """A real failure in the middle of the file: the operating system allows no more than 1000 bytes."""
        one, unharmed = running
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
            self.check(one, unharmed, "File too large|too large")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    def test_when_renaming(self, running, monkeypatch):
        from pathlib import Path

        def refuse(*_):
            raise PermissionError(errno.EPERM, "Operation not permitted")

        one, unharmed = running
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", refuse)
            self.check(one, unharmed, "not permitted")


class TestNotFinite:
    def spoiled(self, one, name, value, step):
        """The model's objective, with one term that is not finite from a step on."""
        objective = one.model.objective

        def bad(batch, generator):
            terms = objective(batch, generator)
            return terms | ({name: terms[name] * value} if one.step >= step else {})

        return bad

    @pytest.mark.parametrize("name", ["kl", "action", "loss"])
    @pytest.mark.parametrize("value", [torch.nan, torch.inf])
    def test_the_term_is_named_and_the_checkpoint_kept(self, tmp_path, monkeypatch, name, value):
        one = made(tmp_path)
        monkeypatch.setattr(one.model, "objective", self.spoiled(one, name, value, 3))
        with pytest.raises(FlowlibError, match=rf"not finite at step 3: {name}\. Try a smaller .*kept in .*checkpoint.safe"):
            one.run(progress=False)
        assert load(one.path).step == 2
        assert all(bool(value.isfinite().all()) for value in load(one.path).tensors.values())

    def test_without_a_checkpoint_none_is_promised(self, monkeypatch):
        one = made()
        monkeypatch.setattr(one.model, "objective", self.spoiled(one, "kl", torch.nan, 0))
        with pytest.raises(FlowlibError) as caught:
            one.run(progress=False)
        assert "step 0: kl" in str(caught.value) and "kept" not in str(caught.value)

    def test_weights_that_became_nan_never_replace_good_ones(self, tmp_path):
        one = made(tmp_path)
        one.run(2, progress=False)
        with torch.no_grad():
            one.model.decoder.net[0].bias[0] = torch.nan
        with pytest.raises(FlowlibError, match="weights are not finite at step 2: decoder.net.0.bias"):
            one.save()
        assert all(bool(value.isfinite().all()) for value in load(one.path).tensors.values())

    def test_a_learning_rate_far_too_large(self, tmp_path):
        config = Config(**OPTIONS | {"learning_rate": 1e30, "schedule": "constant"})
        with pytest.raises(FlowlibError, match="not finite at step 1: .*reconstruction.*smaller learning rate"):
            made(tmp_path, config).run(progress=False)


class TestHistory:
    def test_first_step_and_every_so_many(self, monkeypatch):
        monkeypatch.setattr(trainer, "RECORD_EVERY", 3)
        one, seen = made(), []
        step = one.train_step
        one.train_step = lambda: seen.append(step()) or seen[-1]
        one.run(progress=False)
        expected = {name: [seen[i][name].item() for i in (0, 2, 5)] for name in seen[0]}
        assert one.history == expected and set(expected) == {"loss", "reconstruction", "kl", "action", "hj"}

    def test_a_writer_gets_the_same_points(self, monkeypatch):
        monkeypatch.setattr(trainer, "RECORD_EVERY", 3)
        points = []

        class Writer:
            def add_scalar(self, name, value, step):
                points.append((name, step, value))

        one = made()
        one.run(progress=False, writer=Writer())
        for name, values in one.history.items():
            assert [point[1:] for point in points if point[0] == name] == list(zip((1, 3, 6), values))

    def test_the_model_is_left_in_evaluation_mode(self):
        one = made()
        one.run(1, progress=False)
        assert not one.model.training
