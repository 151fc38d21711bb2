"""Run an experiment: every method and seed in a folder of its own, finished rows collected in one JSON file.

A row is written when its run is done, so an interruption loses at most what one run did since its last checkpoint.
"""

import json
import os
import threading
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path

from filelock import FileLock, Timeout

from flowlib.atomic_io import read_json, write_json
from flowlib.config import Config, from_values, to_json
from flowlib.data.digits import SHA256
from flowlib.data.scenes.small_studio import SHA256 as STUDIO
from flowlib.data.scenes.store import SHA256 as ROOMS
from flowlib.errors import FlowlibError
from flowlib.experiments.behaviour import Behaviours, method_name
from flowlib.experiments.experiment import Experiment
from flowlib.experiments.provenance import provenance
from flowlib.experiments.results import make_row, results_path, write_results

RUNS = Path("runs") / "experiments"
PROVENANCE = "provenance.json"
ROW = {"method", "seed", "config", "metrics"}


def run_experiment(name, experiment: Experiment, jobs=2, restart=False, folder=None, runs=RUNS, say=print, behaviours=None) -> dict:
    """Train and measure whatever is missing in folder/NAME.json (default data/results); returns its contents.

    jobs : runs at a time, one thread each (0: in this process);  restart : set results of other data or settings aside
    behaviours : those of the folder, where somebody has found out already what the code does
    Raises FlowlibError where another process is at it, where the file holds results of other data or settings or of another
    behaviour of the code, and, after all others are done, for runs that failed.
    """
    path = results_path(name, folder)
    with _alone(path):
        results = _open(path, experiment, restart, say)
        behaviours = behaviours or Behaviours(path.parent)
        _refuse(behaviours.changes([config for _, config in experiment.jobs()], experiment.measures))
        todo = [
            (label, config, lacking, run_path(config, behaviours.digest(config), runs))
            for label, config, lacking in unfinished(results, experiment)
        ]
        total = len(experiment.jobs())
        say(f"{name}: {total - len(todo)} of {total} runs are done")
        failed = []
        for row in _rows(todo, jobs):
            if "error" in row:
                failed.append(row)
                say(f"{name}: {row['method']}, seed {row['seed']} failed: {row['error']}")
                continue
            _add(results, row, experiment)
            write_results(results, path)
            seconds = [row[part]["seconds"] for part in ("trained", "measured")]
            say(f"{name}: {row['method']}, seed {row['seed']}: trained {seconds[0]:.0f} s, measured {seconds[1]:.0f} s")
        if failed:
            listed = "; ".join(f"{row['method']}, seed {row['seed']}: {row['error']}" for row in failed)
            raise FlowlibError(f"{len(failed)} runs failed, the others are kept in {path} — {listed}")
        return results


def update_experiments(experiments: dict[str, Experiment], jobs=2, folder=None, runs=RUNS, say=print):
    """Measure again, in all experiments, what methods and measures of another behaviour had found, and whatever is missing.

    What is replaced is set aside as NAME.TIME.old.json. The same call goes on where an interrupted one stopped.
    """
    behaviours = Behaviours(results_path("any", folder).parent)
    everything = (
        [config for one in experiments.values() for _, config in one.jobs()],
        {name for one in experiments.values() for name in one.measures},
    )
    changes = behaviours.changes(*everything)
    for (kind, changed), difference in changes.items():
        say(f"{kind.removesuffix('s')} {changed}: {difference}")
    say(f"{len(changes)} methods and measures behave differently")
    for name in experiments:
        _drop(results_path(name, folder), changes, say)
    behaviours.update(*everything)
    for name, one in experiments.items():
        run_experiment(name, one, jobs, folder=folder, runs=runs, say=say, behaviours=behaviours)


def _drop(path, changes, say):
    """Remove from a file of results what changed methods and measures had found."""
    if not path.exists():
        return
    with _alone(path):
        before = read_json(path)
        kept = [row for row in before["rows"] if ("methods", method_name(_config(row))) not in changes]
        rows = [row | {"metrics": {name: found for name, found in row["metrics"].items() if ("measures", name) not in changes}} for row in kept]
        if rows != before["rows"]:
            say(f"{path.name}: what was there is set aside as {_set_aside(path).name}")
            write_results(before | {"rows": rows}, path)


def _refuse(changes):
    """Raise for methods and measures that do not behave as they did when results were made."""
    if changes:
        listed = "; ".join(f"{kind.removesuffix('s')} {name} — {difference}" for (kind, name), difference in changes.items())
        raise FlowlibError(
            f"the code no longer does what made these results ({listed}). Where that is meant, `python -m flowlib experiments update` "
            "measures again whatever it concerns; where not, mend the code"
        )


def _alone(path):
    """A lock beside the results, held, for `with`."""
    lock = FileLock(path.with_name(f".{path.stem}.lock"))
    try:
        return lock.acquire(timeout=0)
    except Timeout as error:
        raise FlowlibError(f"another process is running this experiment (it holds {lock.lock_file}): wait for it") from error


def _open(path, experiment, restart, say):
    """The file's contents, or a new beginning; never rows that other data or settings made."""
    if path.exists():
        stored = read_json(path)
        differing = differences(stored, experiment)
        if not differing:
            return stored | {"about": experiment.about}
        if not restart:
            raise FlowlibError(
                f"{path} holds results of other data or settings ({'; '.join(differing)}). Go back to those, or "
                "run again with --restart: the file is set aside, and runs whose training is the same are not repeated"
            )
        say(f"set aside as {_set_aside(path)}")
    return {"about": experiment.about, "data": data_digest(experiment), "rows": []}


def _set_aside(path):
    aside = path.with_name(f"{path.stem}.{time.time_ns()}.old.json")
    aside.write_bytes(path.read_bytes())
    return aside


def data_digest(experiment) -> str:
    """Twelve hexadecimal digits of the checksums of its data."""
    found = []
    for config in sorted(experiment.methods.values(), key=lambda config: config.data):
        found += [digest for digest in checksums_of(config) if digest not in found]
    return sha256("".join(found).encode()).hexdigest()[:12]


def checksums_of(config: Config) -> list[str]:
    """Of the embedded digits, the rooms, or the small studio, or of data at a path. Raises FlowlibError where a configuration lacks the last."""
    known = {"digits": sorted(SHA256.values()), "rooms": [ROOMS], "small-studio": [STUDIO]}
    if config.data not in known and not config.data_digest:
        raise FlowlibError(
            f"an experiment on {config.data!r}: give its configurations their data_digest, as `flowlib.data.options_of(path)` has it"
        )
    return known.get(config.data, [config.data_digest])


def differences(stored, experiment) -> list[str]:
    """What a file of results says that data and settings of today do not: nothing, or up to four short texts.

    Raises FlowlibError for a file that holds no results, or a run twice.
    """
    digest = data_digest(experiment)
    rows = stored.get("rows") if isinstance(stored, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) and ROW <= row.keys() for row in rows):
        raise FlowlibError("this file holds no results: put it back from a copy, or remove it and run the experiment again")
    counts = Counter((row["method"], row["seed"]) for row in rows)
    if twice := [f"{label}, seed {seed}" for (label, seed), count in counts.items() if count > 1]:
        raise FlowlibError(f"these results have {', '.join(twice[:3])} twice: take one of the rows out")
    found = [] if stored.get("data") == digest else [f"data: {stored.get('data')} there, {digest} now"]
    wanted = {(label, config.seed): config for label, config in experiment.jobs()}
    for row in rows:
        if wanted.get((row["method"], row["seed"])) != _config(row):
            found.append(f"{row['method']}, seed {row['seed']} has other settings")
        elif odd := sorted(set(row["metrics"]) - set(experiment.measures)):
            found.append(f"{row['method']}, seed {row['seed']} has other measures: {', '.join(odd)}")
    return found[:3] + (["…"] if len(found) > 3 else [])


def unfinished(stored, experiment) -> list[tuple[str, Config, list[str]]]:
    """(method, configuration, measures that are missing) of every run that a file of results lacks, wholly or in part."""
    rows = {(row["method"], row["seed"]): row["metrics"] for row in stored["rows"]}
    found = []
    for label, config in experiment.jobs():
        metrics = rows.get((label, config.seed))
        lacking = [measure for measure in experiment.measures if measure not in (metrics or {})]
        if lacking or metrics is None:
            found.append((label, config, lacking))
    return found


def _config(row):
    return from_values(row["config"], f"the row {row['method']}, seed {row['seed']}")


def _add(results, row, experiment):
    """Put a row in its place, or new measures into the row that is there."""
    order = {(label, config.seed): place for place, (label, config) in enumerate(experiment.jobs())}
    rows = {(one["method"], one["seed"]): one for one in results["rows"]}
    key = row["method"], row["seed"]
    metrics = rows.get(key, row)["metrics"] | row["metrics"]
    rows[key] = row | {"metrics": {name: metrics[name] for name in experiment.measures}}
    results["rows"] = sorted(rows.values(), key=lambda one: order[one["method"], one["seed"]])


def _rows(todo, jobs):
    """Yield a row for every run, as they finish."""
    if jobs == 0:
        yield from (run_or_error(*job) for job in todo)
        return
    environment = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    os.environ |= dict.fromkeys(environment, "1")  # as many runs as cores: each has one
    try:
        with ProcessPoolExecutor(jobs, get_context("spawn"), _start_worker, (os.getpid(),)) as pool:
            futures = [pool.submit(run_or_error, *job) for job in todo]
            workers = list(pool._processes.values())
            try:
                for future in as_completed(futures):
                    yield future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for process in workers:
                    process.terminate()
                raise
    finally:
        for name, value in environment.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _start_worker(parent):
    import torch

    torch.set_num_threads(1)
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()


def _leave_with(parent):
    """A killed parent cannot stop its workers: they look whether it is still there."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def run_or_error(label, config: Config, measures, folder) -> dict:
    """`run_job`, or the message of the error that ended it: one run that diverges does not cost the others."""
    try:
        return run_job(label, config, measures, folder)
    except OSError:  # a full disk is everybody's
        raise
    except Exception as error:  # a singular matrix, a NaN, a mistake in a model of one's own
        if isinstance(error.__cause__, OSError):
            raise
        named = f"{error}" if isinstance(error, FlowlibError) else f"{type(error).__name__}: {error}"
        return {"method": label, "seed": config.seed, "error": named}


def run_job(label, config: Config, measures, folder) -> dict:
    """Train one method with one seed (or go on, or take the finished weights), and measure it."""
    from flowlib.data import load_sequences
    from flowlib.experiments.measures import measure
    from flowlib.training import run_folder, train_run

    with run_folder(folder, config):
        trainer = train_run(folder, config, load_sequences(config), progress=False)
        record = Path(folder) / PROVENANCE
        if not record.exists():
            write_json(record, provenance() | {"seconds": round(trainer.seconds, 3)})
        started = time.perf_counter()
        metrics = {name: measure(name, trainer.model, config) for name in measures}
        measured = provenance() | {"seconds": round(time.perf_counter() - started, 3)}
    return make_row(label, config.seed, json.loads(to_json(config)), metrics, read_json(record), measured)


def run_path(config: Config, behaviour: str, runs=RUNS) -> Path:
    """The folder of a run: one for each behaviour of the method, each configuration and its data, shared by the experiments."""
    settings = sha256(json.dumps([asdict(config), checksums_of(config)], sort_keys=True).encode()).hexdigest()[:8]
    return Path(runs) / behaviour / f"{config.model}-{settings}-seed{config.seed}"
