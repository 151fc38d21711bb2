"""Processor milliseconds of a training step of each method, one thread: what equal processor time gives each method as many steps by.

    OMP_NUM_THREADS=1 python benchmarks/steps.py             # of EQUAL_TIME, into benchmarks/steps.json
    OMP_NUM_THREADS=1 python benchmarks/steps.py logistic    # with this likelihood, those of `bits`, into benchmarks/steps-logistic.json
    OMP_NUM_THREADS=1 python benchmarks/steps.py sharp       # with refined networks and Muon, into benchmarks/steps-sharp.json
    OMP_NUM_THREADS=1 python benchmarks/steps.py turning     # the flow without noise, and with a rotation, into benchmarks/steps-turning.json
    OMP_NUM_THREADS=1 python benchmarks/steps.py shapes      # the two presets for rooms, into benchmarks/steps-shapes.json; or studio

The median of fifteen rounds (of three in steps.json), in each of which every method makes 60 steps after 5 that are not counted.
"""

import argparse
import json
import statistics
from pathlib import Path

from preset import seconds_of_a_step

from flowlib.config import preset
from flowlib.data import load_sequences
from flowlib.experiments.settings import EQUAL_TIME, IN_BITS, SHARP, SHARP_STEPS, method
from flowlib.experiments.variants import turning

ROUNDS, COUNTED = 15, 60


def measured(configs):
    """Label → the median milliseconds of a step; all train on the data of the first."""
    sequences = load_sequences(next(iter(configs.values())))
    rounds = [{label: seconds_of_a_step(config, sequences, COUNTED) for label, config in configs.items()} for _ in range(ROUNDS)]
    return {label: round(1000 * statistics.median(one[label] for one in rounds), 1) for label in configs}


SCENES = ("shapes", "studio")
VARIANTS = {"": {}, "logistic": {"likelihood": "logistic"}, "sharp": SHARP}
LABELS = {"": EQUAL_TIME, "logistic": IN_BITS, "sharp": SHARP_STEPS}


def main(variant=""):
    if variant == "turning":
        configs = {"flow without noise": method(**EQUAL_TIME["flow without noise"]), "rotation": turning()["rotation"]}
    elif variant in SCENES:
        configs = {name: preset(name) for name in (f"tutorial-{variant}", f"tutorial-sharp-{variant}")}
    else:
        configs = {label: method(**EQUAL_TIME[label] | VARIANTS[variant]) for label in LABELS[variant]}
    path = Path(__file__).with_name(f"steps-{variant}.json" if variant else "steps.json")
    path.write_text(json.dumps(measured(configs), indent=2) + "\n")
    print(path.read_text(), end="")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variant", nargs="?", default="", choices=(*VARIANTS, "turning", *SCENES))
    main(parser.parse_args().variant)
