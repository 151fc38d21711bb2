"""The trainer: learning-rate schedule, exact steps, what is recorded, losses that are not finite."""

import dataclasses
import math

import pytest
import torch
from tiny import CONFIG, OPTIONS, digits, trained

from flowlib.config import Config, preset
from flowlib.data import Sequences
from flowlib.errors import FlowlibError
from flowlib.training import Trainer, learning_rate, load, new_model, step_generator, trainer


class TestSchedule:
    config = Config(steps=1000, learning_rate=2e-3)

    @pytest.mark.parametrize(
        "step, expected",
        [
            (0, 2e-3 / 50),
            (24, 1e-3 * (0.01 + 0.99 * (1 + math.cos(0.024 * math.pi)) / 2)),
            (49, 2e-3 * (0.01 + 0.99 * (1 + math.cos(0.049 * math.pi)) / 2)),
            (500, 2e-3 * 0.505), (1000, 2e-5),
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
    def test_no_more_steps_than_are_configured(self):
        with pytest.raises(FlowlibError, match=f"steps = 9: the run is configured for {CONFIG.steps}"):
            trained().run(9, progress=False)

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
        """A seed beyond the 32 bits that the generator reads would show every run the same images."""
        one, other = (trained(config=dataclasses.replace(CONFIG, seed=seed)) for seed in (0, 1))
        batches = [run.sequences.training_batch(6, 1, step_generator(run.config.seed, 0)) for run in (one, other)]
        assert not torch.equal(batches[0].frames, batches[1].frames)

    def test_adam_by_hand(self):
        """The first update of Adam is −lr g / (|g| + ε), the rate that of the schedule."""
        config = dataclasses.replace(CONFIG, steps=100)  # a warm-up of five steps: the first rate is a fifth
        one = trained(config=config)
        before = {name: value.clone() for name, value in one.model.named_parameters()}
        model, generator = new_model(CONFIG), step_generator(0, 0)
        terms = model.objective(one.sequences.training_batch(6, 1, generator), generator)
        terms["loss"].backward()
        found = one.train_step()
        assert {name: value.item() for name, value in found.items()} == {name: v.item() for name, v in terms.items()}
        rate = learning_rate(config, 0)
        assert rate == pytest.approx(3e-3 / 5)
        for (name, old), reference in zip(before.items(), model.parameters()):
            g = torch.zeros_like(old) if reference.grad is None else reference.grad
            assert torch.allclose(one.model.get_parameter(name), old - rate * g / (g.abs() + 1e-8), rtol=0, atol=1e-6), name

    def test_the_paper_preset_takes_that_step_too(self):
        """Its own widths, d = 324, penalty and series of the log-determinant; fewer sequences and frames."""
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
        """The second step's gradient is that of a new model with these weights."""
        one = trained()
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
        one = trained(config=config)
        one.run(progress=False)
        assert torch.equal(one.model.prior.log_diffusion, torch.full((3,), math.log(0.01)))
        assert not torch.equal(trained().model.encoder.net[0].weight, one.model.encoder.net[0].weight)


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
        one = trained(tmp_path)
        monkeypatch.setattr(one.model, "objective", self.spoiled(one, name, value, 3))
        with pytest.raises(FlowlibError, match=rf"not finite at step 3: {name}\. Try a smaller .*kept in .*checkpoint.safe"):
            one.run(progress=False)
        assert load(one.path).step == 2
        assert all(bool(value.isfinite().all()) for value in load(one.path).tensors.values())

    def test_without_a_checkpoint_none_is_promised(self, monkeypatch):
        one = trained()
        monkeypatch.setattr(one.model, "objective", self.spoiled(one, "kl", torch.nan, 0))
        with pytest.raises(FlowlibError) as caught:
            one.run(progress=False)
        assert "step 0: kl. No weight has changed yet, so the data" in str(caught.value)
        assert "kept" not in str(caught.value) and "learning rate" not in str(caught.value)

    def test_weights_that_became_nan_never_replace_good_ones(self, tmp_path):
        one = trained(tmp_path)
        one.run(2, progress=False)
        with torch.no_grad():
            one.model.decoder.net[0].bias[0] = torch.nan
        with pytest.raises(FlowlibError, match="weights are not finite at step 2: decoder.net.0.bias"):
            one.save()
        assert all(bool(value.isfinite().all()) for value in load(one.path).tensors.values())

    def test_a_learning_rate_far_too_large(self, tmp_path):
        config = Config(**OPTIONS | {"learning_rate": 1e30, "schedule": "constant"})
        with pytest.raises(FlowlibError, match="not finite at step 1: .*reconstruction.*smaller learning rate"):
            trained(tmp_path, config).run(progress=False)


class TestHistory:
    def test_first_step_and_every_so_many(self, monkeypatch):
        monkeypatch.setattr(trainer, "RECORD_EVERY", 3)
        one, seen = trained(), []
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

        one = trained()
        one.run(progress=False, writer=Writer())
        for name, values in one.history.items():
            assert [point[1:] for point in points if point[0] == name] == list(zip((1, 3, 6), values))

    def test_the_model_is_left_in_evaluation_mode(self):
        one = trained()
        one.run(1, progress=False)
        assert not one.model.training
