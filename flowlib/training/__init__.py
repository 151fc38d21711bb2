"""Training: one trainer for every model, checkpoints, whole files."""

from flowlib.training.checkpoint import Checkpoint, load, load_model
from flowlib.training.files import read_json, write_json
from flowlib.training.trainer import Trainer, learning_rate, step_generator

__all__ = ["Checkpoint", "Trainer", "learning_rate", "load", "load_model", "read_json", "step_generator", "write_json"]
