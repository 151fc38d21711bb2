"""Processor milliseconds of a training step of each method, one thread: what equal processor time gives each method as many steps by.

    OMP_NUM_THREADS=1 python benchmarks/steps.py             # of EQUAL_TIME, into benchmarks/steps.json
    OMP_NUM_THREADS=1 python benchmarks/steps.py logistic    # with this likelihood, those of `bits`, into benchmarks/steps-logistic.json

The median of fifteen rounds (of three in steps.json), in each of which every method makes 60 steps after 5 that are not counted.
"""

import json
import statistics
import sys
from pathlib import Path

from preset import seconds_of_a_step

from flowlib.data import load_sequences
from flowlib.experiments.settings import BASE, EQUAL_TIME, IN_BITS, method

ROUNDS, COUNTED = 15, 60


def measured(settings):
    """Label → the median milliseconds of a step."""
    sequences = load_sequences(BASE)
    rounds = [{label: seconds_of_a_step(method(**setting), sequences, COUNTED) for label, setting in settings.items()} for _ in range(ROUNDS)]
    return {label: round(1000 * statistics.median(one[label] for one in rounds), 1) for label in settings}


def main(likelihood=""):
    settings = {label: EQUAL_TIME[label] | {"likelihood": likelihood} for label in IN_BITS} if likelihood else EQUAL_TIME
    path = Path(__file__).with_name(f"steps-{likelihood}.json" if likelihood else "steps.json")
    path.write_text(json.dumps(measured(settings), indent=2) + "\n")
    print(path.read_text(), end="")


if __name__ == "__main__":
    main(*sys.argv[1:])
