"""Results as numbers over seeds and as text."""

import statistics
from collections.abc import Callable

from flowlib.errors import FlowlibError
from flowlib.experiments.measures import MEASURES
from flowlib.experiments.measures.equivariance import mean_error
from flowlib.experiments.results import read_results

__all__ = ["average", "best_candidates", "by_method", "format_table", "layout", "paired", "plus_minus", "read_results", "spread"]


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


def plus_minus(values, digits=0) -> str:
    """Mean over seeds ± half the distance between the smallest and the largest: shorter than `spread`."""
    mean, half = statistics.fmean(values), (max(values) - min(values)) / 2
    return f"{mean:,.{digits}f} ± {half:,.{digits}f}".replace(",", " ")


def average(rows, value: Callable[[dict], float]) -> float:
    """The mean over seeds of a number taken from each row's metrics."""
    return statistics.mean(value(row["metrics"]) for row in rows)


def paired(rows, reference, values: Callable[[dict], list[float]]) -> tuple[float, float]:
    """(mean, standard error) of the difference to a reference method, image by image, after averaging over the seeds.

    Both have been measured on the same images; the seeds that both have are used. Raises FlowlibError where there is none, or images differ.
    """
    seeds = {row["seed"] for row in rows} & {row["seed"] for row in reference}
    if not seeds:
        raise FlowlibError("these methods have no seed in common")
    ours, theirs = ([values(row["metrics"]) for row in one if row["seed"] in seeds] for one in (rows, reference))
    counts = sorted({len(one) for one in (*ours, *theirs)})
    if len(counts) > 1 or counts[0] < 2:
        raise FlowlibError(f"these methods were measured on {' and '.join(map(str, counts))} images: pairs need the same ones, two or more")
    differences = [
        statistics.fmean(mine) - statistics.fmean(other) for mine, other in zip(zip(*ours, strict=True), zip(*theirs, strict=True), strict=True)
    ]
    return statistics.fmean(differences), statistics.stdev(differences) / len(differences) ** 0.5


def best_candidates(results: dict) -> dict[str, tuple[dict, float]]:
    """Of the experiment `search`: method → (configuration, validation error) of its best candidate."""
    best = {}
    for row in results["rows"]:
        label, error = row["method"].rsplit(" ", 1)[0], mean_error(row["metrics"]["validation"])
        if label not in best or error < best[label][1]:
            best[label] = (row["config"], error)
    return best


def format_table(name: str, results: dict) -> str:
    """One line per method: mean over seeds, the smallest and largest in brackets."""
    methods = by_method(results)
    taken = [measure for measure in MEASURES if results["rows"] and measure in results["rows"][0]["metrics"]]
    columns = [(measure, *column) for measure in taken for column in MEASURES[measure].columns]
    lines = [["", *(title for _, title, _, _ in columns), "seeds"]]
    for label, rows in methods.items():
        cells = [spread([number(row["metrics"][measure]) for row in rows], digits) for measure, _, number, digits in columns]
        lines.append([label, *cells, " ".join(str(row["seed"]) for row in rows)])
    return "\n".join([f"{name}: {results['about']}", "", layout(lines)])


def layout(lines, form="text") -> str:
    """The one printer of tables: lines (lists of texts, the headings first) as aligned text, or in the form "markdown" or "html"."""
    if form == "markdown":
        head, *body = (f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in line)}|" for line in lines)
        return "\n".join([head, "|---" * len(lines[0]) + "|", *body])
    if form == "html":
        cells = ("".join(f"<td style='padding-right:1.5em;text-align:left'>{cell}</td>" for cell in line) for line in lines)
        return f"<table>{''.join(f'<tr>{line}</tr>' for line in cells)}</table>"
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)
