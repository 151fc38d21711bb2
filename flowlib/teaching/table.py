"""Tables of a class that grow from week to week."""

import csv
import time
from pathlib import Path

from flowlib.atomic_io import write_csv


def update_table(path, names, rows, key=2) -> None:
    """Write rows under their names into a table. What it has of other submissions stays: a row is of the submission that its first `key` columns name.

    A table that cannot be read as one of these is kept beside it, under another name.
    """
    rows = [["" if value is None else str(value) for value in row] for row in rows]
    new = {tuple(row[:key]) for row in rows}
    before = []
    if Path(path).exists():
        with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:  # a spreadsheet may put a mark in front
            header, *before = list(csv.reader(file)) or [[]]
        if header != list(names) or any("\ufffd" in cell for row in before for cell in row):
            before = []
            aside = Path(path).rename(f"{path}.{time.strftime('%Y%m%d-%H%M%S')}")
            print(f"{path} has other columns, or was saved by another program: it is kept as {aside}", flush=True)
    write_csv(path, [list(names), *(row for row in before if tuple(row[:key]) not in new), *rows])
