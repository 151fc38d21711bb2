"""`python -m flowlib experiments list | run NAME | table NAME | update`."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import tyro

from flowlib.errors import FlowlibError


@dataclass(frozen=True)
class List:
    """Name the experiments, and say how much of each is done."""


@dataclass(frozen=True)
class Run:
    """Train and measure what is missing of an experiment. The same command goes on where an interrupted one stopped."""

    name: Annotated[str, tyro.conf.Positional]
    """The experiment, as `list` names it."""
    jobs: int = 2
    """Runs at a time, one thread each; 0 runs one after the other in this process."""
    restart: bool = False
    """Set results of other data or settings aside and begin a new file."""


@dataclass(frozen=True)
class Table:
    """Print an experiment's results."""

    name: Annotated[str, tyro.conf.Positional]
    """The experiment, as `list` names it."""


@dataclass(frozen=True)
class Update:
    """Train and measure again what methods and measures found that now behave differently, in all experiments; then whatever is missing."""

    jobs: int = 2
    """Runs at a time, one thread each; 0 runs one after the other in this process."""


COMMANDS = {"list": List, "run": Run, "table": Table, "update": Update}


def parse(arguments):
    """The options of a subcommand."""
    if arguments and arguments[0] in COMMANDS:
        kind = COMMANDS[arguments[0]]
        return tyro.cli(kind, args=arguments[1:], prog=f"python -m flowlib experiments {arguments[0]}")
    if arguments and arguments[0] not in ("-h", "--help"):
        raise FlowlibError(f"unknown command {arguments[0]!r}: experiments has {', '.join(COMMANDS)}")
    return tyro.cli(List | Run | Table | Update, args=["--help"], prog="python -m flowlib experiments")


def main(options):
    """Do what the options say."""
    from flowlib.experiments.catalogue import EXPERIMENTS, experiment
    from flowlib.experiments.runner import run_experiment, update_experiments
    from flowlib.experiments.tables import format_table, read_results

    if getattr(options, "jobs", 0) < 0:
        raise FlowlibError(f"jobs = {options.jobs}: give 0 or more")
    say = partial(print, flush=True)
    if isinstance(options, List):
        for name, one in EXPERIMENTS.items():
            print(_state(name, one))
    elif isinstance(options, Run):
        run_experiment(options.name, experiment(options.name), options.jobs, options.restart, say=say)
    elif isinstance(options, Update):
        update_experiments(EXPERIMENTS, options.jobs, say=say)
    else:
        experiment(options.name)
        print(format_table(options.name, read_results(options.name)))


def _state(name, one):
    """A line that says what an experiment is about and how much of it is done."""
    from flowlib.experiments.runner import differences, unfinished
    from flowlib.experiments.tables import read_results

    total = len(one.jobs())
    if not _has_results(name):
        return f"{name:12}{0:>4} of {total:<4}{one.about}  (not run yet)"
    stored = read_results(name)
    state = "  (made by other data or settings)" if differences(stored, one) else ""
    return f"{name:12}{total - len(unfinished(stored, one)):>4} of {total:<4}{one.about}{state}"


def _has_results(name):
    from flowlib.experiments.runner import results_folder

    return (results_folder() / f"{name}.json").exists()
