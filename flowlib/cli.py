"""The command line: `python -m flowlib train | evaluate | experiments | data`. tyro makes all of it from the dataclasses below.

What the commands do is in flowlib.commands, which loads when one of them runs: help and mistyped options answer at once, before any data
are looked at.
"""

import argparse
import dataclasses
import os
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional, subcommand

import flowlib
from flowlib.config import DEFAULT, Config, for_model, preset
from flowlib.errors import FlowlibError

Device = Literal["auto", "cpu", "cuda", "mps"]


@dataclass(frozen=True)
class Train:
    """Train a model, evaluate it, and write checkpoint, metrics and pictures into a folder; --data PATH takes your own images.

    The same command again goes on where an interrupted run stopped, with the same result, bit for bit.
    """

    preset: str = DEFAULT
    """Where the options below start from: tutorial-sharp, tutorial-noiseless, tutorial-mnist, tutorial-shapes, tutorial-studio, tutorial-sharp-shapes or
    tutorial-sharp-studio (ten minutes on two CPU cores); or, with the paper's settings, paper-mnist, paper-shapes3d, paper-falcor3d or paper-isaac3d."""
    out: Path | None = None
    """The run's folder; default runs/PRESET-seedSEED, of data at a path runs/NAME-seedSEED."""
    device: Device = "auto"
    """Where to compute; auto is the first of cuda, mps and cpu that is there."""
    precision: Literal["float32", "bf16"] = "float32"
    """Of encoders and decoders; bf16 on CUDA only."""
    plugin: Path | None = None
    """A Python file that is run first: it registers transformations (`@flowlib.transformation`) or models (`flowlib.models.register`) of your own."""
    tensorboard: bool = False
    """Also write the loss terms for TensorBoard into the folder (needs the package tensorboard)."""
    evaluate: bool = True
    """Measure and draw at the end, which takes a minute; where not, `evaluate RUN` does so later."""
    config: Config = field(default_factory=Config)


@dataclass(frozen=True)
class Evaluate:
    """Recompute metrics.json and the pictures of a run."""

    run: Positional[Path]
    """The folder that `train` wrote."""
    plugin: Path | None = None
    """The Python file that `train` was given, where it was given one."""
    device: Device = "auto"
    """Where to compute; auto is the first of cuda, mps and cpu that is there."""


@dataclass(frozen=True)
class Digits:
    """Verify the embedded digits."""


@dataclass(frozen=True)
class Check:
    """Verify another data set (layout, count, order of the labels), and draw one sequence per factor."""

    name: Positional[Literal["shapes3d", "falcor3d", "isaac3d", "rooms", "studio", "small-studio"]]
    """The data set. Rooms and both studios are made here; without a path, Shapes3D is downloaded."""
    path: Positional[Path | None] = None
    """Its file or folder."""
    picture: Path | None = None
    """The PNG file to draw; default NAME-factors.png."""


@dataclass(frozen=True)
class Data:
    """Verify the embedded digits; optionally download full MNIST, or check another data set."""

    action: Annotated[Digits, subcommand("digits")] | Annotated[Check, subcommand("check")] = Digits()
    mnist: bool = False
    """Download the 70 000 digits of MNIST into the cache (resumable) and verify them."""


@dataclass(frozen=True)
class List:
    """Name the experiments, and say how much of each is done."""


@dataclass(frozen=True)
class Run:
    """Train and measure what is missing of an experiment. The same command goes on where an interrupted one stopped."""

    name: Positional[str]
    """The experiment, as `list` names it."""
    jobs: int = 2
    """Runs at a time, one thread each; 0 runs one after the other in this process."""
    restart: bool = False
    """Set results of other data or settings aside and begin a new file."""


@dataclass(frozen=True)
class Table:
    """Print an experiment's results."""

    name: Positional[str]
    """The experiment, as `list` names it."""


@dataclass(frozen=True)
class Update:
    """Train and measure again what methods and measures found that now behave differently, in all experiments; then whatever is missing."""

    jobs: int = 2
    """Runs at a time, one thread each; 0 runs one after the other in this process."""


ACTIONS = {"list": List, "run": Run, "table": Table, "update": Update}


def _one_of(commands, **defaults):
    """The union of the commands' dataclasses, as tyro takes it: each a subcommand of its name."""
    union = None
    for name, kind in commands.items():
        default = {"default": defaults[name]} if name in defaults else {}
        one = Annotated[kind, subcommand(name, **default)]
        union = one if union is None else union | one
    return union


@dataclass(frozen=True)
class Experiments:
    """Methods compared over seeds; their results are in data/results."""

    action: _one_of(ACTIONS)


COMMANDS = {"train": Train, "evaluate": Evaluate, "experiments": Experiments, "data": Data}


def parse(arguments):
    """The options of a command, one of the dataclasses above. Ends the process for --help and for what cannot be parsed (status 2).

    Raises FlowlibError for unknown commands, and for values that the configuration or the data refuse.
    """
    for before, known in (([], COMMANDS), (["experiments"], ACTIONS)):
        if arguments == before:
            arguments = [*before, "--help"]
        given, place = arguments[: len(before)], len(before)
        if given == before and arguments[place] not in (*known, "-h", "--help"):
            whose = f"{before[0]} has" if before else "choose one of"
            raise FlowlibError(f"unknown command {arguments[place]!r}: {whose} {', '.join(known)}")
    _check_once(arguments)
    defaults = {}
    if arguments[0] == "train":
        defaults["train"], rest = _starting_point(arguments[1:])
        arguments = ["train", *rest]
    return tyro.cli(
        _one_of(COMMANDS, **defaults), args=arguments, prog="python -m flowlib", config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes),
        description=f"flowlib {flowlib.__version__}: flow factorized representation learning. Add --help to a command for all of its options.",
    )  # fmt: skip


SEVERAL = ("--options", "--factors", "--left-out", "--corner")  # options of more than one value


def _check_once(arguments):
    """Raise FlowlibError where one of these is given twice: the last would count alone, and whoever wrote the first meant it to be added."""
    names = Counter(one.partition("=")[0].replace("_", "-") for one in arguments)
    if twice := [name for name in SEVERAL if names[name] > 1]:
        raise FlowlibError(f"{twice[0]} is given {names[twice[0]]} times: give it once, with all of its values behind it")


def _starting_point(arguments):
    """(defaults of `train`, the arguments that are left): a preset gives the other options' defaults, data those of their shape."""
    reader = argparse.ArgumentParser(prog="python -m flowlib train", add_help=False, allow_abbrev=False)
    reader.add_argument("--preset", default=Train.preset)
    reader.add_argument("--data")
    reader.add_argument("--model")
    given, rest = reader.parse_known_args(arguments)
    config = preset(given.preset)
    if given.data is None or {"-h", "--help"} & set(rest) or _mistyped(rest):
        found = {"data": given.data or config.data}
    else:
        from flowlib.api import options_for

        reader.add_argument("--size")
        size = reader.parse_known_args(arguments)[0].size or ""
        found = options_for(config, given.data, int(size) if size.removeprefix("-").isdecimal() else None)
    model = found.get("model", config.model) if given.model is None else given.model
    return Train(preset=given.preset, config=dataclasses.replace(for_model(config, model), **found | {"model": model})), rest


def _mistyped(arguments):
    """Whether a name among these options does not exist. tyro will say so, and has to read no data for it."""
    known = {one.name for one in (*dataclasses.fields(Train), *dataclasses.fields(Config))}
    named = [one[2:].partition("=")[0].replace("-", "_") for one in arguments if one.startswith("--")]
    return any(not {name, name.removeprefix("no_")} & known for name in named)


def main(arguments=None) -> int:
    """Run a command. Returns its exit status: 0; 2 for a user's error, said in one clear message; 130 for an interruption."""
    options = None
    try:
        options = parse(sys.argv[1:] if arguments is None else list(arguments))
        from flowlib import commands

        commands.run(options)
        sys.stdout.flush()
    except SystemExit as stop:  # tyro has said all there is: the help, or what it cannot parse
        return stop.code or 0
    except BrokenPipeError:  # the reader has seen enough, as in `… | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (FlowlibError, OSError) as error:
        print(f"flowlib: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        again = "the same command begins again"
        if isinstance(options, Train | Experiments):
            again = "the same command goes on from the last checkpoint, or begins again where there is none yet"
        print(f"\nflowlib: interrupted; {again}", file=sys.stderr)
        return 130
    return 0
