"""The README's table of results, made from data/results/tutorial-mnist.json.

    python book/_tools/results_table.py collect MACHINE RUN [RUN …]   gather the metrics of finished runs (one per seed) into
                                                                      that file; MACHINE says in words what they ran on
    python book/_tools/results_table.py                       rewrite the table in README.md
    python book/_tools/results_table.py --check               change nothing; fail if the table differs
"""

import json
import re
import statistics
import sys
from pathlib import Path

from notebooks import write_text

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "data" / "results" / "tutorial-mnist.json"
README = ROOT / "README.md"
BEGIN, END = "<!-- results: begin (book/_tools/results_table.py) -->", "<!-- results: end -->"


def collect(machine, folders):
    """One JSON from the metrics and configurations of runs that differ in their seed alone."""
    configs = [json.loads((Path(folder) / "config.json").read_text()) for folder in folders]
    runs = [json.loads((Path(folder) / "metrics.json").read_text()) for folder in folders]
    shared = [{key: value for key, value in config.items() if key != "seed"} for config in configs]
    if any(config != shared[0] for config in shared):
        raise SystemExit("these runs differ in more than their seed")
    runs.sort(key=lambda run: run["seed"])
    found = {"config": shared[0], "machine": machine, "runs": runs}
    RESULTS.parent.mkdir(exist_ok=True)
    write_text(json.dumps(found, indent=1) + "\n", RESULTS)


def spread(values, digits=0):
    """Mean and, in brackets, the smallest and largest of the seeds."""
    low, mean, high = (f"{value:,.{digits}f}".replace(",", " ") for value in (min(values), statistics.mean(values), max(values)))
    return f"{mean} ({low} … {high})"


def table(results):
    """The table in Markdown."""
    runs = results["runs"]
    rows = ["| equivariance error | model | decoder's limit | no motion |", "|---|---|---|---|"]
    names = list(runs[0]["equivariance"])
    for name in names:
        columns = [[run["equivariance"][name][key] for run in runs] for key in ("error", "decoder_limit", "no_motion")]
        rows.append(f"| {name} | {spread(columns[0])} | {spread(columns[1])} | {statistics.mean(columns[2]):,.0f} |".replace(",", " "))
    means = [statistics.mean(run["equivariance"][name]["error"] for name in names) for run in runs]
    rows.append(f"| **mean** | **{spread(means)}** | | |")
    rows += ["", "| log-likelihood, nats | mean over seeds | standard error of one run |", "|---|---|---|"]
    for key, label in (("frame", "per frame"), ("sequence", "per sequence of 9 frames")):
        values = [run["log_likelihood"][key] for run in runs]
        error = max(run["log_likelihood"][f"{key}_se"] for run in runs)
        rows.append(f"| {label} | {spread(values, 1)} | {error:.1f} |")
    seeds = ", ".join(str(run["seed"]) for run in runs)
    minutes = spread([run["seconds"] / 60 for run in runs], 1)
    rows += ["", f"Seeds {seeds}; in brackets the smallest and largest of them. Errors are pixel sums over 8 frames on the 2 000 "
             f"held-out digits. Training took {minutes} minutes on {results['machine']}."]
    return "\n".join(rows)


def rewritten(text, results):
    """README's text with the table between its two marks."""
    return re.sub(re.escape(BEGIN) + r".*?" + re.escape(END), f"{BEGIN}\n{table(results)}\n{END}", text, flags=re.S)


def main(arguments):
    if arguments[:1] == ["collect"]:
        return collect(arguments[1], arguments[2:])
    text = README.read_text()
    wanted = rewritten(text, json.loads(RESULTS.read_text()))
    if arguments == ["--check"]:
        sys.exit(0 if wanted == text else "README.md's table differs: run python book/_tools/results_table.py")
    write_text(wanted, README)


if __name__ == "__main__":
    main(sys.argv[1:])
