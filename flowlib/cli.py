"""The command line: `python -m flowlib train | evaluate | data | experiments`. Options are generated from the dataclasses by tyro."""

import contextlib
import dataclasses
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

import flowlib
from flowlib.config import Config, preset
from flowlib.errors import FlowlibError

USAGE = f"""usage: python -m flowlib COMMAND [OPTIONS]

flowlib {flowlib.__version__}: flow factorized representation learning.

commands:
  train           train a model, evaluate it, write checkpoint, metrics and pictures into a folder; --data PATH for your own images
  evaluate RUN    recompute the metrics and the pictures of a run
  data            verify the embedded digits; --mnist downloads and verifies full MNIST; check NAME PATH verifies and draws another data set
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
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute; auto is the first of cuda, mps and cpu that is there."""
    precision: Literal["float32", "bf16"] = "float32"
    """Of encoders and decoders; bf16 on CUDA only."""
    tensorboard: bool = False
    """Also write the loss terms for TensorBoard into the folder (needs the package tensorboard)."""
    config: tyro.conf.OmitArgPrefixes[Config] = field(default_factory=Config)


@dataclass(frozen=True)
class EvaluateOptions:
    """Recompute metrics.json and the pictures of a run."""

    run: Annotated[Path, tyro.conf.Positional]
    """The folder that `train` wrote."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute; auto is the first of cuda, mps and cpu that is there."""


@dataclass(frozen=True)
class DataOptions:
    """Verify the embedded digits; optionally download full MNIST."""

    mnist: bool = False
    """Download the 70 000 digits of MNIST into the cache (resumable) and verify them."""


@dataclass(frozen=True)
class CheckOptions:
    """Verify a data set (layout, count, order of the labels), and draw one sequence per factor."""

    name: Annotated[Literal["shapes3d", "falcor3d", "isaac3d", "rooms"], tyro.conf.Positional]
    """The data set. Rooms are made here; without a path, Shapes3D is downloaded."""
    path: Annotated[Path | None, tyro.conf.Positional] = None
    """Its file or folder."""
    picture: Path | None = None
    """The PNG file to draw; default NAME-factors.png."""


def train(options: TrainOptions):
    """`train`: train or resume, evaluate, write everything."""
    from flowlib.api import claimed
    from flowlib.data import check_source, load_sequences
    from flowlib.devices import choose_device, set_precision
    from flowlib.models import build_model
    from flowlib.training import train_run
    from flowlib.training.distributed import from_first, part, processes

    config, device = options.config, choose_device(options.device)
    set_precision(
        build_model(config), options.precision, device
    )  # before the folder is claimed: a wrong option or bad data leaves nothing behind
    sequences = load_sequences(config)
    check_source(sequences, config)
    folder = options.out or Path("runs") / f"{_run_name(options)}-seed{config.seed}"
    open_writer = _tensorboard() if options.tensorboard else lambda folder: contextlib.nullcontext()
    with processes(device), contextlib.ExitStack() as stack:
        from_first(lambda: stack.enter_context(claimed(folder, config)) and None)
        writer = stack.enter_context(open_writer(folder / "tensorboard")) if part()[0] == 0 else None
        trainer = train_run(folder, config, sequences, progress=True, writer=writer, device=device, precision=options.precision)
        if part()[0] == 0:
            _report(trainer, config, folder)


def _run_name(options):
    return options.preset if options.config.data in ("digits", "mnist") else Path(options.config.data).stem


def evaluate(options: EvaluateOptions):
    """`evaluate`: recompute what `train` wrote at its end."""
    from flowlib.config import from_json
    from flowlib.data import load_sequences
    from flowlib.devices import choose_device
    from flowlib.training import run_folder
    from flowlib.training.run import CONFIG, open_run

    if not (options.run / CONFIG).is_file():
        raise FlowlibError(f"{options.run} is no run: it has no {CONFIG}. Name a folder that `train` wrote")
    config = from_json(options.run / CONFIG)
    with run_folder(options.run, config):
        _report(open_run(options.run, config, load_sequences(config), choose_device(options.device)), config, options.run)


def _report(trainer, config, folder):
    """Evaluate on held-out data; print the table; write metrics.json and the pictures."""
    from flowlib.data import load_sequences
    from flowlib.evaluation import evaluate_model, format_report
    from flowlib.experiments.provenance import provenance
    from flowlib.training import write_json
    from flowlib.training.run import METRICS
    from flowlib.viz.run_pictures import draw_run

    held_out = load_sequences(config, "test").to(trainer.device)
    metrics = evaluate_model(trainer.model, held_out, config.seed, lambda what: print(f"evaluating {what} …", flush=True))
    metrics |= {"seconds": round(trainer.seconds, 1), "seed": config.seed, "steps": trainer.step, "flowlib": flowlib.__version__}
    metrics["provenance"] = provenance()
    write_json(folder / METRICS, metrics)
    draw_run(trainer.model.cpu(), held_out.to("cpu"), trainer.history, trainer.recorded_steps, folder)
    print(f"\n{format_report(metrics)}\n\ntrained for {trainer.seconds:.0f} s; everything is in {folder}/")


def data(options: DataOptions | CheckOptions):
    """`data`: say what is there and whether it is intact."""
    if isinstance(options, CheckOptions):
        from flowlib.data import check

        print(f"{options.name}: intact; its factors, a row each, are in {check(options.name, options.path, options.picture)}")
        return
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
    """The chosen preset gives the defaults of all other options, and the data those of their own shape, so they are read first."""
    name, data = _given(arguments, "--preset", TrainOptions.preset), _given(arguments, "--data")
    config = preset(name)
    if data not in (None, "digits", "mnist") and not {"-h", "--help"} & set(arguments):
        from flowlib.data import options_of

        size = _given(arguments, "--size", "")
        found = options_of(data, int(size) if size.isdecimal() else None)
        config = dataclasses.replace(config, **found)
        arguments = _with_value(arguments, "--data", found["data"])  # the whole path, which holds from any folder
    default = TrainOptions(preset=name, config=config)
    return tyro.cli(TrainOptions, default=default, args=arguments, prog="python -m flowlib train")


def _parse_data(arguments):
    if arguments[:1] == ["check"]:
        return tyro.cli(CheckOptions, args=arguments[1:], prog="python -m flowlib data check")
    return tyro.cli(DataOptions, args=arguments, prog="python -m flowlib data")


def _given(arguments, option, default=None):
    """The value that follows an option, as `--option value` or `--option=value`."""
    for position, argument in enumerate(arguments):
        if argument == option and position + 1 < len(arguments):
            return arguments[position + 1]
        if argument.startswith(f"{option}="):
            return argument.removeprefix(f"{option}=")
    return default


def _with_value(arguments, option, value):
    """The arguments with another value of an option."""
    given = _given(arguments, option)
    joined = [f"{option}={value}" if argument == f"{option}={given}" else argument for argument in arguments]
    return [value if index and joined[index - 1] == option else argument for index, argument in enumerate(joined)]


COMMANDS = {
    "train": (train, _parse_train),
    "evaluate": (evaluate, lambda args: tyro.cli(EvaluateOptions, args=args, prog="python -m flowlib evaluate")),
    "experiments": (experiments, _parse_experiments),
    "data": (data, _parse_data),
}


def main(arguments=None):
    """Run a command; a user's error is one clear message and exit status 2, an interruption exit status 130."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments and arguments[0] not in (*COMMANDS, "-h", "--help"):
        print(f"flowlib: unknown command {arguments[0]!r}: choose one of {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        if not arguments or arguments[0] not in COMMANDS:
            print(USAGE)
        else:
            run, parse = COMMANDS[arguments[0]]
            run(parse(arguments[1:]))
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough, as in `… | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (FlowlibError, OSError) as error:
        print(f"flowlib: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "\nflowlib: interrupted; the same command goes on from the last checkpoint, or begins again where there is none yet",
            file=sys.stderr,
        )
        return 130
    return 0
