"""Which options of a configuration a kind of data knows: what it would silently not do, it refuses."""

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


def training_options(config: Config, split: str) -> dict:
    """Where the sequences of a part begin, and what moves them: only in training other than plain, by one factor."""
    return {"starts": config.starts, "programs": config.programs} if split == "train" else {}
