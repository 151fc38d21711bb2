"""The experiments are fair: one budget, one search, and what was chosen is what the search found best."""

import dataclasses
import json
from pathlib import Path

import pytest

from flowlib.config import from_values, preset
from flowlib.errors import FlowlibError
from flowlib.experiments.catalogue import EXPERIMENTS, experiment
from flowlib.experiments.measures.equivariance import mean_error
from flowlib.experiments.runner import differences, unfinished
from flowlib.experiments.settings import (
    BASE,
    CHOSEN,
    FULL_BASE,
    IN_BITS,
    MILLISECONDS,
    SCENE_STEPS,
    SHARP_BASE,
    SHARP_STEPS,
    TURNING_STEPS,
    candidates,
)
from flowlib.experiments.tables import best_candidates, read_results
from flowlib.models import build_model

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
SHARED = (
    "data", "factors", "horizon", "batch_size", "frames_per_step", "latent_dim", "network", "width", "likelihood", "steps", "schedule",
)  # fmt: skip


@pytest.mark.parametrize(
    "name",
    "search comparison ablations variants penalties unseen collapse starts longer shrinking operators apart composing composing-apart composed control tight".split()
    + "tight-patient composed-apart composed-full composed-sharp composed-limit turning turning-full tvae-longer rooms-noiseless studio-noiseless unlabelled-charge midway spare rooms-spare rooms-search rooms combinations studio unlabelled unlabelled-rooms".split(),
)
def test_methods_of_an_experiment_share_their_budget(name):
    configs = list(experiment(name).methods.values())
    for option in SHARED:
        assert len({getattr(config, option) for config in configs}) == 1, option


def test_every_method_is_searched_alike():
    search = experiment("search")
    assert {len(candidates(label)) for label in CHOSEN} == {4}
    assert len(search.methods) == 4 * len(CHOSEN)
    settings = [str(dataclasses.asdict(config)) for config in search.methods.values()]
    assert len(set(settings)) == len(settings)
    assert all(config.validation == 1000 for config in search.methods.values())
    assert all(config.validation == 0 for config in experiment("comparison").methods.values())


@pytest.mark.parametrize(
    "name",
    "equal-time equal-time-nats equal-time-full equal-time-search unseen-equal-time labels bits bits-searched sharp sharp-search searched-full".split(),
)
def test_at_equal_time_only_the_number_of_steps_differs(name):
    methods = experiment(name).methods
    for option in set(SHARED) - {"steps"}:
        assert len({getattr(config, option) for config in methods.values()}) == 1, option
    others = {
        "bits": (IN_BITS, "steps-logistic.json"),
        "bits-searched": (IN_BITS, "steps-logistic.json"),
        "sharp": (SHARP_STEPS, "steps-sharp.json"),
    }
    milliseconds, measured = others.get(name.removesuffix("-search"), (MILLISECONDS, "steps.json"))
    assert milliseconds == json.loads((BENCHMARKS / measured).read_text())
    for label, config in methods.items():
        step = milliseconds[label.rsplit(" ", 1)[0] if name.endswith("search") else label]
        first = next(iter(methods.values()))
        assert config.steps * step == pytest.approx(first.steps * milliseconds["flow without noise"], rel=1e-3), label


def test_sharper_networks_get_no_more_time():
    """The flow's steps take as long as those of `equal-time-full`, within a per cent; those of the presets for scenes within a tenth."""
    for scene, steps in SCENE_STEPS.items():
        assert steps == json.loads((BENCHMARKS / f"steps-{scene}.json").read_text())
        plain, sharper = (preset(name) for name in steps)
        assert plain.steps == sharper.steps and 0.9 < steps[f"tutorial-sharp-{scene}"] / steps[f"tutorial-{scene}"] < 1.1
    assert json.loads((BENCHMARKS / "steps-turning.json").read_text()) == TURNING_STEPS
    times = [base.steps * step["flow without noise"] for base, step in ((SHARP_BASE, SHARP_STEPS), (FULL_BASE, MILLISECONDS))]
    assert times[0] == pytest.approx(times[1], rel=0.01)


def test_make_train_is_the_flow_of_the_experiment():
    assert experiment("sharp").methods["flow without noise"] == preset("tutorial-sharp")


def test_every_configuration_can_be_built():
    for one in EXPERIMENTS.values():
        for config in one.methods.values():
            build_model(dataclasses.replace(config, width=2))


@pytest.mark.parametrize(
    "search, used",
    [
        ("search", "comparison"),
        ("search", "tight"),
        ("rooms-search", "rooms"),
        ("equal-time-search", "equal-time"),
        ("equal-time-search", "equal-time-full"),
        ("sharp-search", "sharp"),
    ],
)
def test_the_search_chose_what_the_comparison_uses(search, used):
    """The best candidate; of two within half a percent of each other, the default."""
    results = read_results(search)
    best = best_candidates(results)
    rows = [(row, from_values(row["config"], search)) for row in results["rows"]]
    for label, config in experiment(used).methods.items():
        chosen = [
            mean_error(row["metrics"]["validation"]) for row, stored in rows
            if row["method"].rsplit(" ", 1)[0] == label
            and all(getattr(stored, option) == getattr(config, option) for option in ("model", "options", "learning_rate", "adam_beta2", "hj_weight", "prior"))
        ]  # fmt: skip
        assert chosen, f"{label} in CHOSEN is not among the search's results: run the search, then copy its best into CHOSEN"
        assert chosen[0] <= 1.005 * best[label][1], label


def test_seeds_come_before_methods_so_that_one_seed_is_complete_first():
    jobs = experiment("comparison").jobs()
    assert [config.seed for _, config in jobs] == sorted(config.seed for _, config in jobs)
    assert len(jobs) == 3 * len(experiment("comparison").methods) and BASE.steps == jobs[0][1].steps


def test_unknown_experiment():
    with pytest.raises(FlowlibError, match="unknown experiment 'x': choose one of search, comparison"):
        experiment("x")


@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_committed_results_are_complete_and_of_these_settings(name):
    """Nothing in them was made with other data or settings, and no run and no measure is missing."""
    found = read_results(name)
    assert differences(found, experiment(name)) == [], f"python -m flowlib experiments run {name} --restart"
    assert unfinished(found, experiment(name)) == [], f"python -m flowlib experiments run {name}"


@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_committed_results_say_where_they_come_from(name):
    for row in read_results(name)["rows"]:
        for part in ("trained", "measured"):
            assert all(row[part][key] for key in ("commit", "torch", "kornia", "numpy", "machine", "date")) and row[part]["seconds"] > 0
