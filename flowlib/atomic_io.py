"""Files that are either whole or not there: written under a temporary name, flushed to disk, renamed."""

import contextlib
import csv
import io
import json
import os
from pathlib import Path

from flowlib.errors import FlowlibError


def write_file(path, write):
    """Call write(temporary path), then rename to `path`. A failure leaves the old file as it was and no rest behind."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.tmp{path.suffix}")
    try:
        write(temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise FlowlibError(
            f"{path} could not be written ({error.strerror or error}). What was there before is untouched; "
            "make room and run the same command again, it goes on from the last checkpoint"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # a folder that nobody can write to has no rest either
            temporary.unlink(missing_ok=True)


def write_text(path, text):
    """Write a text file whole."""
    write_file(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path, values):
    """Write a JSON file whole; NaN is refused, so that every reader can parse it."""
    write_text(path, json.dumps(values, indent=2, allow_nan=False) + "\n")


def write_csv(path, rows):
    """Write a table whole, a line for each row."""
    table = io.StringIO()
    csv.writer(table).writerows(rows)
    write_text(path, table.getvalue())


def read_json(path):
    """Read a JSON file; raises FlowlibError for a missing or broken one."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise FlowlibError(
            f"{path} cannot be read ({error}); put it back from a copy, or remove it and run the command that writes it again"
        ) from error
