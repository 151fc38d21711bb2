"""Training: one trainer for every model, checkpoints, whole files."""

from flowlib.atomic_io import read_json, write_json
from flowlib.training.checkpoint import Checkpoint, load, load_model
from flowlib.training.run import new_model, run_folder, train_run
from flowlib.training.trainer import Trainer, learning_rate, step_generator

__all__ = [
    "Checkpoint", "Trainer", "learning_rate", "load", "load_model", "new_model", "read_json", "run_folder",
    "step_generator", "train_run", "write_json",
]  # fmt: skip
