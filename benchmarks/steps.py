"""Processor milliseconds of a training step of each method, one thread: what `equal-time` gives each method as many steps by.

    OMP_NUM_THREADS=1 python benchmarks/steps.py

The median of three rounds, in each of which every method makes 60 steps after 5 that are not counted. Writes benchmarks/steps.json.
"""

import json
import statistics
from pathlib import Path

from preset import seconds_of_a_step

from flowlib.data import load_sequences
from flowlib.experiments.settings import BASE, EQUAL_TIME, method

RESULTS = Path(__file__).with_suffix(".json")
ROUNDS, COUNTED = 3, 60


def main():
    sequences = load_sequences(BASE)
    rounds = [{label: seconds_of_a_step(method(**setting), sequences, COUNTED) for label, setting in EQUAL_TIME.items()} for _ in range(ROUNDS)]
    medians = {label: round(1000 * statistics.median(one[label] for one in rounds), 1) for label in EQUAL_TIME}
    RESULTS.write_text(json.dumps(medians, indent=2) + "\n")
    print(RESULTS.read_text(), end="")


if __name__ == "__main__":
    main()
