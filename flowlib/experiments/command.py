"""`python -m flowlib experiments list | run NAME | table NAME`."""

from dataclasses import dataclass
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
    """Set results of other code, data or settings aside and begin a new file."""


@dataclass(frozen=True)
class Table:
    """Print an experiment's results."""

    name: Annotated[str, tyro.conf.Positional]
    """The experiment, as `list` names it."""


COMMANDS = {"list": List, "run": Run, "table": Table}


def parse(arguments):
    """The options of a subcommand."""
    if arguments and arguments[0] in COMMANDS:
        kind = COMMANDS[arguments[0]]
        return tyro.cli(kind, args=arguments[1:], prog=f"python -m flowlib experiments {arguments[0]}")
    if arguments and arguments[0] not in ("-h", "--help"):
        raise FlowlibError(f"unknown command {arguments[0]!r}: experiments has {', '.join(COMMANDS)}")
    return tyro.cli(List | Run | Table, args=["--help"], prog="python -m flowlib experiments")


def main(options):
    """Do what the options say."""
    from flowlib.experiments.catalogue import EXPERIMENTS, experiment
    from flowlib.experiments.runner import differences, run_experiment
    from flowlib.experiments.tables import format_table, read_results

    if isinstance(options, List):
        for name, one in EXPERIMENTS.items():
            stored = read_results(name) if _has_results(name) else {"rows": []}
            state = "not run yet" if not stored["rows"] else "made by other code, data or settings" if differences(stored, one) else ""
            print(f"{name:12}{len(stored['rows']):>4} of {len(one.jobs()):<4}{one.about}" + (f"  ({state})" if state else ""))
    elif isinstance(options, Run):
        if options.jobs < 0:
            raise FlowlibError(f"jobs = {options.jobs}: give 0 or more")
        run_experiment(options.name, experiment(options.name), options.jobs, options.restart, say=lambda text: print(text, flush=True))
    else:
        experiment(options.name)
        print(format_table(options.name, read_results(options.name)))


def _has_results(name):
    from flowlib.experiments.runner import results_folder

    return (results_folder() / f"{name}.json").exists()
