"""Code that behaves differently: its results are never mixed with older ones, and an update makes again what is concerned, no more."""

import json

import pytest
from test_experiments import EXPERIMENT, few, run  # noqa: F401  (a fixture that pytest finds here)

from flowlib.errors import FlowlibError
from flowlib.experiments import measures, runner, tables
from flowlib.models import VAE
from flowlib.training import Trainer


class TestChangedBehaviour:
    @pytest.fixture
    def louder(self, tmp_path, monkeypatch):
        """Results, and then a VAE whose KL weighs twice."""
        run(tmp_path)
        monkeypatch.setattr(VAE, "objective", lambda self, *rest, real=VAE.objective: {k: 2 * v for k, v in real(self, *rest).items()})
        return tables.read_results("small", tmp_path)

    @pytest.fixture
    def trained(self, monkeypatch):
        """The model of every training step that is taken outside the tiny runs of the gate."""
        taken, step = [], Trainer.train_step
        monkeypatch.setattr(Trainer, "train_step", lambda self: (self.path and taken.append(self.config.model), step(self))[1])
        return taken

    def update(self, tmp_path, experiment=EXPERIMENT):
        said = []
        runner.update_experiments({"small": experiment}, 0, tmp_path, tmp_path / "runs", said.append)
        return said

    def test_it_is_never_mixed_in(self, louder, tmp_path):
        with pytest.raises(FlowlibError, match=r"method vae — terms .*\[0\]: .* before, .* now.*experiments update"):
            run(tmp_path)
        assert tables.read_results("small", tmp_path) == louder

    def test_an_update_trains_again_what_changed_and_nothing_else(self, louder, trained, tmp_path):
        said = self.update(tmp_path)
        assert said[0].startswith("method vae: terms") and said[1] == "1 methods and measures behave differently"
        after = tables.read_results("small", tmp_path)
        assert set(trained) == {"vae"} and len(trained) == 12
        assert [row for row in after["rows"] if row["method"] == "flow"] == [row for row in louder["rows"] if row["method"] == "flow"]
        assert len(after["rows"]) == 4 and [json.loads(path.read_text()) for path in tmp_path.glob("small.*.old.json")] == [louder]
        trained.clear()
        assert self.update(tmp_path)[0] == "0 methods and measures behave differently" and trained == []

    def test_a_measure_that_changed_is_taken_again_without_training(self, trained, tmp_path, monkeypatch):
        before = run(tmp_path)
        trained.clear()
        monkeypatch.setattr(measures.equivariance, "round_each", lambda values: [2 * round(value) for value in values.tolist()])
        self.update(tmp_path)
        after = tables.read_results("small", tmp_path)
        pairs = zip(before["rows"], after["rows"], strict=True)
        assert all(
            new["metrics"]["equivariance"]["hue"] == [2 * value for value in old["metrics"]["equivariance"]["hue"]] for old, new in pairs
        )
        assert trained == [] and all(new["trained"] == old["trained"] for old, new in zip(before["rows"], after["rows"], strict=True))

    def test_an_interrupted_update_goes_on(self, louder, tmp_path, monkeypatch):
        real = runner.run_experiment
        monkeypatch.setattr(runner, "run_experiment", lambda *rest, **options: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            self.update(tmp_path)
        monkeypatch.setattr(runner, "run_experiment", real)
        self.update(tmp_path)
        assert len(tables.read_results("small", tmp_path)["rows"]) == 4
