"""The command line: `python -m flowlib train | evaluate | data | experiments`. Options are generated from the dataclasses by tyro."""

import contextlib
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

import flowlib
from flowlib.config import PRESETS, Config, preset
from flowlib.errors import FlowlibError

USAGE = f"""usage: python -m flowlib COMMAND [OPTIONS]

flowlib {flowlib.__version__}: flow factorized representation learning.

commands:
  train           train a model, evaluate it, write checkpoint, metrics and pictures into a folder
  evaluate RUN    recompute the metrics and the pictures of a run
  data            verify the embedded digits; --mnist downloads and verifies full MNIST
  experiments     list, run NAME, table NAME: methods compared over seeds, results in data/results

Add --help to a command for all of its options.
"""


@dataclass(frozen=True)
class TrainOptions:
    """Train a model. The same command again goes on where an interrupted run stopped, with the same result, bit for bit."""

    preset: str = "tutorial-mnist"
    """Where the options below start from: tutorial-mnist (minutes on two CPU cores) or paper-mnist (the paper's settings)."""
    out: Path | None = None
    """The run's folder; default runs/PRESET-seedSEED."""
    tensorboard: bool = False
    """Also write the loss terms for TensorBoard into the folder (needs the package tensorboard)."""
    config: tyro.conf.OmitArgPrefixes[Config] = field(default_factory=Config)


@dataclass(frozen=True)
class EvaluateOptions:
    """Recompute metrics.json and the pictures of a run."""

    run: Annotated[Path, tyro.conf.Positional]
    """The folder that `train` wrote."""


@dataclass(frozen=True)
class DataOptions:
    """Verify the embedded digits; optionally download full MNIST."""

    mnist: bool = False
    """Download the 70 000 digits of MNIST into the cache (resumable) and verify them."""


def train(options: TrainOptions):
    """`train`: train or resume, evaluate, write everything."""
    from flowlib.data import load_sequences
    from flowlib.models import build_model
    from flowlib.training import run_folder, train_run

    config = options.config
    build_model(config)  # before the folder is claimed: a wrong option or bad data leaves nothing behind
    sequences = load_sequences(config)
    folder = options.out or Path("runs") / f"{options.preset}-seed{config.seed}"
    open_writer = _tensorboard() if options.tensorboard else lambda folder: contextlib.nullcontext()
    with run_folder(folder, config), open_writer(folder / "tensorboard") as writer:
        trainer = train_run(folder, config, sequences, progress=True, writer=writer)
        _report(trainer, config, folder)


def evaluate(options: EvaluateOptions):
    """`evaluate`: recompute what `train` wrote at its end."""
    from flowlib.config import from_json
    from flowlib.data import load_sequences
    from flowlib.training import run_folder
    from flowlib.training.run import CONFIG, open_run

    if not (options.run / CONFIG).is_file():
        raise FlowlibError(f"{options.run} is no run: it has no {CONFIG}. Name a folder that `train` wrote")
    config = from_json(options.run / CONFIG)
    with run_folder(options.run, config):
        _report(open_run(options.run, config, load_sequences(config)), config, options.run)


def _report(trainer, config, folder):
    """Evaluate on held-out digits; print the table; write metrics.json and the pictures."""
    from flowlib.data import load_sequences
    from flowlib.evaluation import evaluate_model, format_report
    from flowlib.experiments.provenance import provenance
    from flowlib.training import write_json
    from flowlib.training.run import METRICS
    from flowlib.viz.run_pictures import draw_run

    held_out = load_sequences(config, "test")
    metrics = evaluate_model(trainer.model, held_out, config.seed, lambda what: print(f"evaluating {what} …", flush=True))
    metrics |= {"seconds": round(trainer.seconds, 1), "seed": config.seed, "steps": trainer.step, "flowlib": flowlib.__version__}
    metrics["provenance"] = provenance()
    write_json(folder / METRICS, metrics)
    draw_run(trainer.model, held_out, trainer.history, trainer.recorded_steps, folder)
    print(f"\n{format_report(metrics)}\n\ntrained for {trainer.seconds:.0f} s; everything is in {folder}/")


def data(options: DataOptions):
    """`data`: say what is there and whether it is intact."""
    from flowlib.data import load_digits, load_mnist

    for split in ("train", "test"):
        print(f"embedded digits, {split}: {len(load_digits(split)[0])} images, intact")
        if options.mnist:
            print(f"MNIST, {split}: {len(load_mnist(split)[0])} images, intact")


def experiments(options):
    """`experiments`: list, run or print them."""
    from flowlib.experiments import command

    command.main(options)


def _parse_experiments(arguments):
    from flowlib.experiments import command

    return command.parse(arguments)


def _tensorboard():
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise FlowlibError("--tensorboard needs the package tensorboard: pip install tensorboard") from error
    return SummaryWriter


def _parse_train(arguments):
    """The chosen preset gives the defaults of all other options, so it is read first."""
    name = TrainOptions.preset
    for position, argument in enumerate(arguments):
        if argument == "--preset" and position + 1 < len(arguments):
            name = arguments[position + 1]
        elif argument.startswith("--preset="):
            name = argument.removeprefix("--preset=")
    default = TrainOptions(preset=name, config=preset(name))
    return tyro.cli(TrainOptions, default=default, args=arguments, prog="python -m flowlib train")


COMMANDS = {
    "train": (train, _parse_train),
    "evaluate": (evaluate, lambda args: tyro.cli(EvaluateOptions, args=args, prog="python -m flowlib evaluate")),
    "experiments": (experiments, _parse_experiments),
    "data": (data, lambda args: tyro.cli(DataOptions, args=args, prog="python -m flowlib data")),
}


def main(arguments=None):
    """Run a command; a user's error is one clear message and exit status 2, an interruption exit status 130."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0
    if arguments[0] not in COMMANDS:
        print(f"flowlib: unknown command {arguments[0]!r}: choose one of {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    run, parse = COMMANDS[arguments[0]]
    try:
        run(parse(arguments[1:]))
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough, as in `… | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (FlowlibError, OSError) as error:
        print(f"flowlib: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nflowlib: interrupted; the same command goes on from the last checkpoint, or begins again where there is none yet", file=sys.stderr)
        return 130
    return 0
