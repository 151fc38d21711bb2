"""Training: one trainer for every model, checkpoints, whole files."""

from flowlib.atomic_io import read_json, write_json
from flowlib.training.checkpoint import Checkpoint, load, load_model
from flowlib.training.run import new_model, run_folder, train_run
from flowlib.training.trainer import Trainer, learning_rate, step_generator
