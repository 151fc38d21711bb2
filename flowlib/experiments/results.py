"""The one form of results: data/results/NAME.json holds {"about": …, "rows": [row, …]}, one row per method and seed.

A row has `method` and `seed`; `trained` and, where it was another time, `measured`: provenance and seconds; `config`: what was set; and
`metrics`: what was found, by the names of the measures. (behaviour.json beside them holds no results: `flowlib.experiments.behaviour`.)
"""

import json
import re
from pathlib import Path

from flowlib.atomic_io import read_json, write_text
from flowlib.data import data_folder
from flowlib.errors import FlowlibError


def results_folder() -> Path:
    """Where the committed results are."""
    return data_folder() / "results"


def results_path(name, folder=None) -> Path:
    """folder/NAME.json, the folder made where it is missing."""
    folder = Path(folder or results_folder())
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.json"


def read_results(name: str, folder=None) -> dict:
    """The results of an experiment. Raises FlowlibError where there are none yet."""
    path = (folder or results_folder()) / f"{name}.json"
    if not path.exists():
        raise FlowlibError(f"no results of {name!r} yet: python -m flowlib experiments run {name}")
    return read_json(path)


def write_results(results: dict, path) -> None:
    """Write results as a whole file."""
    write_text(path, compact_json(results))


def make_row(method: str, seed: int, config: dict, metrics: dict, trained: dict, measured: dict | None = None) -> dict:
    """A row in the order in which rows are written."""
    origin = {"trained": trained} if measured is None else {"trained": trained, "measured": measured}
    return {"method": method, "seed": seed, **origin, "config": config, "metrics": metrics}


def compact_json(values) -> str:
    """JSON with one line per entry, but lists of plain numbers on one line."""
    text = json.dumps(values, indent=1, allow_nan=False, ensure_ascii=False)
    return re.sub(r"\[[\s\d.,eE+-]*\]", lambda match: re.sub(r"\s+", "", match[0]), text) + "\n"
