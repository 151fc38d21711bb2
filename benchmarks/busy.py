"""A training step beside another busy process: how much slower it is, with threads that spin while they wait, that sleep, and as the
command line chooses (`flowlib.threads`).

python benchmarks/busy.py        prints the steps that a fresh process takes in some seconds, under each setting
"""

import os
import subprocess
import sys
import time
from contextlib import contextmanager

from flowlib.threads import choose_waiting

SETTINGS = {
    "spinning": {}, "passive": {"OMP_WAIT_POLICY": "PASSIVE"}, "brief spinning": {"GOMP_SPINCOUNT": "1000"}, "chosen": None,
    "one thread": {"OMP_NUM_THREADS": "1"},
}  # fmt: skip
VARIABLES = ("OMP_WAIT_POLICY", "OMP_NUM_THREADS", "GOMP_SPINCOUNT")


def count_steps(seconds):
    """Print the training steps that this process takes in so many seconds."""
    from flowlib.config import Config
    from flowlib.data import load_sequences
    from flowlib.training import Trainer, new_model

    config = Config()
    trainer = Trainer(new_model(config), load_sequences(config), config)
    for _ in range(5):
        trainer.train_step()
    begin = trainer.step
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        trainer.train_step()
    print(trainer.step - begin)


def steps(setting, seconds):
    """The steps of a fresh process under a setting (None: as the command line chooses now): variables count only before torch loads."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    choose_waiting(environment) if setting is None else environment.update(setting)
    done = subprocess.run([sys.executable, __file__, str(seconds)], env=environment, capture_output=True, text=True, check=True)
    return int(done.stdout)


@contextmanager
def another_busy_process():
    """A process that keeps one core busy."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def busy_ratios(seconds=12.0):
    """For each setting: steps on an idle machine against those of spinning threads, and idle against busy."""
    idle = {name: steps(setting, seconds) for name, setting in SETTINGS.items()}
    with another_busy_process():
        busy = {name: steps(setting, seconds) for name, setting in SETTINGS.items()}
    found = {}
    for name in SETTINGS:
        if name != "spinning":
            found[f"idle: steps with spinning threads / {name}"] = idle["spinning"] / idle[name]
        found[f"{name}: steps on an idle machine / beside a busy process"] = idle[name] / busy[name]
    return found


if __name__ == "__main__":
    if len(sys.argv) > 1:
        count_steps(float(sys.argv[1]))
    else:
        for label, ratio in busy_ratios().items():
            print(f"{label:70} {ratio:8.2f}")
