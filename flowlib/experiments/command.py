"""What `python -m flowlib experiments list | run NAME | table NAME | update` does; its options are in flowlib.cli."""

from functools import partial

from flowlib import cli
from flowlib.errors import FlowlibError
from flowlib.experiments import catalogue, results, runner, tables


def run(action):
    """Do what the options say: `List`, `Run`, `Table` or `Update` of flowlib.cli. Raises FlowlibError for what does not exist."""
    if getattr(action, "jobs", 0) < 0:
        raise FlowlibError(f"jobs = {action.jobs}: give 0 or more")
    say = partial(print, flush=True)
    if isinstance(action, cli.List):
        for name, one in catalogue.EXPERIMENTS.items():
            print(_state(name, one))
    elif isinstance(action, cli.Update):
        runner.update_experiments(catalogue.EXPERIMENTS, action.jobs, say=say)
    elif isinstance(action, cli.Run):
        runner.run_experiment(action.name, catalogue.experiment(action.name), action.jobs, action.restart, say=say)
    else:
        catalogue.experiment(action.name)
        print(tables.format_table(action.name, tables.read_results(action.name)))


def _state(name, one):
    """A line that says what an experiment is about and how much of it is done."""
    total = len(one.jobs())
    if not (results.results_folder() / f"{name}.json").exists():
        return f"{name:12}{0:>4} of {total:<4}{one.about}  (not run yet)"
    stored = tables.read_results(name)
    state = "  (made by other data or settings)" if runner.differences(stored, one) else ""
    return f"{name:12}{total - len(runner.unfinished(stored, one)):>4} of {total:<4}{one.about}{state}"
