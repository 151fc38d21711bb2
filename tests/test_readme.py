"""The README shows the committed results, and nothing else; its verdicts are chapter 10's, word for word."""

import copy
import json
import re
from pathlib import Path

import pytest
import results_table
import run_numbers
import torch
import verdicts
from tiny import OPTIONS, sequences

from flowlib.config import from_values
from flowlib.experiments import tables
from flowlib.experiments.results import make_row
from flowlib.training import new_model

ROOT = Path(__file__).resolve().parents[1]
CHAPTER = ROOT / "book" / "10_baselines.ipynb"


def run(seed, error):
    row = {"error": error, "error_n": 2000, "decoder_limit": 10.0, "decoder_limit_n": 50, "no_motion": 1234.0}
    found = {"frame": -100.0 - seed, "frame_se": 1.0, "frame_effective_samples": 2.0 + seed, "samples": 100}
    found |= {"sequence": -900.0, "sequence_se": 9.0, "sequence_effective_samples": 1.5}
    metrics = {"equivariance": {"scale": row, "hue": row}, "log_likelihood": found}
    return make_row("make train", seed, {}, metrics, {"seconds": 60.0, "machine": "a machine"})


def row(seed, error, method="m"):
    likelihood = {"frame": [-1.0, -1.0], "frame_effective_samples": [3.0, 4.0], "samples": 100}
    likelihood |= {"sequence": [-9.0, -11.0], "sequence_effective_samples": [1.0, 2.0]}
    metrics = {"equivariance": {"scale": [error, error], "hue": [error + 2, error]}, "likelihood": likelihood}
    return {"method": method, "seed": seed, "config": {"steps": 7000, "batch_size": 5}, "metrics": metrics}


def test_the_table_says_mean_and_spread():
    text = results_table.table({"rows": [run(0, 200.0), run(1, 300.0)]})
    assert "| scale | 250 (200 … 300) | 10 (10 … 10) | 1 234 |" in text
    assert "| **mean** | **250 (200 … 300)** | | |" in text
    assert "lower bound on average" in text and "| per frame | -100.5 (-101.0 … -100.0) | 1.0 | 2.5 |" in text
    assert "Seeds 0, 1" in text and "1.0 (1.0 … 1.0) minutes on a machine" in text and "first 50 digits" in text and "2 000 held-out" in text


def test_the_readme_shows_the_committed_results():
    text = results_table.README.read_text()
    assert results_table.rewritten(text, results_table.made()) == text
    assert "| scale |" in text and "| flow, k given |" in text


def test_a_readme_without_marks_is_refused():
    with pytest.raises(SystemExit, match="verdicts"):
        results_table.rewritten("no marks", {"verdicts": "so"})


def test_the_comparison_says_mean_spread_bounds_and_labels():
    text = results_table.comparison_table({"rows": [row(0, 1000), row(1, 1200)]})
    assert "| m | yes | 1 100 | 1 101 | 1 100 (1 000 … 1 200) | -1 (3.5) | -10 (1.5) |" in text
    assert "seeds 0, 1" in text and "2 held-out digits" in text and "7 000 training steps" in text
    moved = row(0, 500, "VAE")
    del moved["metrics"]["likelihood"]
    text = results_table.comparison_table({"rows": [row(0, 1000)]}, [("moved otherwise", {"rows": [moved]})])
    assert "| m | yes | 1 000 |" in text and "| VAE, moved otherwise | no | 500 | 501 | 500 | | |" in text


def test_values_of_an_image_are_averaged_over_its_factors():
    metrics = {"likelihood": {"frame": [1.0, 2.0, 5.0, 10.0], "frame_effective_samples": [1.0, 3.0]}}
    assert run_numbers.nats("frame")(metrics) == [3.0, 6.0], "two factors of two images: image by image, not neighbours"
    assert run_numbers.draws("frame")(metrics) == 2.0


def test_every_verdict_stands_once_in_the_readme_and_once_in_the_chapter():
    cells = json.loads(CHAPTER.read_text())["cells"]
    chapter = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    readme = results_table.README.read_text()
    for verdict in verdicts.verdicts():
        assert readme.count(verdict) == 1, verdict
        assert chapter.count(verdict) == 1, f"chapter 10 has to say it in the README's words: {verdict}"


WORSE = {
    "comparison": {"flow, k given": 1.7, "SlowVAE": 0.4, "PoFlow": 1.3, "flow, k inferred": 1.3, "linear motion": 1.1, "linear motion, skew": 1.1, "MSP": 0.9},
    "operators": {"SlowVAE": 1.2}, "longer": {"PoFlow": 1.3}, "ablations": {"without the prior": 1.3, "without HJ": 0.5},
    "equal-time": {"flow without noise": 1.2, "PoFlow": 0.8, "linear motion": 0.8},
    "equal-time-full": {"flow without noise": 1.05, "PoFlow": 0.95, "linear motion": 0.9, "linear motion, skew": 0.9, "SlowVAE": 0.3},
}  # fmt: skip


@pytest.mark.parametrize(("name", "method", "factor"), [(name, *one) for name, changes in WORSE.items() for one in changes.items()])
def test_a_verdict_falls_with_its_results(name, method, factor):
    """With one method's errors changed, some sentence no longer holds, and none is printed."""

    def read(wanted):
        results = copy.deepcopy(tables.read_results(wanted))
        for one in results["rows"]:
            if wanted == name and one["method"] == method:
                errors = one["metrics"]["equivariance"]
                errors |= {key: [factor * value for value in values] for key, values in errors.items()}
        return results

    with pytest.raises(SystemExit, match="no longer holds"):
        verdicts.verdicts(read)


def test_who_reads_the_label_in_training():
    """With other labels on the same frames the objective is the same for those methods, and another for the rest."""
    torch.manual_seed(0)
    for method, rows in tables.by_method(tables.read_results("comparison")).items():
        config = from_values(rows[0]["config"] | OPTIONS | {"latent_dim": 15}, method)
        model = new_model(config)
        with torch.no_grad():
            for parameter in model.parameters():  # potentials begin at zero, where all of them are alike
                parameter += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
        more = {"beginning": model.beginning} if hasattr(model, "beginning") else {}
        batch = sequences(config).training_batch(6, 1, torch.Generator().manual_seed(2), **more)
        other = copy.copy(batch)
        object.__setattr__(other, "factor", (batch.factor + 1) % 3)
        losses = [model.objective(one, torch.Generator().manual_seed(3))["loss"].item() for one in (batch, other)]
        assert (losses[0] == losses[1]) == (method in results_table.UNLABELLED), method


def test_the_minute_at_the_top_of_the_readme_runs(monkeypatch):
    """Its first piece of code, as it stands, in a clone's folder; every shape that its comments state is the shape that comes out."""
    monkeypatch.chdir(ROOT)
    code = re.findall(r"```python\n(.*?)```", results_table.README.read_text(), re.S)[0]
    names = {}
    exec(code, names)
    stated = re.findall(r"^ *(\w+) = .*?#\D*?\((\d[\d, ]*)\)", code, re.M)
    assert [name for name, _ in stated] == ["digits", "codes", "path", "frames"]
    for name, shape in stated:
        assert tuple(names[name].shape) == tuple(map(int, shape.split(", "))), name
    model, end = names["model"].double(), names["path"][:, -1].double()
    back = model.transport(end, factor=1, steps=-8)  # to codes that lead here: where steps fold, as this model's do, not to those it came from
    assert back.shape == names["path"].shape
    assert torch.allclose(model.transport(back[:, -1], factor=1, steps=8)[:, -1], end, atol=1e-6)


def test_headlines_are_the_verdicts_own_words():
    found = ["**One thing: yes.** And why.", "**The parts.** Not a sentence.", "**Told of two, they do.** More."]
    assert results_table.headlines(found) == "- One thing: yes.\n- Told of two, they do."


def test_pictures_and_files_that_the_readme_names_exist():
    text = results_table.README.read_text()
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("words, key", [
    ("a step of the path objective is {} times as fast", "path: official / flowlib step, all frames decoded"),
    ("({} with one log-determinant", "marginal: official / flowlib step, all frames decoded, one log-determinant"),
    ("two of nine frames decoded, they are {} and", "path: official / flowlib step"),
    ("and {} times as fast: most of that", "marginal: official / flowlib step"),
])  # fmt: skip
def test_speed_is_that_of_the_benchmark(words, key):
    measured = json.loads((ROOT / "benchmarks" / "results.json").read_text())
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert words.format(f"{measured[key]:.2f}") in text
    assert abs(measured["marginal: official / flowlib step, all frames decoded"] - 1) < 0.05  # "level"
