"""Processor milliseconds of a training step of each method, one thread: what `equal-time` gives each method as many steps by.

    OMP_NUM_THREADS=1 python benchmarks/steps.py

The median of three rounds, in each of which every method makes 60 steps after 5 that are not counted. Writes benchmarks/steps.json.
"""

import json
import statistics
import time
from pathlib import Path

from flowlib.data import load_sequences
from flowlib.experiments.catalogue import EQUAL_TIME, method
from flowlib.training import Trainer, new_model

RESULTS = Path(__file__).with_suffix(".json")
ROUNDS, WARM_UP, COUNTED = 3, 5, 60


def milliseconds(config):
    """Processor time of a step."""
    trainer = Trainer(new_model(config), load_sequences(config), config)
    trainer.run(steps=WARM_UP, progress=False)
    started = time.process_time()
    trainer.run(steps=WARM_UP + COUNTED, progress=False)
    return 1000 * (time.process_time() - started) / COUNTED


def main():
    rounds = [{label: milliseconds(method(**setting)) for label, setting in EQUAL_TIME.items()} for _ in range(ROUNDS)]
    medians = {label: round(statistics.median(one[label] for one in rounds), 1) for label in EQUAL_TIME}
    RESULTS.write_text(json.dumps(medians, indent=2) + "\n")
    print(RESULTS.read_text(), end="")


if __name__ == "__main__":
    main()
