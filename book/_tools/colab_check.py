"""Run the plain notebooks and the assignments as Colab would: its versions, an empty folder, no flowlib, the first cell has to fetch everything.

    python book/_tools/colab_check.py                      every chapter, every assignment untouched and answered
    python book/_tools/colab_check.py 01 08 --limit 600    two chapters, on a busy machine
    python book/_tools/colab_check.py assignments          the assignments alone
    python book/_tools/colab_check.py --torch colab --index https://download.pytorch.org/whl/cpu

The repository's address is answered by a clone of the last commit of this checkout, packages come from pip.
Needs the site's notebooks (make notebooks); fails if any notebook does.
"""

import argparse
import asyncio
import contextlib
import functools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import address
import colab_assignments
import colab_environment
import execute
import plain
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from notebooks import ROOT, chapters, code_cells, read
from outputs import html_outputs

SECONDS = 180
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
WIDGETS = ('class="flowviz', 'class="flowquiz')


@dataclass
class Result:
    """How one notebook went: widgets and texts as (found, on the page), problems as lines."""

    chapter: str
    seconds: float
    problems: list[str]
    widgets: tuple[int, int] | None = None
    texts: tuple[int, int] | None = None

    def __str__(self):
        counts = f"{self.widgets[0]}/{self.widgets[1]} widgets  {self.texts[0]}/{self.texts[1]} texts  " if self.texts else ""
        return f"{self.chapter:28} {self.seconds:6.0f} s  {counts}{'; '.join(self.problems) or 'right'}"


def repository(folder: Path, root: Path = ROOT) -> Path:
    """A bare clone of the last commit, to be fetched in place of the public repository."""
    bare = folder / "repository.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", str(root), str(bare)], check=True)
    return bare


def variables(python: Path, bare: Path, url: str, environment=os.environ) -> dict[str, str]:
    """What the kernel finds in its environment: its own Python first, and git led from the public address to the clone."""
    git = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"url.{bare.as_uri()}.insteadOf", "GIT_CONFIG_VALUE_0": url}
    path = f"{python.parent}{os.pathsep}{environment.get('PATH', '')}"
    return colab_environment.bare(environment) | git | {"PATH": path, "MPLBACKEND": "module://matplotlib_inline.backend_inline"}


def kernel(python: Path, folder: Path) -> str:
    """Make a kernel of that Python known to Jupyter; its name."""
    place = folder / "jupyter" / "kernels" / "colab"
    place.mkdir(parents=True)
    command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=ERROR"]
    (place / "kernel.json").write_text(json.dumps({"argv": command, "display_name": "Colab", "language": "python"}))
    os.environ["JUPYTER_PATH"] = str(folder / "jupyter")
    return place.name


def run(notebook, name: str, environment: dict, limit: float, to_the_end=False) -> tuple[float, list[str]]:
    """Run all cells in an empty folder, with `to_the_end` also after a failed one: (seconds, what went wrong)."""
    with tempfile.TemporaryDirectory() as empty:
        patient = {"timeout": limit, "iopub_timeout": execute.SECONDS_FOR_OUTPUT, "raise_on_iopub_timeout": True}
        resources = {"metadata": {"path": empty}}
        client = NotebookClient(notebook, kernel_name=name, resources=resources, allow_errors=to_the_end, **patient)
        start = time.perf_counter()
        problems = asyncio.run(_cells(client, environment))
        seconds = time.perf_counter() - start
    return seconds, problems + [f"longer than {limit:.0f} s"] * (seconds > limit)


async def _cells(client, environment) -> list[str]:
    async with client.async_setup_kernel(env=environment):
        for index, cell in enumerate(client.nb.cells):
            try:
                await client.async_execute_cell(cell, index)
            except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
                return [f"cell {index}: {reason(error)}"]
    return []


def reason(error) -> str:
    """The line of an error that says most: the first of a cell that took too long, else the last."""
    lines = COLOUR.sub("", str(error)).strip().splitlines()
    return lines[0] if isinstance(error, CellTimeoutError) else lines[-1]


def check(made, committed, name, environment, limit, installed) -> Result:
    """Run a plain notebook and compare it with its chapter; `installed()` : the versions in the environment."""
    chapter, pairs = made.stem, list(zip(code_cells(notebook := read(made)), code_cells(committed), strict=True))
    if any(not ours.source.endswith(theirs.source) for ours, theirs in pairs[1:]):
        raise SystemExit(f"{made.name} is older than its chapter: make book")
    before = installed()
    seconds, problems = run(notebook, name, environment, limit)
    widgets = sum(count_widgets(ours) for ours, _ in pairs), sum(count_widgets(theirs) for _, theirs in pairs)
    if widgets[0] != widgets[1]:
        problems.append(f"{widgets[0]} widgets, the page has {widgets[1]}")
    texts = [(printed(ours), printed(theirs)) for ours, theirs in pairs if printed(theirs)]
    right = sum(ours == theirs for ours, theirs in texts)
    return Result(chapter, seconds, problems + changes(before, installed()), widgets, (right, len(texts)))


def check_assignment(title, notebook, answered, name, environment, limit, installed) -> Result:
    """Run an assignment, untouched or answered, to its end, as far as one who has not answered gets."""
    before = installed()
    seconds, problems = run(notebook, name, environment, limit, to_the_end=True)
    return Result(title, seconds, problems + colab_assignments.problems(notebook, answered) + changes(before, installed()))


def changes(before: dict, after: dict) -> list[str]:
    """What a notebook has done to the packages that it found."""
    return [f"{name} {version} became {after.get(name)}" for name, version in before.items() if after.get(name) != version]


def count_widgets(cell) -> int:
    return sum(any(mark in html.text for mark in WIDGETS) for html in html_outputs(cell))


def printed(cell) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream" and output.name == "stdout")


@contextlib.contextmanager
def as_found(python: Path):
    """Whatever the first cell installs is removed again, so that each chapter starts from Colab's own list."""
    before = set(colab_environment.versions(python))
    yield
    if new := sorted(set(colab_environment.versions(python)) - before):
        subprocess.run([str(python), "-m", "pip", "uninstall", "--quiet", "--yes", *new], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chapters", nargs="*", help="how their names begin, e.g. 01, or assignments; all if none is named")
    parser.add_argument("--torch", help='a version, or "colab" for Colab\'s (default: the one in requirements.txt)')
    parser.add_argument("--index", help="where pip finds torch (default: as pip is configured)")
    parser.add_argument("--limit", type=float, default=SECONDS, help=f"seconds a chapter may take (default {SECONDS})")
    options = parser.parse_args()
    wanted = [path for path in chapters() if not options.chapters or path.name.startswith(tuple(options.chapters))]
    if missing := [path.name for path in wanted if not (plain.FOLDER / path.name).exists()]:
        raise SystemExit(f"there is no plain {missing[0]} yet: make notebooks")
    python = colab_environment.make(options.torch, options.index)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        environment = variables(python, repository(Path(folder)), address.address())
        how = kernel(python, Path(folder)), environment, options.limit, lambda: colab_environment.versions(python)
        runs = [functools.partial(check, plain.FOLDER / path.name, read(path), *how) for path in wanted]
        if not options.chapters or "assignments" in options.chapters:
            built = colab_assignments.notebooks(Path(folder) / "assignments")
            runs += [functools.partial(check_assignment, *assignment, *how) for assignment in built]
        for run_one in runs:
            with as_found(python):
                results.append(run_one())
            print(results[-1], flush=True)
    return int(any(result.problems for result in results))


if __name__ == "__main__":
    sys.exit(main())
