"""The measures by name. A module of this folder adds its own with `@register(…)`; nothing else has to change."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from flowlib.errors import FlowlibError

MEASURES = {}


@dataclass(frozen=True)
class Measure:
    """`take(model, config)` → plain numbers for the results' JSON; what tables show of them.

    version : raised when it changes in a way that `flowlib.experiments.behaviour` does not see
    unsteady : names of numbers that another processor's rounding moves far, so that `flowlib.experiments.behaviour` looks at their means alone, and roughly
    """

    take: Callable
    columns: tuple[tuple[str, Callable, int], ...]
    version: int = 1
    unsteady: tuple[str, ...] = ()
    needs: Callable | None = None


def register(columns=(), version=1, unsteady=(), needs=None):
    """A decorator for a function(model, config); its name is the measure's.

    columns : (title, number from what the function returns, digits); not a number where it returns nothing, {}
    needs : function(model) → whether a model has what the measure reads; where not, nothing is found, and the function not called
    """

    def add(function):
        if any(not isinstance(one, tuple) or len(one) != 3 or not callable(one[1]) for one in columns):
            raise FlowlibError(f"measure {function.__name__!r}: columns is a list of (title, function, digits), got {columns!r}")
        found = tuple((title, _where_found(number), digits) for title, number, digits in columns)
        MEASURES[function.__name__] = Measure(function, found, version, tuple(unsteady), needs)
        return function

    return add


def measure(name: str, model, config):
    """Take one named measure of a trained model. Raises FlowlibError, naming it, where it fails, or finds what JSON cannot hold."""
    if name not in MEASURES:
        raise FlowlibError(f"unknown measure {name!r}: choose one of {', '.join(MEASURES)}")
    if MEASURES[name].needs and not MEASURES[name].needs(model):
        return {}
    try:
        with torch.no_grad():
            found = MEASURES[name].take(model, config)
        json.dumps(found, allow_nan=False)
    except Exception as error:  # it may do anything
        raise FlowlibError(f"measure {name!r} of a {type(model).__name__}: {type(error).__name__}: {error}") from error
    return found


def _where_found(number):
    return lambda found: math.nan if found == {} else number(found)


def round_each(values, digits=None) -> list:
    """The values of single images, rounded, to whole numbers unless digits are given: kept for paired comparisons."""
    return [round(value, digits) for value in values.tolist()]


def rounded_mean(values, digits=2) -> float:
    """The mean of a tensor, rounded."""
    return round(values.mean().item(), digits)
