"""A run's folder: configuration, checkpoint, final weights; one process at a time; never two runs in one folder."""

import contextlib
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from flowlib.atomic_io import write_text
from flowlib.config import CHANGED, Config, differences, from_json, to_json
from flowlib.devices import set_precision
from flowlib.errors import FlowlibError
from flowlib.models import build_model
from flowlib.models.contract import check_saved
from flowlib.training import checkpoint as checkpoints
from flowlib.training.distributed import from_first
from flowlib.training.trainer import CHECKPOINT, Trainer

CONFIG, MODEL, METRICS = "config.json", "model.safetensors", "metrics.json"


@contextlib.contextmanager
def run_folder(folder, config: Config):
    """Claim a folder for a configuration: created if missing, refused if another run is there or is using it now.

    Of several processes the first claims it, and all of them hear why it is refused. No folder (None) is nobody's.
    """
    with contextlib.ExitStack() as stack:
        if folder is not None:
            from_first(lambda: stack.enter_context(_claimed(Path(folder), config)) and None)
        yield folder


@contextlib.contextmanager
def _claimed(folder, config):
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _check_claim(folder, config)  # before the lock, whose file would stay in a folder that is refused
        lock = FileLock(folder / ".lock").acquire(timeout=0)
    except Timeout as error:
        raise FlowlibError(f"another process is working in {folder}: wait for it, or choose another --out") from error
    except OSError as error:
        raise FlowlibError(f"{folder} cannot be a run's folder ({error.strerror}); choose another --out") from error
    with lock:
        _check_claim(folder, config)
        if not (folder / CONFIG).exists() or not _begun(folder):
            write_text(folder / CONFIG, to_json(config))
        yield


def _check_claim(folder, config):
    """Raise for a folder that holds another run, or other things (hidden files, such as a lock, do not count)."""
    path = folder / CONFIG
    if path.exists():
        there = from_json(path)
        if not _begun(folder):  # it failed before its first checkpoint, and may be given other options
            return
        differing = differences(there, config)
        if differing == ["data_digest"]:
            raise FlowlibError(
                f"{CHANGED.format(config.data)}, since the run in {folder} began: put them back, or choose another folder (--out)"
            )
        if differing:
            listed = ", ".join(f"{name} = {getattr(there, name)!r}" for name in differing if name != "data_digest")
            raise FlowlibError(f"{folder} holds another run ({listed} there): choose another --out, or the options of that run")
        return
    if (folder / CHECKPOINT).exists():  # its configuration alone is lost: the checkpoint knows it, too
        return checkpoints.check_config(checkpoints.load(folder / CHECKPOINT), config, folder / CHECKPOINT)
    foreign = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    if foreign:
        raise FlowlibError(f"{folder} is not empty and holds no run ({', '.join(foreign[:3])}): choose another --out")


def _begun(folder):
    return any((folder / name).exists() for name in (CHECKPOINT, MODEL, METRICS))


def new_model(config: Config, device="cpu", **networks):
    """A model on a device, its initial weights drawn from the configuration's seed (on the CPU, so that they are the same everywhere);
    torch's global generator is left as it was. networks : an `encoder`, a `decoder` of your own, which come with their weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = build_model(config, **networks).to(device)
    check_saved(model)
    return model


def train_run(folder, config: Config, sequences, progress=True, writer=None, device="cpu", precision="float32", **networks) -> Trainer:
    """Train (or go on training) the configured model in a claimed folder; writes model.safetensors at the end.

    folder : None trains without writing anything;  device, precision : see `flowlib.devices`;  networks : see `new_model`
    """
    model = set_precision(new_model(config, device, **networks), precision, device)
    trainer = Trainer(model, sequences, config, folder)
    if folder is not None and trainer.step == 0 and (Path(folder) / MODEL).exists():
        raise FlowlibError(
            f"{folder} holds a finished run, whose {CHECKPOINT} is gone: evaluate it as it is, or remove {MODEL} too, and train it again"
        )
    trainer.run(progress=progress, writer=writer)
    trainer.model.calibrate(sequences)
    check_saved(trainer.model)  # what was measured is kept, too
    if folder is not None and trainer.part[0] == 0:
        own = checkpoints.own_networks(trainer.model)
        checkpoints.save(Path(folder) / MODEL, {"model": trainer.model.state_dict()}, config, trainer.step, own)
    return trainer


def open_run(folder, config: Config, sequences, device="cpu") -> Trainer:
    """A run that is there, ready to evaluate: its final weights, and the history and clock of its last checkpoint."""
    if not (Path(folder) / MODEL).exists() and (Path(folder) / CHECKPOINT).exists():
        done = checkpoints.load(Path(folder) / CHECKPOINT).step
        raise FlowlibError(f"the run in {folder} is at step {done} of {config.steps}: give its train command again, which finishes it")
    saved = checkpoints.load(Path(folder) / MODEL)
    checkpoints.check_config(saved, config, Path(folder) / MODEL)
    trainer = Trainer(new_model(config, device), sequences, config, folder)
    checkpoints.load_weights(trainer.model, saved, Path(folder) / MODEL)
    trainer.step = saved.step
    trainer.model.eval()
    return trainer
