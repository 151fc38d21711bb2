"""What transformations do, in a short text: a run goes on, and is evaluated, with those that it began with."""

import random
from hashlib import sha256

import numpy as np
import torch

from flowlib.data.transforms import is_own, known, strength, transform
from flowlib.errors import FlowlibError

LOOKED_AT = (1, 3, 4, 7, 10, 13, 14, 16)  # of sixteen steps; uneven, so that what comes back at equal distances is seen


def strengths_of(factors, channels: int, size: int) -> str:
    """The strengths between which the transformations of these names move, and what a user's own do to an image, as a text."""
    return " ".join(f"{name} {known(name).rest}:{known(name).full}{_effect(name, channels, size) if is_own(name) else ''}" for name in factors)


def _effect(name, channels, size):
    """What a transformation makes of a fixed image at several strengths: how bright it is, and where, rounded.

    Raises FlowlibError where that differs from look to look: no run with it could be repeated.
    """
    ramp = torch.linspace(0, 1, size, device="cpu")
    image = torch.rand(channels, size, size, generator=torch.Generator("cpu").manual_seed(0), device="cpu") * ramp * (1 - ramp[:, None] / 2)
    level = strength(name, torch.tensor(LOOKED_AT, device="cpu"), 16)
    first, again = _looked_at_twice(name, image.expand(len(level), -1, -1, -1), level)
    if not torch.equal(first, again):
        raise FlowlibError(
            f"transformation {name!r} changes the same images differently at every call: let it draw its random numbers from a generator of its "
            "own, seeded anew in every call, so that a run can be repeated"
        )
    seen = torch.stack([(first * weight).mean((2, 3)) for weight in (torch.ones_like(ramp), ramp, ramp[:, None])])
    return " " + sha256(" ".join(f"{value:.3f}" for value in seen.flatten()).encode()).hexdigest()[:12]


def _looked_at_twice(name, images, level):
    """Two results for the same images; everybody's random numbers go on as if nobody had looked."""
    states = np.random.get_state(), random.getstate()
    try:
        with torch.random.fork_rng(devices=[]):
            return [transform(images, **{name: level}) for _ in range(2)]
    finally:
        np.random.set_state(states[0])
        random.setstate(states[1])
