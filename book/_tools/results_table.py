"""The README's tables of results, made from data/results/: tutorial-mnist, comparison, operators and longer.

    python book/_tools/results_table.py collect MACHINE RUN [RUN …]   gather the metrics of finished runs (one per seed) into
                                                                      that file; MACHINE says in words what they ran on
    python book/_tools/results_table.py                       rewrite the tables in README.md
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
COMPARISON = RESULTS.with_name("comparison.json")
MARKS = "<!-- comparison: begin (book/_tools/results_table.py) -->", "<!-- comparison: end -->"
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


def grouped(value, digits=0):
    """A number with its thousands set apart."""
    return f"{value:,.{digits}f}".replace(",", " ")


def spread(values, digits=0):
    """Mean and, in brackets, the smallest and largest of the seeds."""
    low, mean, high = (grouped(value, digits) for value in (min(values), statistics.mean(values), max(values)))
    return f"{mean} ({low} … {high})"


def table(results):
    """The table in Markdown."""
    runs = results["runs"]
    rows = ["| equivariance error | model | decoder's limit | no motion |", "|---|---|---|---|"]
    names = list(runs[0]["equivariance"])
    for name in names:
        columns = [[run["equivariance"][name][key] for run in runs] for key in ("error", "decoder_limit", "no_motion")]
        rows.append(f"| {name} | {spread(columns[0])} | {spread(columns[1])} | {grouped(statistics.mean(columns[2]))} |")
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


def comparison_table(results, also=()):
    """The methods side by side, in Markdown: mean over seeds, smallest and largest in brackets.

    also : (what differs, other results) whose rows follow
    """
    methods = {}
    for note, rows in (("", results["rows"]), *((f", {note}", other["rows"]) for note, other in also)):
        for row in rows:
            methods.setdefault(row["method"] + note, []).append(row["metrics"])
    names = list(next(iter(methods.values()))[0]["equivariance"])
    lines = ["| | " + " | ".join(names) + " | mean | nats per frame | nats per sequence |", "|---" * (len(names) + 4) + "|"]
    for label, runs in methods.items():
        errors = [[statistics.fmean(run["equivariance"][name]) for name in names] for run in runs]
        factors = " | ".join(grouped(statistics.fmean(column)) for column in zip(*errors, strict=True))
        nats = " | ".join(_nats(runs, kind) for kind in ("frame", "sequence"))
        lines.append(f"| {label} | {factors} | {spread([statistics.fmean(row) for row in errors])} | {nats} |")
    first = results["rows"][0]
    seeds = ", ".join(sorted({str(row["seed"]) for row in results["rows"]}))
    images = len(first["metrics"]["equivariance"][names[0]])
    lines += ["", f"{first['config']['steps']} training steps of {first['config']['batch_size']} sequences where nothing else is said, seeds {seeds}; equivariance error on "
              f"{images} held-out digits, then log-likelihoods. Machine: {first['machine']}."]
    return "\n".join(lines)


def _nats(runs, kind):
    """The mean log-likelihood over images and seeds; nothing where none was measured."""
    if "likelihood" not in runs[0]:
        return ""
    return grouped(statistics.fmean(statistics.fmean(run["likelihood"][kind]) for run in runs))


def further():
    """What stands below the comparison: other operators, and longer training."""
    operators, longer = (json.loads(COMPARISON.with_name(f"{name}.json").read_text()) for name in ("operators", "longer"))
    return [("moved by linear regressions", operators), (f"{grouped(longer['rows'][0]['config']['steps'])} steps", longer)]


def rewritten(text, results, comparison):
    """README's text with both tables between their marks."""
    for (begin, end), made in (((BEGIN, END), table(results)), (MARKS, comparison_table(comparison, further()))):
        text = re.sub(re.escape(begin) + r".*?" + re.escape(end), lambda _: f"{begin}\n{made}\n{end}", text, flags=re.S)
    return text


def main(arguments):
    if arguments[:1] == ["collect"]:
        return collect(arguments[1], arguments[2:])
    text = README.read_text()
    wanted = rewritten(text, json.loads(RESULTS.read_text()), json.loads(COMPARISON.read_text()))
    if arguments == ["--check"]:
        sys.exit(0 if wanted == text else "README.md's tables differ: run python book/_tools/results_table.py")
    write_text(wanted, README)


if __name__ == "__main__":
    main(sys.argv[1:])
