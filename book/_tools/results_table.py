"""The README's tables and verdicts, made from data/results/: the presets tutorial-sharp, -noiseless and -mnist, and experiments.

python book/_tools/results_table.py collect PRESET MACHINE RUN [RUN …]   gather the metrics of finished runs (one per seed) into
                                                                  PRESET.json; MACHINE says in words what they ran on
python book/_tools/results_table.py                       rewrite the tables in README.md
python book/_tools/results_table.py --check               change nothing; fail if the README differs
"""

import json
import re
import statistics
import sys
from pathlib import Path

from notebooks import rewritten, write_text
from run_numbers import draws, nats, per_image, pixels
from verdicts import FLOW, verdicts

from flowlib.experiments import tables
from flowlib.experiments.results import make_row, results_path, write_results

ROOT = Path(__file__).resolve().parents[2]
MEASURED = ("equivariance", "log_likelihood", "geometry")  # of what a run's metrics.json holds
README = ROOT / "README.md"
UNLABELLED = ("flow, k inferred", "VAE", "β-VAE", "FactorVAE", "SlowVAE", "MSP")  # their training never reads k (tests/test_readme.py tries it)
HARDER = 50  # images on which the decoder's limit is searched


def collect(name, machine, folders):
    """One JSON from the metrics and configurations of runs that differ in their seed alone."""
    configs = [json.loads((Path(folder) / "config.json").read_text()) for folder in folders]
    runs = [json.loads((Path(folder) / "metrics.json").read_text()) for folder in folders]
    shared = [config | {"seed": None} for config in configs]
    if any(config != shared[0] for config in shared):
        raise SystemExit("these runs differ in more than their seed")
    rows = [_row(config, run, machine) for config, run in zip(configs, runs)]
    found = {"about": f"the preset {name}", "rows": sorted(rows, key=lambda row: row["seed"])}
    write_results(found, results_path(name))


def _row(config, run, machine):
    trained = run["provenance"] | {"machine": machine, "seconds": run["seconds"]}
    return make_row("make train", config["seed"], config, {name: run[name] for name in MEASURED}, trained)


def grouped(value, digits=0):
    """A number with its thousands set apart."""
    return f"{value:,.{digits}f}".replace(",", " ")


def table(results):
    """`make train`, in Markdown."""
    runs = [row["metrics"] for row in results["rows"]]
    names = list(runs[0]["equivariance"])
    limited = runs[0]["equivariance"][names[0]]["decoder_limit_n"]
    rows = [["equivariance error", "model", f"decoder's limit, first {limited} digits", "no motion"]]
    for name in names:
        columns = [[run["equivariance"][name][key] for run in runs] for key in ("error", "decoder_limit", "no_motion")]
        rows.append([name, tables.spread(columns[0]), tables.spread(columns[1]), grouped(statistics.mean(columns[2]))])
    rows.append(["**mean**", f"**{tables.spread(_mean_errors(results))}**", "", ""])
    samples = runs[0]["log_likelihood"]["samples"]
    unit = "log-likelihood, lower bound on average, nats"
    bounds = [[unit, "mean over seeds", "standard error of one run", f"effective draws of {samples}"]]
    for key, label in (("frame", "per frame"), ("sequence", "per sequence of 9 frames")):
        values, effective = ([run["log_likelihood"][name] for run in runs] for name in (key, f"{key}_effective_samples"))
        error = max(run["log_likelihood"][f"{key}_se"] for run in runs)
        bounds.append([label, tables.spread(values, 1), f"{error:.1f}", f"{statistics.mean(effective):.1f}"])
    seeds = ", ".join(str(row["seed"]) for row in results["rows"])
    minutes = tables.spread([row["trained"]["seconds"] / 60 for row in results["rows"]], 1)
    count = grouped(runs[0]["equivariance"][names[0]]["error_n"])
    note = (
        f"Seeds {seeds}; in brackets the smallest and largest of them. Errors are pixel sums over 8 frames on the {count} "
        f"held-out digits. Training took {minutes} minutes on {results['rows'][0]['trained']['machine']}."
    )
    return "\n\n".join([tables.layout(rows, "markdown"), tables.layout(bounds, "markdown"), note])


def _mean_errors(results):
    """Of every run of a preset, the equivariance error averaged over the factors."""
    return [statistics.mean(row["error"] for row in run["metrics"]["equivariance"].values()) for run in results["rows"]]


def comparison_table(results, also=()):
    """The methods side by side, in Markdown: mean over seeds, smallest and largest in brackets.

    also : (what differs, other results) whose rows follow
    """
    methods = {}
    for note, more in (("", results), *((f", {note}", other) for note, other in also)):
        methods |= {label + note: (label, rows) for label, rows in tables.by_method(more).items()}
    first = results["rows"][0]
    names, samples = list(first["metrics"]["equivariance"]), first["metrics"]["likelihood"]["samples"]
    lines = [["", "reads *k* in training", *names, "mean", "nats per frame ≥", "nats per sequence ≥"]]
    for title, (label, rows) in methods.items():
        errors = [tables.average(rows, lambda metrics: statistics.fmean(metrics["equivariance"][name])) for name in names]
        bounds = [_bound(rows, kind) for kind in ("frame", "sequence")]
        told = "no" if label in UNLABELLED else "yes"
        lines.append([title, told, *map(grouped, errors), tables.spread([pixels(row["metrics"]) for row in rows]), *bounds])
    seeds = ", ".join(sorted({str(row["seed"]) for row in results["rows"]}))
    images = len(per_image(first["metrics"]))
    note = (
        f"{grouped(first['config']['steps'])} training steps of {first['config']['batch_size']} sequences where nothing else is said, seeds {seeds}; equivariance "
        f"error on {grouped(images)} held-out digits, then log-likelihoods, which are lower bounds on average, with the effective draws of {samples} in brackets."
    )
    return tables.layout(lines, "markdown") + "\n\n" + note


def _bound(rows, kind):
    """log p̂ over images and seeds and its effective draws; nothing where none was measured."""
    if not rows[0]["metrics"].get("likelihood"):
        return ""
    value = tables.average(rows, lambda metrics: statistics.fmean(nats(kind)(metrics)))
    return f"{grouped(value)} ({tables.average(rows, draws(kind)):.1f})"


def harder(comparison):
    """By how many per cent the flow's error on the first images exceeds that on all, in the comparison."""
    rows = tables.by_method(comparison)[FLOW]
    ratio = tables.average(rows, lambda metrics: statistics.fmean(per_image(metrics)[:HARDER])) / tables.average(rows, pixels)
    return f"The first {HARDER} digits are harder than most: there the flow of the comparison below errs {100 * (ratio - 1):.0f} % more than on all."


def plainer(noiseless, noisy):
    """The same with other settings: the networks of the chapters, and the noise between frames that the model of chapter 8 has."""
    return (
        f"With plain networks and Adam alone, `--preset tutorial-noiseless`, the mean is {tables.spread(_mean_errors(noiseless))}; "
        f"with the noise between frames of chapter 8's model besides, `--preset tutorial-mnist`, it is {tables.spread(_mean_errors(noisy))}."
    )


def published(results):
    """The model with the settings of the paper's code, as far as it was trained."""
    rows = tables.by_method(results)["published settings"]
    steps, planned = 1000 * (min(row["trained"]["steps"] for row in rows) // 1000), rows[0]["config"]["steps"]
    return (
        f"With the settings of the paper's code on these digits, `--preset paper-mnist --data digits`, it is {tables.spread(_mean_errors({'rows': rows}))} after "
        f"{grouped(steps)} of {grouped(planned)} steps, on a GPU (chapter 13)."
    )


def headlines(found):
    """The verdicts in a line each: their words in bold, where these are a sentence."""
    bold = (re.match(r"\*\*(.+?)\*\*", verdict)[1] for verdict in found)
    return "\n".join(f"- {words}" for words in bold if ":" in words or "," in words)


def further():
    """What stands below the comparison: other operators, and longer training."""
    operators, longer = (tables.read_results(name) for name in ("operators", "longer"))
    return [("moved by linear regressions", operators), (f"{grouped(longer['rows'][0]['config']['steps'])} steps", longer)]


def made():
    """What stands between the README's marks, by their names."""
    comparison, sharp, noiseless, noisy, paper = (
        tables.read_results(name) for name in ("comparison", "tutorial-sharp", "tutorial-noiseless", "tutorial-mnist", "paper-mnist")
    )
    found = verdicts()
    return {
        "headlines": headlines(found),
        "results": "\n".join([table(sharp), harder(comparison), plainer(noiseless, noisy), published(paper)]),
        "comparison": comparison_table(comparison, further()),
        "verdicts": "\n".join(f"- {verdict}" for verdict in found),
    }


def main(arguments):
    if arguments[:1] == ["collect"]:
        return collect(arguments[1], arguments[2], arguments[3:])
    text = README.read_text()
    wanted = rewritten(text, made())
    if arguments == ["--check"]:
        sys.exit(0 if wanted == text else "README.md's tables differ: run python book/_tools/results_table.py")
    write_text(wanted, README)


if __name__ == "__main__":
    main(sys.argv[1:])
