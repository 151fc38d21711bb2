"""The measure of composition: its columns, the labels that it is read with, and a row of it by hand."""

import pytest
import torch
from test_measures import tagged  # noqa: F401
from tiny import CONFIG

from flowlib.data import load_sequences
from flowlib.evaluation.composition import switch_path
from flowlib.experiments import measures
from flowlib.experiments.measures import composition
from flowlib.flows import run_flow
from flowlib.training import new_model


class TestComposition:
    ROWS = [
        {"own": 10.0, "switch": {"restart": 20.0, "continue": 99.0}, "superpose": 40.0},
        {"own": 20.0, "switch": {"restart": 20.0, "continue": 99.0}},
    ]

    def test_columns(self):
        assert composition.switch_ratio(self.ROWS) == 1.5 and composition.superposition_ratio(self.ROWS) == 4
        assert composition.switch_ratio(self.ROWS, "continue") == pytest.approx((9.9 + 4.95) / 2)

    def test_labels_after_a_switch_are_those_of_training(self):
        """The flow of a program counts its steps through, and a flow of single factors begins at label 1."""
        torch.manual_seed(0)
        model, z = new_model(CONFIG).eval(), torch.randn(4, CONFIG.latent_dim)
        model.potentials.head.data.normal_(std=0.3)
        program = torch.eye(3)[[0, 2]].expand(4, -1, -1)
        trained = run_flow(model.potentials, z, program, 2).path
        switched = {
            programs: switch_path(model, z, 0, 2, 1, 2, composition.labels_of({"programs": programs})) for programs in ("switched", "single")
        }
        assert torch.allclose(switched["switched"], trained) and not torch.allclose(switched["single"], trained, atol=1e-3)
        assert torch.allclose(switched["single"][:, 2], model.transport(switched["single"][:, 1], 2, 1)[:, 1])

    def test_a_row_by_hand(self, tagged, monkeypatch):
        """Every number of a row is the mean of the evaluation that its name says."""
        from flowlib import evaluation as e

        monkeypatch.setattr(composition, "SWITCH_AT", 1)
        torch.manual_seed(0)
        model, data = new_model(CONFIG).eval(), load_sequences(CONFIG, "test")
        model.potentials.head.data.normal_(std=0.3)
        rows = {(row["first"], row["second"]): row for row in measures.measure("composition", model, CONFIG)}
        assert len(rows) == 6
        row = rows["scale", "hue"]
        times = e.switch_times(data, 0, 2, 1, 2), e.superposed_times(data, (0, 2), 2)
        expected = {
            "own": (e.equivariance_error(model, data, 0) + e.equivariance_error(model, data, 2)) / 2,
            "again": e.switch_error(model, data, 0, 2, 1, reencode=True),
            "switch_no_motion": e.composed_no_motion(data, times[0]), "superpose_no_motion": e.composed_no_motion(data, times[1]),
            "superpose": e.superposition_error(model, data, (0, 2)),
        }  # fmt: skip
        for name, values in expected.items():
            assert row[name] == pytest.approx(values.mean().item(), abs=0.02), name
        for labels in ("restart", "continue"):
            assert row["switch"][labels] == pytest.approx(e.switch_error(model, data, 0, 2, 1, labels).mean().item(), abs=0.02)
        assert row["commutator"] == pytest.approx(e.commutator(model, data, 0, 2, 1).mean().item(), abs=1e-3)
        assert rows["hue", "scale"]["switch"] != row["switch"] and "superpose" not in rows["hue", "scale"]
