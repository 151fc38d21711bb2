"""Run an experiment: every method and seed in a folder of its own, finished rows collected in one JSON file.

A row is written when its run is done, so an interruption loses at most what one run did since its last checkpoint.
"""

import contextlib
import json
import os
import threading
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path

from filelock import FileLock, Timeout

from flowlib.config import Config, to_json
from flowlib.data import data_folder
from flowlib.errors import FlowlibError
from flowlib.experiments.catalogue import Experiment
from flowlib.experiments.fingerprint import machine, stamp, training_code
from flowlib.files import read_json, write_text

RUNS = Path("runs") / "experiments"


def results_folder() -> Path:
    """Where the committed results are."""
    return data_folder() / "results"


def run_experiment(name, experiment: Experiment, jobs=2, restart=False, folder=None, runs=RUNS, say=print) -> dict:
    """Train and measure whatever is missing in folder/NAME.json (default data/results); returns its contents.

    jobs : runs at a time, one thread each (0: in this process);  restart : set results of other code or data aside
    Raises FlowlibError where another process is at it, where the file holds results of other code, data or settings, and, after
    all others are done, for runs that failed.
    """
    path = Path(folder or results_folder()) / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path):
        results = _open(path, experiment, restart, say)
        done = {(row["method"], row["seed"]) for row in results["rows"]}
        todo = [(label, config) for label, config in experiment.jobs() if (label, config.seed) not in done]
        say(f"{name}: {len(done)} of {len(done) + len(todo)} runs are done")
        failed = []
        for row in _rows(todo, experiment.measures, Path(runs), jobs):
            if "error" in row:
                failed.append(row)
                say(f"{name}: {row['method']}, seed {row['seed']} failed: {row['error']}")
                continue
            _add(results, row, experiment)
            write_text(path, compact_json(results))
            say(f"{name}: {row['method']}, seed {row['seed']}: trained {row['seconds']:.0f} s, measured {row['measuring_seconds']:.0f} s")
        if failed:
            listed = "; ".join(f"{row['method']}, seed {row['seed']}: {row['error']}" for row in failed)
            raise FlowlibError(f"{len(failed)} runs failed, the others are kept in {path} — {listed}")
        return results


@contextlib.contextmanager
def _alone(path):
    lock = FileLock(path.with_name(f".{path.stem}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise FlowlibError(f"another process is running this experiment (it holds {lock.lock_file}): wait for it") from error
    try:
        yield
    finally:
        lock.release()


def _open(path, experiment, restart, say):
    """The file's contents, or a new beginning; never rows that other code, data or settings made."""
    if path.exists():
        stored = read_json(path)
        differing = differences(stored, experiment)
        if not differing:
            return stored
        if not restart:
            raise FlowlibError(
                f"{path} holds results of another state of the project ({'; '.join(differing)}). Go back to that state, or "
                "run again with --restart: the file is set aside, and runs whose training is the same are not repeated"
            )
        aside = path.with_name(f"{path.stem}.{int(path.stat().st_mtime)}.old.json")
        path.replace(aside)
        say(f"set aside as {aside}")
    return {"about": experiment.about, **stamp(), "rows": []}


def differences(stored, experiment) -> list[str]:
    """What a file of results says that code, data and settings of today do not: nothing, or up to four short texts."""
    found = [f"{key}: {stored.get(key)} there, {value} now" for key, value in stamp().items() if stored.get(key) != value]
    wanted = {(label, config.seed): config for label, config in experiment.jobs()}
    models = {config.model: config for config in wanted.values()}  # the code depends on the model alone
    codes = {model: training_code(config) for model, config in models.items()}
    for row in stored.get("rows", []):
        config = wanted.get((row["method"], row["seed"]))
        if config is None or row["config"] != json.loads(to_json(config)):
            found.append(f"{row['method']}, seed {row['seed']} has other settings")
        elif row["training_code"] != codes[config.model]:
            found.append(f"{row['method']}, seed {row['seed']}: training_code {row['training_code']} there, {codes[config.model]} now")
        elif set(row["metrics"]) != set(experiment.measures):
            found.append(f"{row['method']}, seed {row['seed']} has other measures")
    return found[:3] + (["…"] if len(found) > 3 else [])


def _add(results, row, experiment):
    order = {(label, config.seed): place for place, (label, config) in enumerate(experiment.jobs())}
    results["rows"] = sorted([*results["rows"], row], key=lambda one: order[one["method"], one["seed"]])


def _rows(todo, measures, runs, jobs):
    """Yield a row for every run, as they finish."""
    if jobs == 0:
        yield from (run_or_error(label, config, measures, runs) for label, config in todo)
        return
    environment = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    os.environ |= dict.fromkeys(environment, "1")  # two runs with two threads each would wait for each other
    try:
        with ProcessPoolExecutor(jobs, get_context("spawn"), _start_worker, (os.getpid(),)) as pool:
            futures = [pool.submit(run_or_error, label, config, measures, runs) for label, config in todo]
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


def run_or_error(label, config: Config, measures, runs) -> dict:
    """`run_job`, or the message of the error that ended it: one run that diverges does not cost the others."""
    try:
        return run_job(label, config, measures, runs)
    except (FlowlibError, ArithmeticError, ValueError, RuntimeError) as error:  # a singular matrix, a NaN
        return {"method": label, "seed": config.seed, "error": str(error)}


def run_job(label, config: Config, measures, runs) -> dict:
    """Train one method with one seed (or go on, or take the finished weights), and measure it."""
    from flowlib.data import load_sequences
    from flowlib.experiments.measures import measure
    from flowlib.training import run_folder, train_run

    with run_folder(run_path(config, runs), config) as folder:
        trainer = train_run(folder, config, load_sequences(config), progress=False)
        started = time.perf_counter()
        metrics = {name: measure(name, trainer.model, config) for name in measures}
        json.dumps(metrics, allow_nan=False)  # one NaN must not keep the other runs from being written
    return {
        "method": label, "seed": config.seed, "training_code": training_code(config), "machine": machine(), "seconds": round(trainer.seconds, 1),
        "measuring_seconds": round(time.perf_counter() - started, 1), "config": json.loads(to_json(config)), "metrics": metrics,
    }  # fmt: skip


def run_path(config: Config, runs=RUNS) -> Path:
    """The folder of a run: one for each state of the training code and each configuration, shared by the experiments."""
    settings = sha256(json.dumps(asdict(config), sort_keys=True).encode()).hexdigest()[:8]
    return Path(runs) / training_code(config) / f"{config.model}-{settings}-seed{config.seed}"


def compact_json(values) -> str:
    """JSON with one line per entry, but lists of plain numbers on one line."""
    import re

    text = json.dumps(values, indent=1, allow_nan=False, ensure_ascii=False)
    return re.sub(r"\[[\s\d.,eE+-]*\]", lambda match: re.sub(r"\s+", "", match[0]), text) + "\n"
