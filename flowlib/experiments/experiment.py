"""One experiment: which methods, which seeds, what is measured."""

import dataclasses
from dataclasses import dataclass

from flowlib.config import Config


@dataclass(frozen=True)
class Experiment:
    """`methods` : label → configuration; each is trained once per seed, and the `measures` are taken of it."""

    about: str
    methods: dict[str, Config]
    measures: tuple[str, ...]
    seeds: tuple[int, ...] = (0, 1, 2)

    def jobs(self):
        """(label, configuration with its seed) of every run, all methods of a seed before the next seed."""
        return [(label, dataclasses.replace(config, seed=seed)) for seed in self.seeds for label, config in self.methods.items()]
