"""Composed flows (M18) on models that know the composed truth, and on flows whose commutator has a closed form."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from test_equivariance import Pixels
from tiny import CONFIG, digits, sequences

from flowlib.config import Config
from flowlib.data import FACTORS, Sequences
from flowlib.errors import FlowlibError
from flowlib.evaluation import (
    commutator,
    composed_no_motion,
    equivariance_error,
    superposed_path,
    superposed_times,
    superposition_error,
    switch_error,
    switch_path,
    switch_times,
)
from flowlib.models import VAE, Posterior, build_model

MADE = Sequences(digits(5, 12), FACTORS, 4)
PAIRS = [(a, b) for a in range(3) for b in range(3) if a != b]


class Steps(Pixels):
    """Moves by `step(z, factor, label)`."""

    def __init__(self, step):
        self.step = step

    def transport(self, z, factor, steps, first=1):
        path = [z]
        for label in range(first, first + steps):
            path.append(self.step(path[-1], factor, label))
        return torch.stack(path, 1)


class Composer(Steps):
    """z = (x_0, the step of every factor); decodes to the composed truth. Its flow k counts the steps of factor k."""

    def __init__(self, step=None, data=MADE):
        super().__init__(step or (lambda z, factor, label: z + self.unit(z, factor)))
        self.data = data

    def encode(self, images):
        z = torch.cat([images.flatten(1), images.new_zeros(len(images), 3)], 1)
        return Posterior(z, torch.zeros_like(z))

    def decode(self, z):
        images = Sequences(z.flatten(0, -2)[:, :144].reshape(-1, 1, 12, 12), self.data.factors, self.data.steps)
        frames = images.composed(slice(None), z.flatten(0, -2)[:, None, -3:].round().long())
        return frames[:, 0].unflatten(0, z.shape[:-1])

    def unit(self, z, factor):
        return torch.eye(z.shape[-1])[z.shape[-1] - 3 + factor]


def at_own_label(z, factor, label):
    """Time-dependent potentials that lead to strength t at label t: right after a restart."""
    moved = z.clone()
    moved[:, z.shape[-1] - 3 + factor] = label
    return moved


def at_common_label(z, factor, label):
    """Moves only at the label that counts the steps of all factors: right where labels go on."""
    due = (z[:, -3:].sum(1) == label - 1).float()[:, None]
    return z + due * torch.eye(z.shape[-1])[z.shape[-1] - 3 + factor]


class Grey(Pixels):
    """z = (a grey value, something that no picture shows). Flow 0 changes both, flow 1 the grey value, and only of codes that pictures have."""

    def encode(self, images):
        mean = torch.stack([images.mean((1, 2, 3)), images.new_zeros(len(images))], 1)
        return Posterior(mean, torch.zeros_like(mean))

    def decode(self, z):
        return z[..., :1, None, None].expand(*z.shape[:-1], 3, 2, 2)

    def transport(self, z, factor, steps, first=1):
        moves = torch.tensor([[0.1, 1.0], [0.1, 0.0]])[factor] * (torch.ones(len(z)) if factor == 0 else (z[:, 1] == 0).float())[:, None]
        return z[:, None] + torch.arange(steps + 1.0)[:, None] * moves[:, None]


def test_a_second_look_brings_a_code_back_to_its_picture():
    z = torch.tensor([[0.2, 0.0], [0.3, 0.0]])
    straight, again = (switch_path(Grey(None), z, 0, 1, 2, 5, reencode=look) for look in (False, True))
    assert torch.allclose(straight[:, :3], again[:, :3])
    assert torch.allclose(straight[:, -1, 0], z[:, 0] + 0.2) and torch.allclose(again[:, -1, 0], z[:, 0] + 0.5)
    assert torch.allclose(again[:, 3:, 1], torch.zeros(2, 3))


class TestSwitch:
    @pytest.mark.parametrize("first, second", PAIRS)
    def test_a_model_that_knows_the_truth_has_no_error(self, first, second):
        for options in ({"at": 2}, {"at": 1, "labels": "continue"}, {"at": 3, "steps": 7}, {"at": 0}, {"at": 4}):
            assert switch_error(Composer(), MADE, first, second, **options).abs().max() < 1e-3

    def test_the_time_label_after_the_switch(self):
        for first, second in PAIRS:

            def error(step, labels):
                return switch_error(Composer(step), MADE, first, second, at=1, labels=labels)

            assert error(at_own_label, "restart").max() < 1e-3 and error(at_own_label, "continue").min() > 1
            assert error(at_common_label, "continue").max() < 1e-3 and error(at_common_label, "restart").min() > 1

    @pytest.mark.parametrize("first, second", PAIRS)
    def test_the_order_and_the_step_of_the_switch_matter(self, first, second):
        swapped = {first: second, second: first}
        model = Composer(lambda z, factor, label: z + Composer().unit(z, swapped[factor]))
        assert switch_error(model, MADE, first, second, at=2).min() > 1
        z = Composer().encode(MADE.first_frames()).mean
        early = Composer().decode(switch_path(Composer(), z, first, second, 1, 4))
        truth = MADE.composed(slice(None), switch_times(MADE, first, second, 2, 4))
        assert (early - truth).abs().sum((1, 2, 3, 4)).min() > 1

    def test_path_by_hand(self):
        """Flow k adds 10^k times the label: 1 + 2, then 10 (1 + 2) or 10 (3 + 4)."""
        model = Steps(lambda z, factor, label: z + 10.0**factor * label)
        z = torch.tensor([[0.0, 1000.0]])
        assert switch_path(model, z, 0, 1, 2, 4)[0, :, 0].tolist() == [0, 1, 3, 13, 33]
        assert switch_path(model, z, 0, 1, 2, 4, "continue")[0, :, 1].tolist() == [1000, 1001, 1003, 1033, 1073]

    def test_times_by_hand(self):
        assert switch_times(MADE, 2, 0, 1, 3).tolist() == [[0, 0, 0], [0, 0, 1], [1, 0, 1], [2, 0, 1]]
        assert superposed_times(MADE, [2, 0], 2).tolist() == [[0, 0, 0], [1, 0, 1], [2, 0, 2]]

    def test_switching_at_the_end_is_no_switch(self):
        model, made = build_model(CONFIG), sequences(count=3)
        alone = equivariance_error(model, made, 0)
        assert torch.allclose(switch_error(model, made, 0, 2, at=2), alone, rtol=1e-5)
        assert torch.allclose(switch_error(model, made, 1, 0, at=0), alone, rtol=1e-5)

    def test_default_steps_images_and_chunks(self, monkeypatch):
        still = Steps(lambda z, factor, label: z)
        found = switch_error(still, MADE, 0, 1, at=2)
        assert torch.allclose(found, switch_error(still, MADE, 0, 1, at=2, steps=4)) and found.shape == (5,)
        assert torch.allclose(found, composed_no_motion(MADE, switch_times(MADE, 0, 1, 2, 4)))
        monkeypatch.setattr("flowlib.data.source.CHUNK", 2)
        assert torch.allclose(switch_error(still, MADE, 0, 1, at=2, count=3), found[:3], rtol=1e-5)


class TestSuperposition:
    @pytest.mark.parametrize("factors", [[0, 1], [2, 1], [0, 1, 2], [1]])
    def test_a_model_that_knows_the_truth_has_no_error(self, factors):
        assert superposition_error(Composer(), MADE, factors).abs().max() < 1e-3
        assert superposition_error(Composer(), MADE, factors, steps=6).abs().max() < 1e-3
        half = Composer(lambda z, factor, label: z if factor == factors[0] else z + Composer().unit(z, factor))
        assert superposition_error(half, MADE, factors).min() > 1

    def test_every_flow_takes_its_step_from_the_same_point_at_the_same_label(self):
        """z_t = z_{t−1} (1 + 0.5 t + 0.25 t), not a product of two steps."""
        model = Steps(lambda z, factor, label: z * (1 + (0.5, 0.25)[factor] * label))
        found = superposed_path(model, torch.tensor([[8.0]]), [0, 1], 2)
        assert found[0, :, 0].tolist() == [8, 14, 35]

    def test_of_one_factor_it_is_the_equivariance_error(self):
        model, made = build_model(CONFIG), sequences(count=3)
        assert torch.allclose(superposition_error(model, made, [1]), equivariance_error(model, made, 1), rtol=1e-5)

    def test_displacements_add(self, generator):
        """The VAE's transport by tabulated displacements m_k(t): z + m_0(t) + m_1(t); a switch adds differences."""
        model = VAE(Config(latent_dim=4, width=2))
        table = model.displacement.normal_(generator=generator)
        table[:, 0] = 0
        z = torch.randn(3, 4, generator=generator)
        expected = z[:, None] + table[0] + table[2]
        assert torch.allclose(superposed_path(model, z, [0, 2], 8), expected, atol=1e-5)
        going_on = switch_path(model, z, 1, 2, 3, 8, "continue")[:, -1]
        assert torch.allclose(going_on, z + table[1, 3] + table[2, 8] - table[2, 3], atol=1e-5)
        assert torch.allclose(switch_path(model, z, 1, 2, 3, 8)[:, -1], z + table[1, 3] + table[2, 5], atol=1e-5)


class TestCommutator:
    points = Sequences(torch.tensor([0.2, 0.5, 1.0]).reshape(3, 1, 1, 1), FACTORS)  # codes (g, 0, 0)

    def found(self, *maps, steps=1):
        flow = Steps(lambda z, factor, label: maps[factor](z))
        return commutator(flow, self.points, 0, 1, steps)

    def test_maps_that_commute(self):
        diagonal = [lambda z, a=a: z * torch.tensor(a) for a in ([2.0, 1.0, 3.0], [0.5, 4.0, 1.0])]
        shifts = [lambda z, a=a: z + torch.tensor(a) for a in ([1.0, 0.0, 2.0], [0.0, -1.0, 1.0])]
        for maps in (diagonal, shifts):
            assert self.found(*maps, steps=3).abs().max() < 1e-5

    def test_nothing_moves(self):
        assert self.found(lambda z: z, lambda z: z).tolist() == [0, 0, 0]

    @pytest.mark.parametrize("steps", [1, 3])
    def test_rotations_about_different_axes(self, steps):
        """|z| = g scales everything, so the ratio is the same for all; chords of the paths by hand."""
        turns = [Rotation.from_euler(axis, 50, degrees=True).as_matrix() for axis in "zy"]
        maps = [lambda z, r=torch.tensor(r, dtype=torch.float32): z @ r.T for r in turns]
        ends, lengths = [], []
        for a, b in ((0, 1), (1, 0)):
            path = [np.array([1.0, 0, 0])]
            for turn in [turns[a]] * steps + [turns[b]] * steps:
                path.append(turn @ path[-1])
            ends.append(path[-1])
            lengths.append(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())
        expected = np.linalg.norm(ends[0] - ends[1]) / np.mean(lengths)
        assert expected > 0.1
        assert self.found(*maps, steps=steps).numpy() == pytest.approx([expected] * 3, rel=1e-5)

    def test_a_shift_and_a_stretch(self):
        """φ₁ = z + a, φ₂ = s z: the difference is (s − 1)|a|; lengths |a| + (s − 1)(g + a) and (s − 1) g + |a|."""
        found = self.found(lambda z: z + torch.tensor([2.0, 0, 0]), lambda z: 3 * z)
        assert found.tolist() == pytest.approx([2 * 2 / ((2 + 2 * (g + 2) + 2 * g + 2) / 2) for g in (0.2, 0.5, 1)])

    def test_labels_restart(self):
        seen = []
        flow = Steps(lambda z, factor, label: seen.append((factor, label)) or z)
        commutator(flow, self.points, 2, 0, 2)
        assert seen == [(2, 1), (2, 2), (0, 1), (0, 2), (0, 1), (0, 2), (2, 1), (2, 2)]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: switch_error(Composer(), MADE, 0, 1, at=5), "at = 5: .* 0 … 4"),
        (lambda: switch_error(Composer(), MADE, 0, 1, at=-1), "at = -1"),
        (lambda: switch_error(Composer(), MADE, 0, 1, labels="again"), "labels = 'again'"),
        (lambda: switch_path(Composer(), torch.zeros(1, 147), 0, 1, 3, 2), "at = 3"),
        (lambda: switch_error(Composer(), MADE, 1, 1), r"factors \(1, 1\)"),
        (lambda: switch_error(Composer(), MADE, 0, 3), "0 … 2"),
        (lambda: superposition_error(Composer(), MADE, [-1, 0]), "each once"),
        (lambda: superposition_error(Composer(), MADE, []), r"factors \(\)"),
        (lambda: commutator(Composer(), MADE, 2, 2), r"factors \(2, 2\)"),
        (lambda: commutator(Composer(), MADE, 0, 1, steps=0), "steps = 0"),
        (lambda: commutator(Composer(), MADE, 0, 1, count=0), "count = 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_composed(call, message):
    with pytest.raises(FlowlibError, match=message):
        call()
