"""The geometry of a flow whose closed form is known, and the report of a run (M5, M6, M16, M17)."""

import dataclasses
import json
import math

import linear_gaussian as lg
import numpy as np
import pytest
import torch
from tiny import CONFIG, few_samples, sequences

from flowlib.data import FACTORS, Sequences
from flowlib.errors import FlowlibError
from flowlib.evaluation import (
    Estimate,
    equivariance_error,
    evaluate_model,
    flow_geometry,
    format_report,
    no_motion,
    report,
)  # fmt: skip
from flowlib.models import build_model


class TestGeometry:
    def test_of_a_linear_flow(self, double):
        """∇u = t (A z + b): everything by numpy."""
        model, _ = lg.build("path")
        made = Sequences(torch.zeros(3, 1, 4, 4).double(), ("scale", "rotation"), lg.T)
        found = flow_geometry(model, made, 1, count=2)
        a, b, _, z, _ = lg.parts(model, 1)
        path, speed, residual, smallest = [z], [], [], []
        for t in range(1, lg.T + 1):
            gradient = t * (a @ path[-1] + b)
            speed.append(np.linalg.norm(gradient))
            residual.append(0.5 * path[-1] @ a @ path[-1] + b @ path[-1] + 0.5 * gradient @ gradient)
            smallest.append(np.linalg.eigvalsh(np.eye(2) + t * a)[0])
            path.append(path[-1] + gradient)
        straight = np.linalg.norm(path[-1] - path[0]) / sum(speed)
        determinant, laplacian = zip(*((np.linalg.det(np.eye(2) + t * a), t * np.trace(a)) for t in range(1, lg.T + 1)))
        for ours, expected in (
            (found.speed, speed), (found.residual, residual), (found.smallest_eigenvalue, smallest),
            (found.straightness[:, None], [straight]), (found.determinant, determinant), (found.laplacian, laplacian),
        ):  # fmt: skip
            assert np.allclose(ours.numpy(), np.broadcast_to(expected, (2, len(expected))), atol=1e-9)
        summary = found.summary()
        assert summary["smallest_eigenvalue"] == pytest.approx(min(smallest))
        assert summary["residual_rms"] == pytest.approx(np.sqrt(np.mean(np.square(residual))))
        assert summary["half_speed_squared"] == pytest.approx(0.5 * np.mean(np.square(speed)))
        assert summary["straightness"] == pytest.approx(straight) and straight < 1

    def test_a_factor_of_fewer_steps_has_its_own(self):
        """A flow runs as far as its factor's sequences: beyond them it was never trained."""

        class Uneven(Sequences):
            def length(self, factor):
                return 1 if factor else self.steps

        images, model = torch.zeros(2, 1, 28, 28), build_model(CONFIG)
        whole, short = (kind(images, CONFIG.factors, CONFIG.horizon) for kind in (Sequences, Uneven))
        assert flow_geometry(model, short, 0).speed.shape == (2, CONFIG.horizon)
        assert torch.equal(flow_geometry(model, short, 1).speed, flow_geometry(model, whole, 1).speed[:, :1])

    def test_a_free_velocity_has_none(self):
        """Its Jacobian is not symmetric, so λ_min(I + H) would mean nothing."""
        free = build_model(dataclasses.replace(CONFIG, velocity="free", hj_penalty="none"))
        for model in (free, build_model(dataclasses.replace(CONFIG, model="vae"))):
            with pytest.raises(FlowlibError, match="without potentials has no such geometry"):
                flow_geometry(model, sequences(), 0)


class TestReport:
    @pytest.fixture
    def metrics(self, monkeypatch):
        """A tiny model's metrics, with few samples."""
        few_samples(monkeypatch)
        torch.manual_seed(0)
        self.model, self.made, self.said = build_model(CONFIG), sequences(), []
        return evaluate_model(self.model, self.made, seed=4, progress=self.said.append)

    def test_what_it_states(self, metrics):
        for index, name in enumerate(FACTORS):
            row = metrics["equivariance"][name]
            own = equivariance_error(self.model, self.made, index)
            assert row["error"] == pytest.approx(own.mean().item())
            assert row["error_se"] == pytest.approx(own.std().item() / 7**0.5)
            assert row["no_motion"] == pytest.approx(no_motion(self.made, index).mean().item())
            assert row["decoder_limit"] <= own[:2].mean().item()
            assert (row["error_n"], row["decoder_limit_n"], row["no_motion_n"]) == (7, 2, 7)
        found = metrics["log_likelihood"]
        assert (found["samples"], found["frame_n"], found["sequence_n"]) == (3, 2, 2)  # images: their three factors are no independent trials
        assert found["sequence"] == pytest.approx(3 * found["frame"], rel=0.2)  # three frames a sequence
        assert 1 <= found["frame_effective_samples"] <= 3
        assert self.said == [f"equivariance: {name}" for name in FACTORS] + ["log-likelihoods"]
        json.dumps(metrics, allow_nan=False)

    def test_bits_of_a_proper_likelihood(self, metrics):
        """Nats over log 2 and over all values, 3 · 28² of a frame and three frames; none where the likelihood is no probability."""
        assert "frame_bits" not in metrics["log_likelihood"] and "bits" not in format_report(metrics)
        model = build_model(dataclasses.replace(CONFIG, likelihood="logistic"))
        found = (proper := evaluate_model(model, self.made))["log_likelihood"]
        values = self.made.channels * self.made.size**2
        assert found["frame_bits"] == pytest.approx(-found["frame"] / values / math.log(2))
        assert found["sequence_bits"] == pytest.approx(-found["sequence"] / (3 * values) / math.log(2))
        assert f"{found['sequence_bits']:.3f} bits per value" in format_report(proper)

    def test_reproducible_from_its_seed(self, metrics):
        assert evaluate_model(self.model, self.made, seed=4) == metrics
        other = evaluate_model(self.model, self.made, seed=5)
        assert other["equivariance"] == metrics["equivariance"]
        assert other["log_likelihood"]["sequence"] != metrics["log_likelihood"]["sequence"]

    def test_table(self, metrics):
        metrics["equivariance"] = {
            "scale": {
                "error": 120.4,
                "error_se": 2.3,
                "decoder_limit": 80.2,
                "decoder_limit_se": 4.4,
                "no_motion": 900.0,
                "error_n": 2000,
                "decoder_limit_n": 50,
            },
            "rotation": {"error": 180.1, "error_se": 1.0, "decoder_limit": 9.0, "decoder_limit_se": 1.0, "no_motion": 700.0},
            "hue": {
                "error": 60.4,
                "error_se": 1.0,
                "decoder_limit": 10.0,
                "decoder_limit_se": 1.0,
                "no_motion": 800.0,
            },
        }
        text = format_report(metrics)
        lines = {line.split()[0]: line.split() for line in text.splitlines()[:5]}
        assert lines["scale"] == "scale 120 ± 2 80 ± 4 900".split()
        assert lines["mean"] == ["mean", "120"]
        assert "over 2000 images; the decoder's limit over the first 50 of them" in text
        assert "3 importance samples" in text and "per frame" in text and "per sequence" in text

    def test_one_image_has_no_standard_error(self, metrics):
        one = json.loads(json.dumps(metrics))
        next(iter(one["equivariance"].values()))["error_se"] = one["log_likelihood"]["frame_se"] = None
        assert "± – " in format_report(one).splitlines()[1] and "± –      effective" in format_report(one)
        assert [len(line) for line in format_report(one).splitlines()] == [len(line) for line in format_report(metrics).splitlines()]
        assert Estimate.of(torch.tensor([3.0])) == Estimate(3.0, None, 1)

    @pytest.mark.parametrize("error, behind", [(899.0, False), (901.0, True)])
    def test_what_is_no_better_than_no_motion_is_named(self, metrics, error, behind):
        for row in metrics["equivariance"].values():
            row |= {"error": 100.0, "no_motion": 900.0}
        metrics["equivariance"]["scale"]["error"] = error
        assert ("scale: no better than to show x_0 throughout" in format_report(metrics)) == behind

    @pytest.mark.parametrize("smallest, warned", [(0.2, False), (0.0, True), (-0.5, True)])
    def test_a_fold_is_warned_of(self, metrics, smallest, warned):
        for row in metrics["geometry"].values():
            row["smallest_eigenvalue"] = 0.9
        metrics["geometry"]["hue"]["smallest_eigenvalue"] = smallest
        assert ("λ_min(I + H) ≤ 0 was seen" in format_report(metrics)) == warned


def test_every_factor_has_its_own_likelihoods_and_geometry(monkeypatch):
    few_samples(monkeypatch)
    seen, real = [], report.sequence_log_likelihood
    monkeypatch.setattr(
        report, "sequence_log_likelihood", lambda model, batch, *rest: seen.append(batch.factor.tolist()) or real(model, batch, *rest)
    )
    torch.manual_seed(0)
    model, made = build_model(CONFIG), sequences()
    model.potentials.head.data.normal_()
    found = evaluate_model(model, made)
    assert seen == [[0, 0], [1, 1], [2, 2]]
    for k, name in enumerate(made.factors):
        assert found["geometry"][name] == flow_geometry(model, made, k).summary()
