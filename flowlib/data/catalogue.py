"""The full factorial data sets by name, and what a run's configuration says of them: `rooms`, `studio`, `small-studio`, `shapes3d`, `falcor3d:PATH` …"""

from pathlib import Path

import numpy as np

from flowlib.data.factorial import FactorialSequences
from flowlib.data.falcor3d import SOURCE as FALCOR3D
from flowlib.data.falcor3d import Falcor3D
from flowlib.data.isaac3d import SOURCE as ISAAC3D
from flowlib.data.isaac3d import Isaac3D
from flowlib.data.options import part_of, refuse
from flowlib.data.scenes.render import SIDE
from flowlib.data.scenes.rooms import Rooms
from flowlib.data.scenes.small_studio import SmallStudio
from flowlib.data.scenes.studio import Studio
from flowlib.data.shapes3d import Shapes3D
from flowlib.errors import FlowlibError

DATA_SETS = {"shapes3d": Shapes3D, "falcor3d": Falcor3D, "isaac3d": Isaac3D, "rooms": Rooms, "studio": Studio, "small-studio": SmallStudio}
MADE_HERE = ("rooms", "studio", "small-studio")
BY_HAND = {"falcor3d": FALCOR3D, "isaac3d": ISAAC3D}
TEST_IMAGES = 2000  # begin the sequences of the held-out part, where nothing else is asked for


def at_home(path) -> Path:
    """A path whose ~ is the user's folder; raises FlowlibError for a user who is not there."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise FlowlibError(f"{path}: {error}; write the path out") from error


def is_factorial(data) -> bool:
    """Does `config.data` name one of these: NAME, or NAME:PATH? A `Path` is a path, whatever its name."""
    return isinstance(data, str) and data.partition(":")[0] in DATA_SETS


def open_images(name: str, path=None, size: int | None = None):
    """A full factorial data set by name: shapes3d (downloaded where no path is given), falcor3d, isaac3d, rooms, studio or small-studio (made here).

    size : the side that images of falcor3d and isaac3d are brought to (None: their own), and that what is made here is made at (None: 64)
    """
    if name not in DATA_SETS:
        raise FlowlibError(f"unknown data set {name!r}: choose one of {', '.join(DATA_SETS)}")
    if path is None and name in BY_HAND:
        raise FlowlibError(f"{name} needs the path of its folder, as {name}:PATH. {BY_HAND[name]}")
    if name in MADE_HERE and path is not None:
        raise FlowlibError(f"the images of {name} are made here and have no path: leave it out")
    if name == "studio":
        return Studio() if size is None else Studio(size)
    if name in MADE_HERE:  # at any size but 64 and its whole parts they have 64, and `check_source` says that a configuration does not
        return DATA_SETS[name](size=size if size and SIDE % size == 0 else SIDE)
    if name in BY_HAND:
        return DATA_SETS[name](at_home(path), size)
    return DATA_SETS[name]() if path is None else DATA_SETS[name](at_home(path))


def factorial_options(data, size: int | None = None) -> dict:
    """What such a data set says of a run's configuration; the horizon is the length of its longest factor."""
    name, _, path = str(data).partition(":")
    images = open_images(name, path or None, size)
    source = FactorialSequences(images)
    return {
        "data": f"{name}:{at_home(path).resolve()}" if path else name, "channels": source.channels, "size": source.size,
        "factors": source.factors, "horizon": source.steps, "held_out": min(0.2, TEST_IMAGES / len(images)),
    }  # fmt: skip


def load_factorial(config, split: str) -> FactorialSequences:
    """The sequences of one part ("train", "validation", "test") of the data set that a configuration names."""
    name, _, path = config.data.partition(":")
    refuse(config, f"the images of {name}", "starts", "programs", "left_out")
    images = open_images(name, path or None, config.size)

    def part(split, **more):
        return FactorialSequences(images, config.factors, config.horizon, part_of(len(images), config, split).numpy(), **more)

    more = {} if split == "test" else {"corner": config.corner}
    if split == "train" and config.parted == "lines":
        kept = ("test", "validation") if config.validation else ("test",)
        more["unseen"] = np.logical_or.reduce([part(one).shown() for one in kept])
    return part(split, **more)
