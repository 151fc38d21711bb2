"""A preset with several seeds at once on one GPU, whose steps are too small to fill it:

    python benchmarks/side_by_side.py paper-mnist --data digits --seconds 1100 --every 10000 --name paper-mnist

Each seed trains in a thread and on a CUDA stream of its own, until its configured steps or the seconds are over; the same command goes on
where it stopped. The error on the held-out part every so many steps, and the final table (without likelihoods), become rows of
data/results/NAME.json. `--set OPTION=VALUE` changes an option of the preset, and `--method LABEL` names the rows; rows of other methods are kept.
"""

import argparse
import dataclasses
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from flowlib.atomic_io import read_json, write_json
from flowlib.config import preset
from flowlib.data import load_sequences
from flowlib.devices import choose_device
from flowlib.evaluation import equivariance_error, evaluate_model, report
from flowlib.experiments.provenance import provenance
from flowlib.experiments.results import make_row, results_path, write_results
from flowlib.training import Trainer, new_model


class Seed:
    """One run: its trainer, its stream and its curve, a list of (step, errors of the factors)."""

    def __init__(self, config, folder, device):
        self.folder = folder / f"seed{config.seed}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.stream = torch.cuda.Stream() if device.type == "cuda" else None
        self.held_out = load_sequences(config, "test").to(device)
        with torch.cuda.stream(self.stream):
            self.trainer = Trainer(new_model(config, device), load_sequences(config), config, self.folder)
            self.trainer.run(min(self.trainer.step + 6, config.steps), progress=False)  # so that graphs are made one after the other
        path = self.folder / "curve.json"
        self.curve = read_json(path) if path.exists() else []

    def train(self, until, every):
        """Train until a time of `time.perf_counter`."""
        trainer, some = self.trainer, min(500, every)  # each time a checkpoint is written
        with torch.cuda.stream(self.stream):
            while trainer.step < trainer.config.steps and time.perf_counter() < until:
                trainer.run(min(trainer.step + some, trainer.config.steps), progress=False)
                if trainer.step % every < some:
                    self._look()
            self._look()
            trainer.save()

    def _look(self):
        trainer = self.trainer
        trainer.model.calibrate(trainer.sequences)
        errors = [equivariance_error(trainer.model, self.held_out, k).mean().item() for k in range(len(trainer.config.factors))]
        self.curve = [one for one in self.curve if one[0] != trainer.step] + [(trainer.step, [round(one, 1) for one in errors])]
        write_json(self.folder / "curve.json", self.curve)

    def row(self, method, machine):
        """The row of results."""
        found = evaluate_model(self.trainer.model.eval(), self.held_out, self.trainer.config.seed)
        metrics = {name: found[name] for name in ("equivariance", "geometry")} | {"curve": self.curve}
        trained = provenance() | {"machine": machine, "seconds": round(self.trainer.seconds), "steps": self.trainer.step}
        return make_row(method, self.trainer.config.seed, dataclasses.asdict(self.trainer.config), metrics, trained)


def side_by_side(config, seeds, folder, device, seconds, every):
    """The `Seed`s of a configuration, trained."""
    until = time.perf_counter() + seconds
    runs = [Seed(dataclasses.replace(config, seed=seed), folder, device) for seed in range(seeds)]
    with ThreadPoolExecutor(seeds) as threads:
        for done in [threads.submit(run.train, until, every) for run in runs]:
            done.result()
    return runs


def with_rows(path, about, rows):
    """The results of a file with these rows in the place of those of the same methods."""
    there = read_json(path)["rows"] if path.exists() else []
    methods = {row["method"] for row in rows}
    return {"about": about, "rows": [row for row in there if row["method"] not in methods] + rows}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preset")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--every", type=int, default=10_000, help="steps between the points of the curve")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--folder", type=Path, default=Path("runs/side-by-side"))
    parser.add_argument("--name", default="side-by-side", help="of the file of results")
    parser.add_argument("--method", default="published settings")
    parser.add_argument("--set", nargs="*", default=[], help="OPTION=VALUE, the value as in JSON")
    options = parser.parse_args(arguments)
    changes = {name: json.loads(value) for name, _, value in (one.partition("=") for one in options.set)}
    config, device = dataclasses.replace(preset(options.preset), data=options.data, **changes), choose_device(options.device)
    report.has_density = lambda model: False  # at d = 324 likelihoods take longer than the training
    runs = side_by_side(config, options.seeds, options.folder / options.method.replace(" ", "-"), device, options.seconds, options.every)
    machine = torch.cuda.get_device_name() if device.type == "cuda" else "a processor"
    rows = [run.row(options.method, machine) for run in runs]
    path = results_path(options.name)
    write_results(with_rows(path, f"the preset {options.preset} on {options.data}, seeds side by side on one GPU", rows), path)
    for row in rows:
        print(row["seed"], row["trained"]["steps"], *row["metrics"]["curve"][-1][1])


if __name__ == "__main__":
    main()
