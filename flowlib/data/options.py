"""Which options of a configuration a kind of data knows: what it would silently not do, it refuses."""

import torch
from jaxtyping import Int
from torch import Tensor

from flowlib.config import Config
from flowlib.errors import FlowlibError


def refuse(config: Config, kind: str, *names: str):
    """Raise FlowlibError where one of these options is not at its default."""
    for name in names:
        if getattr(config, name) != getattr(Config, name):
            raise FlowlibError(f"{name} = {getattr(config, name)!r}: {kind} know no such thing; leave {name} at {getattr(Config, name)!r}")


def names_of(factors) -> tuple[str, ...]:
    """The names of factors as a tuple; raises FlowlibError for a text, whose letters Python would take for names."""
    if isinstance(factors, str) or not hasattr(factors, "__iter__"):
        raise FlowlibError(f"factors = {factors!r}: give names in a tuple, such as ({factors!r},)")
    return tuple(map(str, factors))


def place_of(name: str, factors) -> int:
    """The number of a factor given by name; raises FlowlibError for a name that is not there."""
    if name not in factors:
        raise FlowlibError(f"unknown factor {name!r}: choose one of {', '.join(factors)}")
    return factors.index(name)


def training_options(config: Config, split: str) -> dict:
    """Where the sequences of a part begin, and what moves them: only in training other than plain, by one factor."""
    return {"starts": config.starts, "programs": config.programs} if split == "train" else {}


def part_of(count: int, config: Config, split: str) -> Int[Tensor, " n"]:
    """Which of `count` images, or sequences of one factor, are in a part: chosen at random, always the same ones.

    A share `config.held_out` is "test", `config.validation` of the others "validation"; of each part the first `config.images`.
    Raises FlowlibError for a part that does not exist, or where too few are left for training.
    """
    if split not in ("train", "validation", "test"):
        raise FlowlibError(f"split {split!r} is of digits: choose train, validation or test")
    held = max(1, round(config.held_out * count))
    keep = count - held - config.validation
    if keep < 1:
        raise FlowlibError(
            f"{config.data}: {count} images, or sequences of one factor, cannot be parted into training, {config.validation} for "
            f"validation and {held} held out: give more, or change validation and held_out"
        )
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    return {"train": order[:keep], "validation": order[keep:-held], "test": order[-held:]}[split][: config.images or None]
