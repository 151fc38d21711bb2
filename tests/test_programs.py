"""Sequences that begin anywhere and whose factors take turns: the draws, the frames, the flow, and the ELBO given the program."""

import dataclasses

import pytest
import torch
from tiny import CONFIG, digits

from flowlib.config import Config
from flowlib.data import FACTORS, Sequences, load_sequences
from flowlib.data.programs import random_activity, random_start, steps_at
from flowlib.errors import FlowlibError
from flowlib.flows import PotentialBank, run_flow
from flowlib.models import build_model
from flowlib.training import Trainer, new_model

FREE = dataclasses.replace(CONFIG, prior="none", hj_penalty="none")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_steps_are_the_start_and_one_for_every_time_a_factor_acted():
    start = torch.tensor([[0, 5, 1]])
    activity = torch.tensor([[[1, 0, 0], [1, 0, 1], [0, 0, 1]]])
    found = steps_at(start, activity, torch.tensor([[0, 3, 1, 2]]))
    assert found.tolist() == [[[0, 5, 1], [2, 5, 3], [1, 5, 1], [2, 5, 2]]]


class TestActivity:
    activity = random_activity("composed", 900, 3, 8, generator())
    own = torch.arange(3).repeat_interleave(300)

    def test_a_third_each_alone_in_turn_and_at_once(self):
        total = self.activity.sum(1)  # steps of every factor
        kinds = (total > 0).sum(1)
        at_once = total.sum(1) == 16
        assert set(kinds.tolist()) == {1, 2} and torch.equal(total.sum(1)[~at_once], torch.full(((~at_once).sum(),), 8))
        for share in ((kinds == 1), at_once, (kinds == 2) & ~at_once):
            assert 250 < share.sum() < 350

    def test_the_own_factor_comes_first_and_the_other_stays(self):
        mine = self.activity.gather(2, self.own[:, None, None].expand(-1, 8, 1))[..., 0]
        assert mine[:, 0].all() and (mine.diff(dim=1) <= 0).all()
        others = self.activity.clone().scatter(2, self.own[:, None, None].expand(-1, 8, 1), 0)
        assert (others.diff(dim=1) >= 0).all() and set(others.sum(2).unique().tolist()) == {0, 1}

    def test_every_switch_and_every_partner_comes_up(self):
        total = self.activity.sum(1)
        switched = (total.sum(1) == 8) & ((total > 0).sum(1) == 2)
        mine = total.gather(1, self.own[:, None])[:, 0][switched]
        assert set(mine.tolist()) == set(range(1, 8))
        partners = {(k, j) for k, row in zip(self.own.tolist(), total.tolist()) for j in range(3) if row[j] and j != k}
        assert len(partners) == 6

    def test_half_of_them_switch_and_nothing_acts_at_once(self):
        switched = random_activity("switched", 900, 3, 8, generator())
        assert (switched.sum(2) == 1).all()
        changes = (switched.argmax(2).diff(dim=1) != 0).sum(1)
        assert set(changes.tolist()) == {0, 1} and 400 < changes.sum() < 500

    def test_two_factors_act_in_a_third_half_of_them_at_once(self):
        seldom = random_activity("seldom", 1800, 3, 8, generator())
        two, at_once = ((seldom.sum(1) > 0).sum(1) == 2), (seldom.sum(2) == 2).all(1)
        assert 550 < two.sum() < 650 and 250 < at_once.sum() < 350 and (two | ~at_once).all()

    def test_in_half_of_them_two_factors_act_at_once_often(self):
        often = random_activity("often", 1800, 3, 8, generator())
        two, at_once = ((often.sum(1) > 0).sum(1) == 2), (often.sum(2) == 2).all(1)
        assert 1300 < two.sum() < 1400 and 850 < at_once.sum() < 950 and (two | ~at_once).all()

    def test_single_is_the_own_factor_throughout(self):
        single = random_activity("single", 6, 3, 4, generator())
        assert torch.equal(single.argmax(2), torch.arange(3).repeat_interleave(2)[:, None].expand(-1, 4)) and single.sum() == 24


def test_half_of_the_starts_are_plain_and_the_others_anywhere():
    assert random_start("plain", 4, 3, 8, generator()).sum() == 0
    start = random_start("anywhere", 1800, 3, 8, generator())
    assert set(start.unique().tolist()) == set(range(9))
    assert 0.47 < (start.sum(1) == 0).float().mean() < 0.53 and abs(start.float().mean() - 2) < 0.1
    late = random_start("late", 1800, 3, 8, generator())
    own = torch.nn.functional.one_hot(torch.arange(3).repeat_interleave(600), 3)
    assert not (late * (1 - own)).any() and set(late.sum(1).tolist()) == set(range(9)) and abs(late.sum(1).float().mean() - 2) < 0.2
    moved = random_start("moved", 1800, 3, 8, generator())  # all others: of the same draw what the own alone leaves
    assert torch.equal(moved + late, random_start("anywhere", 1800, 3, 8, generator())) and not (moved * own).any()


@pytest.mark.parametrize(
    "options",
    [
        {"programs": "composed"},
        {"programs": "switched"},
        {"starts": "anywhere"},
        {"starts": "late", "programs": "composed"},
        {"starts": "anywhere", "programs": "composed"},
    ],
)
def test_frames_are_one_composed_warp_of_the_steps(options):
    """The image, start and program of every sequence are found again by looking for them: T = 2, so there are few."""
    source = Sequences(digits(2, 12), FACTORS, 2, **options)
    batch = source.training_batch(12, 2, generator(3))
    activity = torch.nn.functional.one_hot(batch.factor, 3)[:, None].expand(-1, 2, -1) if batch.activity is None else batch.activity.long()
    grid = torch.cartesian_prod(*[torch.arange(3)] * 3) if "starts" in options else torch.zeros(1, 3, dtype=torch.int64)
    for n in range(12):
        found = [
            torch.allclose(batch.frames[n], source.composed([image], steps_at(start[None], activity[n : n + 1], batch.times[n : n + 1])[0])[0], atol=1e-5)
            for image in range(2) for start in grid
        ]  # fmt: skip
        assert any(found), n
    assert (batch.activity is None) == (options.get("programs") is None)
    assert batch.motion is (batch.factor if batch.activity is None else batch.activity)


def test_shares_of_a_batch_are_the_batch():
    source = Sequences(digits(3, 12), FACTORS, 2, "anywhere", "composed")
    whole = source.training_batch(12, 1, generator(1))
    for rank in range(2):
        part = source.training_batch(12, 1, generator(1), part=(rank, 2))
        rows = [n for n in range(12) if n % 4 // 2 == rank]
        assert torch.equal(part.frames, whole.frames[rows]) and torch.equal(part.activity, whole.activity[rows])
        assert torch.equal(whole.take(rows).activity, part.activity)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"starts": "x"}, "choose plain, moved, late or anywhere"), ({"programs": "x"}, "choose single, composed, seldom, switched, often"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn(options, message):
    with pytest.raises(FlowlibError, match=message):
        Sequences(digits(2), FACTORS, 2, **options)


def test_one_step_leaves_no_time_to_switch():
    with pytest.raises(FlowlibError, match="programs = 'switched' changes the factor after a step and before the last"):
        build_model(dataclasses.replace(CONFIG, programs="switched", horizon=1, prior="none"))


def test_only_the_training_part_has_programs():
    config = dataclasses.replace(FREE, programs="composed", starts="anywhere", images=4)
    assert [load_sequences(config, split).programs for split in ("train", "test")] == ["composed", "single"]


class TestFlow:
    @pytest.fixture
    def bank(self):
        torch.manual_seed(0)
        made = PotentialBank(3, 4, 8)
        made.head.data.normal_()
        return made

    def test_each_step_adds_the_velocities_of_the_factors_that_act(self, bank):
        z, activity = torch.randn(2, 4), torch.tensor([[[1.0, 0, 0], [0, 1, 1]], [[0, 0, 1], [0, 0, 0]]])
        flow, here = run_flow(bank, z, activity, 2), z
        for t in (1, 2):
            moved = []
            for n in range(2):
                steps = [bank(here[None, n : n + 1], t, [k]).gradient[0, 0] for k in range(3) if activity[n, t - 1, k]]
                moved.append(here[n] + sum(steps, torch.zeros(4)))
            here = torch.stack(moved)
            assert torch.allclose(flow.path[:, t], here, atol=1e-6)
        assert torch.equal(flow.path[1, 1], flow.path[1, 2])

    def test_one_factor_throughout_is_its_flow_and_a_program_has_as_many_steps(self, bank):
        z, labels = torch.randn(5, 4), torch.tensor([0, 2, 1, 1, 0])
        program = torch.nn.functional.one_hot(labels, 3).float()[:, None].expand(-1, 3, -1)
        one, other = run_flow(bank, z, labels, 3), run_flow(bank, z, program, 3)
        assert torch.allclose(one.path, other.path, atol=1e-6) and torch.allclose(one.residual, other.residual, atol=1e-6)
        with pytest.raises(FlowlibError, match="a program of 3 steps for a flow of 4"):
            run_flow(bank, z, program, 4)


class TestObjective:
    def batch(self, seed=2, **options):
        return Sequences(digits(7), FACTORS, 2, programs="composed", **options).training_batch(6, 2, generator(seed))

    def test_the_elbo_given_the_program_by_hand(self):
        torch.manual_seed(0)
        model, batch = build_model(dataclasses.replace(FREE, time_free=True)), self.batch()
        model.potentials.head.data.normal_()
        terms = model.objective(batch, generator(1))
        posterior = model.encode(batch.frames[:, 0])
        z = posterior.mean + posterior.log_std.exp() * torch.randn(6, 2, generator=generator(1))
        kl, likelihood = 0, 0
        for n in range(6):
            mean, log_std, here, codes = posterior.mean[n], posterior.log_std[n], z[n], [z[n]]
            kl += 0.5 * (mean**2 + (2 * log_std).exp() - 1 - 2 * log_std).sum()
            for t in (1, 2):
                fields = [model.potentials(here[None, None], t, [k]).gradient[0, 0] for k in range(3)]
                here = here + sum(a * v for a, v in zip(batch.activity[n, t - 1], fields))
                codes.append(here)
            for frame, t in zip(batch.frames[n], batch.times[n].tolist()):
                mean = model.decode(codes[t][None])[0].sigmoid()
                likelihood += (frame * mean.log() + (1 - frame) * (1 - mean).log()).sum()
        assert terms["loss"].item() == pytest.approx(((kl - likelihood) / 6).item(), rel=1e-5)
        assert terms["kl"].item() == pytest.approx((kl / 6).item(), rel=1e-5)

    def test_the_noisy_path_has_no_programs(self):
        with pytest.raises(FlowlibError, match="need prior 'none'"):
            build_model(CONFIG).objective(self.batch())

    @pytest.mark.parametrize("name", ["tvae", "linear-motion"])
    def test_models_that_are_told_one_factor_refuse_them(self, name):
        config = dataclasses.replace(CONFIG, model=name, latent_dim=18, programs="composed")
        with pytest.raises(FlowlibError, match="leave programs single"):
            Trainer(new_model(config), load_sequences(config), config)

    @pytest.mark.parametrize("name", ["flow", "poflow", "slow-vae", "flow-inferred"])
    def test_the_others_train_on_them(self, name):
        own = {"prior": "none"} if name == "flow" else {}
        config = dataclasses.replace(CONFIG, model=name, programs="composed", starts="anywhere", **own)
        trainer = Trainer(new_model(config), load_sequences(config), config)
        assert trainer.train_step()["loss"].isfinite()


def test_a_config_has_them_off():
    assert (Config().starts, Config().programs, Config().time_free) == ("plain", "single", False)
