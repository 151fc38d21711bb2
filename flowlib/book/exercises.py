"""The checks of the book's exercises: one set of manners for all of them.

An empty answer is "not answered yet", a wrong one fails with a hint, and whatever goes wrong inside a check becomes a hint too.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from flowlib.errors import FlowlibError


class NotYet(Exception):
    """An answer that is not right yet; a notebook shows its hint alone, without a traceback."""

    def _render_traceback_(self):
        return [f"Not yet: {self}"]


def check(**answers):
    """A decorator that runs a check at once, on the named answers.

    The decorated function takes them and yields pairs (condition, hint), from the roughest condition to the finest; a condition is
    anything with a truth value, such as a boolean or a tensor of one. An answer that is None (or an ellipsis) counts as empty.

    Raises NotYet with the hint of the first condition that does not hold, or where the check itself cannot use an answer.
    """

    def run(conditions: Callable[..., Iterable]):
        print(verdict(conditions, answers))

    return run


def verdict(conditions: Callable[..., Iterable], answers: dict) -> str:
    """One line for right and for empty answers; NotYet for wrong ones."""
    empty = [name for name, answer in answers.items() if answer is None or answer is ...]
    if empty:
        still = f" ({', '.join(empty)})" if 0 < len(empty) < len(answers) else ""
        return f"Not answered yet{still}."
    try:
        failed = next((hint for holds, hint in conditions(**answers) if not bool(holds)), None)
    except FlowlibError as error:  # flowlib says itself what is wrong, and what to do
        raise NotYet(str(error)) from None
    except Exception as error:  # an answer of another type or shape, a function that raises: a wrong answer, not a crash
        raise NotYet(f"this cannot be checked ({type(error).__name__}: {error}). Look at the type and the shape of your answer.") from None
    if failed is not None:
        raise NotYet(failed)
    return "Right."


def close(answer, expected, within=1e-3) -> bool:
    """Whether every number of an answer lies within an absolute distance of what is expected, in the same shape; NaN does not."""
    answer, expected = (
        value.detach() if isinstance(value, Tensor) else torch.as_tensor(value, dtype=torch.float64) for value in (answer, expected)
    )
    if answer.numel() == expected.numel() == 1:
        answer, expected = answer.reshape(()), expected.reshape(())
    return answer.shape == expected.shape and bool(((answer.double() - expected.double()).abs() <= within).all())
