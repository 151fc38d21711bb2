"""Sources over full factorial data: what batches hold, lengths that differ between factors, and what a model does with them."""

import dataclasses
import types

import numpy as np
import pytest
import torch
from test_grid import only_one_digit_changes

from flowlib.config import Config
from flowlib.data import Batch, check_source
from flowlib.data.factorial import FactorialSequences
from flowlib.data.falcor3d import GRID as FALCOR
from flowlib.data.grid import Grid
from flowlib.data.isaac3d import GRID as ISAAC
from flowlib.data.options import part_of
from flowlib.data.shapes3d import GRID as SHAPES
from flowlib.errors import FlowlibError
from flowlib.evaluation import commutator, generated_pairs, label_errors, no_motion_steps, steps_error
from flowlib.experiments.behaviour import awake
from flowlib.models import build_model
from flowlib.models.hj_penalty import KINDS

GRID = Grid(("hue", "shape", "turn"), (6, 3, 5), cyclic=("hue",))


class Digits:
    """Images whose pixels are the values of their factors: what a frame shows can be read off."""

    grid, channels, size = GRID, 1, 16

    def read(self, indices):
        digits = GRID.digits(np.asarray(indices))
        pixels = np.zeros((len(digits), 1, 16, 16), np.uint8)
        pixels[:, 0, 0, :3] = digits
        return torch.from_numpy(pixels)


def shown(frames):
    """(…, 3) the values that frames show."""
    return (frames[..., 0, 0, :3] * 255).round().long()


def standing_still():
    """(a model whose codes are the pixels and do not move, a list of what it has encoded)."""
    still, encoded = torch.nn.Module(), []
    still.encode = lambda x: (encoded.append(shown(x)), types.SimpleNamespace(mean=x.flatten(1)))[1]
    still.transport = lambda z, factor, steps, first=1: z[:, None].expand(-1, steps + 1, -1)
    still.infer_factor = lambda batch: batch.factor
    still.likelihood, still.decode = types.SimpleNamespace(mean=lambda x: x), lambda z: z.unflatten(-1, (1, 16, 16))
    return still, encoded


@pytest.mark.parametrize("grid, count", [(SHAPES, 480_000), (FALCOR, 233_280), (ISAAC, 737_280)], ids=["Shapes3D", "Falcor3D", "Isaac3D"])
def test_published_data_sets_move_one_factor_over_all_indices(grid, count):
    assert len(grid) == count
    only_one_digit_changes(grid)


class TestBatches:
    def test_training_moves_one_factor_at_the_times_stated(self, generator):
        source = FactorialSequences(Digits())
        assert source.steps == 5 and source.lengths == (5, 2, 4) and not source.composable
        for _ in range(5):
            batch = source.training_batch(30, 2, generator)
            values = shown(batch.frames)
            for row, k in enumerate(batch.factor.tolist()):
                moved = values[row] - values[row, :1]
                assert (moved[:, k] % GRID.sizes[k] == batch.times[row]).all()
                assert (moved[:, [j for j in range(3) if j != k]] == 0).all()
                assert batch.times[row].max() <= source.lengths[k] and len(batch.times[row].unique()) == 3
                assert k == 0 or (moved[:, k] == batch.times[row]).all()  # no wrap

    def test_all_starts_and_times_come(self, generator):
        source = FactorialSequences(Digits(), steps=2)
        batch = source.training_batch(3000, 1, generator)
        for k in range(3):
            rows = batch.factor == k
            assert len(shown(batch.frames[rows, 0])[:, k].unique()) == GRID.starts(k, 2)
            assert (batch.times[rows, 1] == 1).float().mean() == pytest.approx(0.5, abs=0.06)

    def test_full_batches_have_the_length_of_their_factor(self):
        source = FactorialSequences(Digits(), members=[7, 89])
        batch = source.full_batch([0, 1], "turn")
        assert batch.steps == 4 and batch.lengths is None and batch.check()
        assert shown(batch.frames)[0].tolist() == [[0, 1, t] for t in range(5)]
        assert shown(source.first_frames([1]))[0].tolist() == [5, 2, 4]
        with pytest.raises(FlowlibError, match="end at T = 2"):
            source.full_batch([0], "shape", 3)

    def test_beyond_the_horizon_where_values_are_left(self):
        """Around a hue for ever, along the others to their last value; and the frames up to T are those of the trained sequence."""
        source = FactorialSequences(Digits(), steps=2, members=[7, 89])
        assert source.lengths == (2, 2, 2) and [source.reach(k) for k in range(3)] == [float("inf"), 2, 4]
        hue = source.full_batch([1], "hue", 7)
        assert shown(hue.frames)[0, :, 0].tolist() == [5, 0, 1, 2, 3, 4, 5, 0] and hue.steps == 7
        assert torch.equal(hue.frames[:, :3], source.full_batch([1], "hue").frames)
        assert shown(source.full_batch([1], "turn", 4).frames)[0, :, 2].tolist() == [0, 1, 2, 3, 4]  # value 4 has no room: 4 mod 1
        assert shown(source.full_batch([1], "turn").frames)[0, :, 2].tolist() == [1, 2, 3]  # 4 mod 3
        with pytest.raises(FlowlibError, match="end at T = 4"):
            source.full_batch([1], "turn", 5)

    def test_codes_are_those_of_the_frames_where_a_sequence_begins(self):
        """Pairs for the VP score, errors by labels and commutators start at the sequence's own x_0, not at an image without room for it."""
        still, encoded = standing_still()
        source = FactorialSequences(Digits(), steps=2, members=[89])  # hue 5, shape 2, turn 4
        starts, ends, factor = generated_pairs(still, source, 30)
        begins = {0: [5, 2, 4], 1: [5, 0, 4], 2: [5, 2, 1]}
        assert [shown(one).tolist() for one in starts] == [begins[k] for k in factor.tolist()]
        encoded.clear()
        errors = label_errors(still, source, 2)
        assert encoded[0].tolist() == [[5, 2, 0]]  # four steps fit from 0 on
        assert errors["near"].item() == pytest.approx((1 + 2) / 255) and errors["far"].item() == pytest.approx((3 + 4) / 255)
        encoded.clear()
        commutator(still, source, 1, 2, 1)
        assert encoded[0].tolist() == [[5, 0, 1]]

    def test_errors_beyond_the_horizon_start_where_the_long_sequence_starts(self):
        """A model that stands still, by hand: the turn of image 89 begins at 0 where it takes four steps, and grows by 1/255 a step."""
        still, _ = standing_still()
        source = FactorialSequences(Digits(), steps=2, members=[89])
        for errors in (steps_error(still, source, 2, 4), no_motion_steps(source, 2, 4)):
            assert (255 * errors).round().tolist() == [[1, 2, 3, 4]]

    def test_composed(self):
        source = FactorialSequences(Digits(), steps=2, members=[89])
        times = torch.tensor([[0, 0, 0], [2, 0, 1], [1, 2, 2]])
        assert shown(source.composed([0], times))[0].tolist() == [[5, 0, 1], [1, 0, 2], [0, 2, 3]]
        with pytest.raises(FlowlibError, match="steps = 2"):
            FactorialSequences(Digits()).composed([0], times)

    def test_composed_values_are_what_the_frames_show(self):
        """Not the steps: sequences begin at different values, and hues go around."""
        source = FactorialSequences(Digits(), ("turn", "hue"), steps=4)
        indices, times = torch.arange(90), torch.randint(5, (90, 2), generator=torch.Generator().manual_seed(0))
        frames = torch.cat([source.composed([index], times[index : index + 1])[0] for index in range(90)])
        values = source.composed_values(indices, times)
        assert torch.equal(values, shown(frames)[:, [2, 0]])
        assert (values[:, 1] < times[:, 1]).any() and torch.equal(values[:, 0], times[:, 0])  # the turn has room for 4 steps from 0 only

    def test_some_factors(self, generator):
        source = FactorialSequences(Digits(), ("turn", "hue"))
        assert source.lengths == (4, 5) and (shown(source.training_batch(4, 1, generator).frames)[:2, :, :2].diff(dim=1) == 0).all()

    @pytest.mark.parametrize("options, message", [
        ({"factors": ("size",)}, "unknown factor 'size'"), ({"factors": ("hue", "hue")}, "one or more different"),
        ({"steps": 6}, "give 1 … 5"), ({"steps": 0}, "give 1 … 5"), ({"members": [90]}, "numbered 0 … 89"),
        ({"members": np.arange(90) < 9}, "no truth values"), ({"members": [1.9, 3.2]}, "float64: give the numbers"), ({"members": []}, "one or more images"),
    ])  # fmt: skip
    def test_what_cannot_be_is_refused(self, options, message):
        with pytest.raises(FlowlibError, match=message):
            FactorialSequences(Digits(), **options)

    def test_more_frames_than_the_shortest_factor_has(self, generator):
        with pytest.raises(FlowlibError, match="shortest factor have 2"):
            FactorialSequences(Digits()).training_batch(6, 3, generator)


class TestLengths:
    def test_weights_make_sums_unbiased(self, generator):
        """Σ_t f(x_t) over a sequence's own T_b + 1 frames, for f = t + 1."""
        source = FactorialSequences(Digits())
        batch = source.training_batch(3 * 4000, 1, generator)
        sums = ((batch.times + 1) * batch.weights).sum(1).view(3, -1).mean(1)
        expected = [sum(range(1, length + 2)) for length in source.lengths]
        assert sums.tolist() == pytest.approx(expected, rel=0.03)

    def test_without_lengths_weights_are_what_they_were(self):
        batch = Batch(torch.zeros(2, 3, 1, 4, 4), torch.tensor([[0, 1, 2]] * 2), torch.zeros(2, dtype=torch.long), 8)
        values = torch.ones(2, 9)
        assert batch.weights.tolist() == [1, 4, 4] and batch.within(values) is values

    def test_nothing_counts_beyond_the_end(self):
        lengths = torch.tensor([1, 3])
        batch = Batch(torch.zeros(2, 2, 1, 4, 4), torch.tensor([[0, 1]] * 2), torch.zeros(2, dtype=torch.long), 3, lengths)
        assert batch.within(torch.ones(2, 4)).tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]
        assert batch.within(torch.ones(2, 3, 2), first=1).sum(2).tolist() == [[2, 0, 0], [2, 2, 2]]

    def test_a_mean_over_steps_gives_every_sequence_the_same_weight(self):
        batch = Batch(torch.zeros(2, 2, 1, 4, 4), torch.tensor([[0, 1]] * 2), torch.zeros(2, dtype=torch.long), 3, torch.tensor([1, 3]))
        values = torch.tensor([[8.0, 100, 100], [1, 2, 6]])
        assert batch.mean_step(values) == (8 + 3) / 2 and dataclasses.replace(batch, lengths=None).mean_step(values) == values.mean()

    @pytest.mark.parametrize("options", [{"model": "poflow"}, {"model": "flow-published"}] + [
        {"objective": objective, "hj_penalty": kind, "diffusion": 1e-12} for objective in ("path", "marginal") for kind in KINDS
        if (objective, kind) != ("marginal", "viscous")
    ])  # fmt: skip
    def test_a_short_sequence_costs_what_it_costs_alone(self, options, generator):
        """The objective of sequences of length 2 in a batch with T = 5 is the one with T = 2, whatever its penalty."""
        config = Config(
            channels=1, size=16, factors=GRID.names, horizon=5, latent_dim=3, width=2, potential_width=4, network="mlp", **options
        )  # fmt: skip
        torch.manual_seed(0)
        model = awake(build_model(config))
        short = FactorialSequences(Digits(), ("shape",)).full_batch(list(range(6)), 0)
        short = dataclasses.replace(short, factor=torch.arange(3).repeat_interleave(2))
        long = dataclasses.replace(short, steps=5, lengths=torch.full((6,), 2))
        found, expected = (model.objective(one, torch.Generator().manual_seed(1)) for one in (long, short))
        for name in expected:
            assert found[name].item() == pytest.approx(expected[name].item(), rel=1e-3), name
        assert (expected["hj"] > 0) == (options.get("hj_penalty") != "none")

    @pytest.mark.parametrize("name", ["vae", "slow-vae", "vae-regression"])
    def test_beyond_its_length_a_mean_displacement_stays_where_it_ended(self, name):
        config = Config(model=name, channels=1, size=16, factors=GRID.names, horizon=5, latent_dim=3, width=2, potential_width=4, network="mlp")
        torch.manual_seed(0)
        source, model = FactorialSequences(Digits()), build_model(config)
        model.calibrate(source)
        length, factor = min((source.length(factor), factor) for factor in range(3))
        path = model.transport(model.encode(source.first_frames([0, 1])).mean, factor, 5)
        moved = path - path[:, :1]
        assert length < 5 and moved[:, length].abs().max() > 1e-5
        torch.testing.assert_close(moved[:, length:], moved[:, length : length + 1].expand(-1, 6 - length, -1), rtol=1e-2, atol=1e-7)

    @pytest.mark.parametrize("name", ["flow", "flow-inferred", "vae", "slow-vae", "factor-vae", "tvae", "poflow"])
    def test_every_model_trains_on_them(self, name, generator):
        config = Config(
            model=name, channels=1, size=16, factors=GRID.names, horizon=5, latent_dim=18, width=2, potential_width=4, network="mlp"
        )
        source = FactorialSequences(Digits())
        check_source(source, config)
        model = build_model(config)
        loss = model.objective(source.training_batch(12, 1, generator), generator)["loss"]
        loss.backward()
        assert loss.isfinite()
        model.calibrate(source)


def test_parts_are_disjoint_and_everything():
    parts = [part_of(1000, Config(validation=50), split).numpy() for split in ("train", "validation", "test")]
    assert [len(part) for part in parts] == [750, 50, 200] and sorted(np.concatenate(parts)) == list(range(1000))
    with pytest.raises(FlowlibError, match="cannot be parted"):
        part_of(3, Config(held_out=0.5, validation=2), "train")


def test_processes_share_a_batch():
    """The parts of two processes together are the batch of one, each its own."""
    source = FactorialSequences(Digits())

    def draw(part):
        batch = source.training_batch(24, 1, torch.Generator().manual_seed(3), part)
        return [tuple(one) for one in torch.cat([shown(batch.frames).flatten(1), batch.times, batch.factor[:, None]], 1).tolist()]

    parts = draw((0, 2)), draw((1, 2))
    assert sorted(parts[0] + parts[1]) == sorted(draw((0, 1))) and sorted(parts[0]) != sorted(parts[1])
