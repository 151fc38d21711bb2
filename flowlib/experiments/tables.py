"""Results as numbers over seeds and as text."""

import statistics
from collections.abc import Callable

from flowlib.errors import FlowlibError
from flowlib.experiments.runner import results_folder
from flowlib.files import read_json


def read_results(name: str, folder=None) -> dict:
    """The committed results of an experiment: "rows", one per method and seed, and the versions that made them."""
    path = (folder or results_folder()) / f"{name}.json"
    if not path.exists():
        raise FlowlibError(f"no results of {name!r} yet: python -m flowlib experiments run {name}")
    return read_json(path)


def by_method(results: dict) -> dict[str, list[dict]]:
    """Method → its rows, one per seed, in the order of the experiment."""
    found = {}
    for row in results["rows"]:
        found.setdefault(row["method"], []).append(row)
    return found


def spread(values, digits=0) -> str:
    """Mean over seeds and, in brackets, the smallest and largest."""
    mean, low, high = (f"{value:,.{digits}f}".replace(",", " ") for value in (statistics.mean(values), min(values), max(values)))
    return mean if len(values) == 1 else f"{mean} ({low} … {high})"


def average(rows, value: Callable[[dict], float]) -> float:
    """The mean over seeds of a number taken from each row's metrics."""
    return statistics.mean(value(row["metrics"]) for row in rows)


def paired(rows, reference, values: Callable[[dict], list[float]]) -> tuple[float, float]:
    """(mean, standard error) of the difference to a reference method, image by image, after averaging over the seeds.

    Both have been measured on the same images; the seeds that both have are used.
    """
    seeds = {row["seed"] for row in rows} & {row["seed"] for row in reference}
    if not seeds:
        raise FlowlibError("these methods have no seed in common")
    ours, theirs = ([values(row["metrics"]) for row in one if row["seed"] in seeds] for one in (rows, reference))
    differences = [
        statistics.fmean(mine) - statistics.fmean(other)
        for mine, other in zip(zip(*ours, strict=True), zip(*theirs, strict=True), strict=True)
    ]
    return statistics.fmean(differences), statistics.stdev(differences) / len(differences) ** 0.5


def mean_error(metrics: dict, kind="equivariance") -> float:
    """M16 averaged over images and factors."""
    return statistics.mean(statistics.mean(values) for values in metrics[kind].values())


def best_candidates(results: dict) -> dict[str, tuple[dict, float]]:
    """Of the experiment `search`: method → (configuration, validation error) of its best candidate."""
    best = {}
    for row in results["rows"]:
        label, error = row["method"].rsplit(" ", 1)[0], mean_error(row["metrics"], "validation")
        if label not in best or error < best[label][1]:
            best[label] = (row["config"], error)
    return best


# What a table shows of each measure: (column, number from the metrics, digits).
COLUMNS = {
    "validation": [("validation error", lambda m: mean_error(m, "validation"), 0)],
    "equivariance": [("equivariance error", mean_error, 0)],
    "likelihood": [
        ("per frame", lambda m: statistics.mean(m["likelihood"]["frame"]), 1),
        ("per sequence", lambda m: statistics.mean(m["likelihood"]["sequence"]), 1),
    ],
    "composition": [
        ("switch / own", lambda m: _ratio(m, lambda row: min_switch(row), lambda row: row["own"]), 2),
        ("superpose / own", lambda m: _ratio(m, lambda row: row.get("superpose"), lambda row: row["own"]), 2),
    ],
    "long": [("error of step 16", lambda m: statistics.mean(row["error"][-1] for row in m["long"].values()), 0)],
    "recognition": [("accuracy of k", lambda m: m["recognition"]["accuracy"], 3)],
    "disentanglement": [
        ("VP", lambda m: m["disentanglement"]["vp"], 2), ("MIG", lambda m: m["disentanglement"]["mig"], 2),
        ("DCI", lambda m: m["disentanglement"]["dci_disentanglement"], 2),
    ],
    "unseen": [
        ("unseen digits", lambda m: mean_error(m["unseen"], "left out"), 0), ("other digits", lambda m: mean_error(m["unseen"], "kept"), 0),
    ],
}  # fmt: skip


def min_switch(row: dict) -> float:
    """The error of switching with the time labels that this project uses (chapter 11): counted anew from 1."""
    return row["switch"]["restart"]


def _ratio(metrics, above, below):
    rows = [row for row in metrics["composition"] if above(row) is not None]
    return statistics.mean(above(row) for row in rows) / statistics.mean(below(row) for row in rows)


def format_table(name: str, results: dict) -> str:
    """One line per method: mean over seeds, the smallest and largest in brackets."""
    methods = by_method(results)
    measures = [measure for measure in COLUMNS if any(measure in row["metrics"] for row in results["rows"])]
    columns = [column for measure in measures for column in COLUMNS[measure]]
    lines = [["", *(title for title, _, _ in columns), "seeds"]]
    for label, rows in methods.items():
        cells = [spread([number(row["metrics"]) for row in rows], digits) for _, number, digits in columns]
        lines.append([label, *cells, " ".join(str(row["seed"]) for row in rows)])
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    versions = f"training code {results['training_code']}, measuring code {results['measuring_code']}, data {results['data']}"
    return "\n".join([f"{name}: {results['about']}", "", *text, "", versions])
