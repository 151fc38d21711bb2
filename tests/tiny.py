"""The smallest runs that still have every part: a few digits, two steps, networks of width 2."""

import contextlib
import signal

import torch

from flowlib.config import Config
from flowlib.data import Sequences
from flowlib.evaluation import report
from flowlib.training import Trainer, new_model

OPTIONS = {
    "horizon": 2, "batch_size": 6, "latent_dim": 2, "width": 2, "potential_width": 4, "potential_depth": 1,
    "steps": 6, "checkpoint_every": 2,
}  # fmt: skip
CONFIG = Config(**OPTIONS)


def digits(count=7, size=28):
    """(count, 1, size, size) images between 0 and 1, the same in every call."""
    return torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(5))


def few_samples(patch):
    """A report of a few samples on two images of every factor, through pytest's `patch`."""
    for name, value in (("SAMPLES", 3), ("SEQUENCES", 2), ("LIMIT_IMAGES", 2)):
        patch.setattr(report, name, value)


def sequences(config=CONFIG, count=7):
    """Factor sequences of those images."""
    return Sequences(digits(count), config.factors, config.horizon)


def trained(folder=None, config=CONFIG):
    """A trainer of a model on those sequences, which resumes from a folder's checkpoint; no step taken."""
    return Trainer(new_model(config), sequences(config), config, folder)


@contextlib.contextmanager
def as_it_was(registry):
    """What is added to a registry within is gone after it."""
    before = dict(registry)
    yield
    registry.clear()
    registry.update(before)


@contextlib.contextmanager
def ctrl_c(at):
    """Training is interrupted in the step after `at`, by Ctrl-C (which background jobs would ignore)."""
    whole_step, handler = Trainer.train_step, signal.signal(signal.SIGINT, signal.default_int_handler)

    def step(self):
        if self.step == at:
            signal.raise_signal(signal.SIGINT)
        return whole_step(self)

    Trainer.train_step = step
    try:
        yield
    finally:
        Trainer.train_step = whole_step
        signal.signal(signal.SIGINT, handler)
