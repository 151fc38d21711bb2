"""Run notebooks afresh, top to bottom, and keep their outputs.

    python book/_tools/execute.py --all                    every chapter of the book
    python book/_tools/execute.py book/01_*.ipynb /tmp/x.ipynb

Each notebook gets a kernel of its own with book/ as working folder. A notebook is replaced
only when all of its cells ran; the first cell that fails ends the run, named, with its traceback.
"""

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin while they wait slow a busy machine many times
os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")  # this environment's kernel, not one of the user's

import address  # noqa: E402
import colab_cell  # noqa: E402
from nbclient import NotebookClient  # noqa: E402  (after the environment is set)
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError  # noqa: E402
from notebooks import BOOK, chapters, normalise, read, write  # noqa: E402

SECONDS_PER_CELL = 600
SECONDS_FOR_OUTPUT = 60  # on a busy machine outputs come later than the word that a cell is done: by default they would be lost after 4


class Failed(Exception):
    """A cell raised, ran too long, or lost its kernel."""


def execute(path: Path, timeout: int = SECONDS_PER_CELL) -> float:
    """Run the notebook at ``path`` and replace it by the executed one; the seconds it took."""
    notebook = read(path)
    colab_cell.ensure(notebook, address.address())
    normalise(notebook)
    start = time.perf_counter()
    run(notebook, path, timeout)
    normalise(notebook)
    write(notebook, path)
    return time.perf_counter() - start


def run(notebook, path: Path, timeout: int = SECONDS_PER_CELL) -> None:
    """Run ``notebook`` in a kernel of its own, which fills in its outputs; ``path`` is what a failure names."""
    client = NotebookClient(
        notebook,
        timeout=timeout,
        iopub_timeout=SECONDS_FOR_OUTPUT,
        raise_on_iopub_timeout=True,
        kernel_name="python3",
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(BOOK)}},
    )
    asyncio.run(_run(client, path))


async def _run(client: NotebookClient, path: Path) -> None:
    async with client.async_setup_kernel():
        count = 0
        for index, cell in enumerate(client.nb.cells):
            try:
                await client.async_execute_cell(cell, index)
            except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
                where = f"{path}, cell {index} of {len(client.nb.cells)} (after [{count}])"
                raise Failed(f"{where}:\n{error}") from None
            count = cell.get("execution_count") or count


def main() -> int:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("notebooks", nargs="*", type=Path, help="notebook files")
    parser.add_argument("--all", action="store_true", help="every chapter of the book")
    parser.add_argument("--timeout", type=int, default=SECONDS_PER_CELL, help="seconds a cell may take")
    options = parser.parse_args()
    paths = chapters() if options.all else options.notebooks
    if not paths:
        parser.error("name notebooks, or --all")
    for path in paths:
        print(f"{path.name} … ", end="", flush=True)
        try:
            print(f"{execute(path, options.timeout):.1f} s")
        except Failed as failure:
            print(f"failed\n{failure}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
