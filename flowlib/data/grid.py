"""Full factorial data: one image for every combination of factor values, numbered in a mixed radix, the last factor fastest."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from flowlib.errors import FlowlibError


@dataclass(frozen=True)
class Grid:
    """The factors of a full factorial data set.

    names : of the factors, in the order of the numbering;  sizes : how many values each takes
    cyclic : names of the factors whose last value is next to the first, such as hues
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...]
    cyclic: tuple[str, ...] = ()

    def __post_init__(self):
        if len(self.names) != len(self.sizes) or len(set(self.names)) < len(self.names) or min(self.sizes, default=0) < 1:
            raise FlowlibError(f"factors {self.names} of sizes {self.sizes}: give each name once, and its size ≥ 1")
        if unknown := set(self.cyclic) - set(self.names):
            raise FlowlibError(f"cyclic factors {sorted(unknown)} are not among {self.names}")

    def __len__(self):
        return math.prod(self.sizes)

    def number(self, factor) -> int:
        """The place of a factor, given by name or number."""
        if factor in self.names:
            return self.names.index(factor)
        if isinstance(factor, str) or not 0 <= factor < len(self.names):
            raise FlowlibError(f"unknown factor {factor!r}: choose one of {', '.join(self.names)}")
        return factor

    def digits(self, indices: Int[ndarray, "*B"]) -> Int[ndarray, "*B K"]:
        """The value 0 … size − 1 of every factor, of images given by number."""
        indices = np.asarray(indices)
        if indices.size and not 0 <= indices.min() <= indices.max() < len(self):
            raise FlowlibError(f"images {indices.min()} … {indices.max()} do not exist: they are numbered 0 … {len(self) - 1}")
        return np.stack(np.unravel_index(indices, self.sizes), -1)

    def indices(self, digits: Int[ndarray, "*B K"]) -> Int[ndarray, "*B"]:
        """The numbers of the images with these values."""
        return np.asarray(np.ravel_multi_index(tuple(np.moveaxis(np.asarray(digits), -1, 0)), self.sizes))

    def longest(self, factor) -> int:
        """How many steps of one value a sequence can take before a frame returns, or the values end."""
        return self.sizes[self.number(factor)] - 1

    def starts(self, factor, steps: int) -> int:
        """From how many of a factor's values a sequence of so many steps can begin: 0 … starts − 1; from all where it is cyclic."""
        size, name = self.sizes[self.number(factor)], self.names[self.number(factor)]
        if not 0 < steps < size:
            raise FlowlibError(f"{steps} steps of {name}, which has {size} values: give 1 … {size - 1}")
        return size if name in self.cyclic else size - steps

    def moved(self, indices: Int[ndarray, " B"], factor, times: Int[ndarray, "*B F"]) -> Int[ndarray, "B F"]:
        """The images `times` steps further along one factor, (F,) or (B, F); no other factor changes. Cyclic factors wrap around.

        Raises FlowlibError where the values of a factor that is not cyclic end.
        """
        place = self.number(factor)
        digits = np.repeat(self.digits(indices)[:, None], np.shape(times)[-1], 1)
        digits[..., place] += np.asarray(times)
        if self.names[place] in self.cyclic:
            digits[..., place] %= self.sizes[place]
        elif not 0 <= digits[..., place].min() <= digits[..., place].max() < self.sizes[place]:
            raise FlowlibError(f"{self.names[place]} ends at {self.sizes[place] - 1}: begin lower, or take fewer steps")
        return self.indices(digits)
