"""What the commands of flowlib.cli do."""

import os
import runpy
import sys
from pathlib import Path

import flowlib
from flowlib import cli, data
from flowlib.api import trained
from flowlib.atomic_io import write_json
from flowlib.config import from_json, preset
from flowlib.devices import choose_device
from flowlib.errors import FlowlibError
from flowlib.evaluation import evaluate_model, format_report
from flowlib.experiments.provenance import provenance
from flowlib.training import run_folder
from flowlib.training.distributed import launched, part
from flowlib.training.run import CONFIG, METRICS, open_run


def run(options):
    """Do what the options say: one of the dataclasses of flowlib.cli."""
    if isinstance(options, cli.Experiments):
        from flowlib.experiments import command

        command.run(options.action)
    else:
        {cli.Train: train, cli.Evaluate: evaluate, cli.Data: check_data}[type(options)](options)


def load_plugin(path):
    """Run a user's own Python file, for what it registers. Raises FlowlibError where it is not there, or fails."""
    if path is None:
        return
    sys.path.insert(0, str(path.resolve().parent))  # as for a script: what lies beside it can be imported
    try:
        runpy.run_path(str(path))
    except FlowlibError:
        raise
    except (Exception, SystemExit) as error:  # it may do anything
        raise FlowlibError(f"--plugin {path} fails with {type(error).__name__}: {error}") from error


def train(options: "cli.Train"):
    """Train or resume, evaluate, write everything."""
    load_plugin(options.plugin)
    folder = options.out or Path("runs") / f"{_run_name(options)}-seed{options.config.seed}"
    open_writer, device = _tensorboard() if options.tensorboard else None, choose_device(options.device)
    with trained(options.config, folder, None, device, options.precision, open_writer=open_writer) as trainer:
        if part()[0] == 0 and options.evaluate:
            _report(trainer, folder)


def _run_name(options):
    name = options.config.data.partition(":")[0]
    return options.preset if name in ("digits", "mnist", preset(options.preset).data) else Path(options.config.data).name


def evaluate(options: "cli.Evaluate"):
    """Recompute what `train` wrote at its end."""
    if launched() > 1:
        raise FlowlibError(f"evaluation takes one process, not torchrun's several: python -m flowlib evaluate {options.run}")
    load_plugin(options.plugin)
    if not (options.run / CONFIG).is_file():
        raise FlowlibError(f"{options.run} is no run: it has no {CONFIG}. Name a folder that `train` wrote")
    if not os.access(options.run, os.W_OK):  # before minutes of measuring
        raise FlowlibError(f"{options.run} cannot be written to, and holds the results: evaluate a copy of the folder")
    config = from_json(options.run / CONFIG)
    with run_folder(options.run, config):
        _report(open_run(options.run, config, data.load_sequences(config), choose_device(options.device)), options.run)


def _report(trainer, folder):
    """Evaluate on held-out data; print the table; write metrics.json and the pictures."""
    from flowlib.viz.run_pictures import draw_run

    held_out = data.load_sequences(trainer.config, "test").to(trainer.device)
    metrics = evaluate_model(trainer.model, held_out, trainer.config.seed, lambda what: print(f"evaluating {what} …", flush=True))
    metrics |= {"seconds": round(trainer.seconds, 3), "seed": trainer.config.seed, "steps": trainer.step, "flowlib": flowlib.__version__}
    metrics["provenance"] = provenance()
    write_json(folder / METRICS, metrics)
    draw_run(trainer.model.cpu(), held_out.to("cpu"), trainer.history, trainer.recorded_steps, folder)
    print(f"\n{format_report(metrics)}\n\ntrained for {trainer.seconds:.0f} s; everything is in {folder}/")


def check_data(options: "cli.Data"):
    """Say what is there and whether it is intact."""
    if isinstance(options.action, cli.Check):
        name, path, picture = options.action.name, options.action.path, options.action.picture
        print(f"{name}: intact; its factors, a row each, are in {data.check(name, path, picture)}")
        return
    for split in ("train", "test"):
        print(f"embedded digits, {split}: {len(data.load_digits(split)[0])} images, intact")
        if options.mnist:
            print(f"MNIST, {split}: {len(data.load_mnist(split)[0])} images, intact")


def _tensorboard():
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise FlowlibError("--tensorboard needs the package tensorboard: pip install tensorboard") from error
    return SummaryWriter
