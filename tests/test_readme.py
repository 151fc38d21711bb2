"""The README shows the committed results, and nothing else."""

import json
from pathlib import Path

import results_table

ROOT = Path(__file__).resolve().parents[1]


def run(seed, error):
    row = {"error": error, "decoder_limit": 10.0, "no_motion": 1234.0}
    found = {"frame": -100.0 - seed, "frame_se": 1.0, "sequence": -900.0, "sequence_se": 9.0}
    return {"seed": seed, "seconds": 60.0, "equivariance": {"scale": row, "hue": row}, "log_likelihood": found}


def test_the_table_says_mean_and_spread():
    text = results_table.table({"machine": "a machine", "runs": [run(0, 200.0), run(1, 300.0)]})
    assert "| scale | 250 (200 … 300) | 10 (10 … 10) | 1 234 |" in text
    assert "| **mean** | **250 (200 … 300)** | | |" in text
    assert "| per frame | -100.5 (-101.0 … -100.0) | 1.0 |" in text
    assert "Seeds 0, 1" in text


def test_the_readme_shows_the_committed_results():
    results, comparison = (json.loads(path.read_text()) for path in (results_table.RESULTS, results_table.COMPARISON))
    text = results_table.README.read_text()
    assert results_table.rewritten(text, results, comparison) == text
    assert "| scale |" in text and "| flow, k given |" in text


def test_the_comparison_says_mean_and_spread():
    def row(seed, error):
        metrics = {"equivariance": {"scale": [error, error], "hue": [error + 2, error]}, "likelihood": {"frame": [-1.0], "sequence": [-9.0, -11.0]}}
        return {"method": "m", "seed": seed, "machine": "a machine", "config": {"steps": 7, "batch_size": 5}, "metrics": metrics}

    text = results_table.comparison_table({"rows": [row(0, 1000), row(1, 1200)]})
    assert "| m | 1 100 | 1 101 | 1 100 (1 000 … 1 200) | -1 | -10 |" in text
    assert "seeds 0, 1" in text and "2 held-out digits" in text
    moved = row(0, 500)
    del moved["metrics"]["likelihood"]
    text = results_table.comparison_table({"rows": [row(0, 1000)]}, [("moved otherwise", {"rows": [moved]})])
    assert "| m | 1 000 |" in text and "| m, moved otherwise | 500 | 501 | 500 (500 … 500) |  |  |" in text


def test_pictures_and_files_that_the_readme_names_exist():
    import re

    text = results_table.README.read_text()
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (ROOT / target).exists(), target
