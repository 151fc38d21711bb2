"""What an experiment's file keeps of runs that were made before: where their training took place, and what the experiment is about today."""

import dataclasses

from test_experiments import EXPERIMENT, few, run, settled  # noqa: F401

from flowlib.experiments import runner


def test_a_runs_training_keeps_its_own_provenance(tmp_path, monkeypatch):
    """A new measure of old weights: trained there and then, measured here and now."""
    one = dataclasses.replace(EXPERIMENT, seeds=(0,))
    monkeypatch.setattr(runner, "provenance", lambda: {"commit": "first"})
    before = run(tmp_path, one)["rows"]
    monkeypatch.setattr(runner, "provenance", lambda: {"commit": "second"})
    after = run(tmp_path, dataclasses.replace(one, measures=("recognition", "equivariance")))["rows"]
    assert [row["trained"] for row in after] == [row["trained"] for row in before]
    assert {row["trained"]["commit"] for row in after} == {"first"} and {row["measured"]["commit"] for row in after} == {"second"}


def test_a_file_says_what_the_experiment_is_about_today(tmp_path):
    run(tmp_path)
    found = run(tmp_path, dataclasses.replace(EXPERIMENT, about="said better", seeds=(0, 1, 2)))
    assert found["about"] == "said better" and len(found["rows"]) == 6
