"""Tables of a class that grow from week to week."""

import csv
from pathlib import Path

from flowlib.atomic_io import write_csv


def update_table(path, names, rows, key=2) -> None:
    """Write rows under their names into a table. What it has of other submissions stays: a row is of the submission that its first `key` columns name."""
    rows = [["" if value is None else str(value) for value in row] for row in rows]
    new = {tuple(row[:key]) for row in rows}
    before = []
    if Path(path).exists():
        with open(path, encoding="utf-8", newline="") as file:
            header, *before = list(csv.reader(file)) or [[]]
        if header != list(names):
            before = []
    write_csv(path, [list(names), *(row for row in before if tuple(row[:key]) not in new), *rows])
