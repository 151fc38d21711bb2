"""Training steps on a GPU, as ratios measured in one run:

    python benchmarks/gpu.py [--steps 100] [--case NAME]

How much faster a step is as one graph than operation by operation, and with bf16 in encoder and decoder; prints a table and writes
benchmarks/gpu.json. With a case, that row is measured again and the others are kept.
"""

import argparse
import dataclasses
import json
import statistics
import time
from pathlib import Path

import torch

from flowlib.config import preset
from flowlib.data import load_sequences
from flowlib.devices import set_precision
from flowlib.training import Trainer, new_model

CASES = {
    "tutorial-mnist": ("tutorial-mnist", {}),
    "tutorial-sharp": ("tutorial-sharp", {}),
    "marginal form, exact determinant": ("tutorial-mnist", {"batch_size": 128, "objective": "marginal"}),
    "paper-mnist": ("paper-mnist", {}),
    "paper-mnist, batch 1280": ("paper-mnist", {"batch_size": 1280}),
}
TURNS = 5


def trainer(name, change, graphs, precision):
    config = dataclasses.replace(preset(name), data="digits", **change)
    made = Trainer(set_precision(new_model(config, "cuda"), precision, "cuda"), load_sequences(config), config)
    made.captured = made.captured if graphs else None
    return made


def milliseconds(action, times):
    """What an action takes, the mean of so many."""
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(times):
        action()
    torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - started) / times


def measured(name, change, steps):
    """Medians in turns: operation by operation, graphs, graphs with bf16; and a batch alone."""
    ways = {"single": (False, "float32"), "graph": (True, "float32"), "graph_bf16": (True, "bf16")}
    made = {way: trainer(name, change, *how) for way, how in ways.items()}
    actions = {way: one.train_step for way, one in made.items()}
    for step in actions.values():
        milliseconds(step, 5)
    actions["drawing"] = lambda: made["graph"]._draw(0)
    turns = {way: [] for way in actions}
    for _ in range(TURNS):
        for way, action in actions.items():
            turns[way].append(milliseconds(action, max(2, steps // TURNS)))
    found = {way: round(statistics.median(values), 3) for way, values in turns.items()}
    return found | {
        "single_over_graph": round(found["single"] / found["graph"], 2),
        "bf16_over_float32": round(found["graph_bf16"] / found["graph"], 2),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("gpu.json"))
    parser.add_argument("--case", choices=CASES)
    options = parser.parse_args()
    found = {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__, "unit": "ms a step", "cases": {}}
    if options.case:
        found["cases"] = json.loads(options.out.read_text())["cases"]
    for case, (name, change) in CASES.items():
        if options.case not in (None, case):
            continue
        found["cases"][case] = row = measured(name, change, options.steps)
        print(f"{case:30}" + "".join(f"  {way} {value:g}" for way, value in row.items()), flush=True)
    options.out.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
