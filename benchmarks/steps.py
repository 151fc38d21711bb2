"""Processor milliseconds of a training step of each method, one thread: what equal processor time gives each method as many steps by.

    OMP_NUM_THREADS=1 python benchmarks/steps.py             # of EQUAL_TIME, into benchmarks/steps.json
    OMP_NUM_THREADS=1 python benchmarks/steps.py logistic    # with this likelihood, those of `bits`, into benchmarks/steps-logistic.json
    OMP_NUM_THREADS=1 python benchmarks/steps.py sharp       # with refined networks and Muon, into benchmarks/steps-sharp.json

The median of fifteen rounds (of three in steps.json), in each of which every method makes 60 steps after 5 that are not counted.
"""

import argparse
import json
import statistics
from pathlib import Path

from preset import seconds_of_a_step

from flowlib.data import load_sequences
from flowlib.experiments.settings import BASE, EQUAL_TIME, IN_BITS, SHARP, SHARP_STEPS, method

ROUNDS, COUNTED = 15, 60


def measured(settings):
    """Label → the median milliseconds of a step."""
    sequences = load_sequences(BASE)
    rounds = [{label: seconds_of_a_step(method(**setting), sequences, COUNTED) for label, setting in settings.items()} for _ in range(ROUNDS)]
    return {label: round(1000 * statistics.median(one[label] for one in rounds), 1) for label in settings}


VARIANTS = {"": {}, "logistic": {"likelihood": "logistic"}, "sharp": SHARP}
LABELS = {"": EQUAL_TIME, "logistic": IN_BITS, "sharp": SHARP_STEPS}


def main(variant=""):
    settings = {label: EQUAL_TIME[label] | VARIANTS[variant] for label in LABELS[variant]}
    path = Path(__file__).with_name(f"steps-{variant}.json" if variant else "steps.json")
    path.write_text(json.dumps(measured(settings), indent=2) + "\n")
    print(path.read_text(), end="")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variant", nargs="?", default="", choices=tuple(VARIANTS))
    main(parser.parse_args().variant)
