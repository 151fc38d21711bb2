"""What an assignment's notebook needs: tests that help, data of one's own, a check before handing in. No nbgrader here.

`python -m flowlib.teaching` is the instructor's side: it builds the notebooks and grades a folder of submissions.
"""

import hashlib
from collections.abc import Callable, Iterable

import torch

from flowlib.book.exercises import NotYet, close

_said: dict[str, str] = {}  # task → what its test said last


def generator(student: str | int, task: str) -> torch.Generator:
    """Random numbers of one student and one task: the same on every machine, others for everyone else."""
    digest = hashlib.sha256(f"{str(student).strip().lower()}/{task}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:4], "big"))


def graded(task: str, /, **answers):
    """A decorator that runs a task's test at once, on the named answers.

    The decorated function takes them and yields pairs (condition, hint), roughest first. Raises NotYet, with one sentence, where an
    answer is missing, where a condition does not hold, and where an answer cannot be used at all; so nbgrader gives no points.
    """

    def run(conditions: Callable[..., Iterable]):
        _said[task] = "not right yet"
        try:
            if any(answer is None or answer is ... for answer in answers.values()):
                raise NotImplementedError
            failed = next((hint for holds, hint in conditions(**answers) if not bool(holds)), None)
        except NotImplementedError:
            _said[task] = "not answered"
            raise NotYet(f"{task} is not answered.") from None
        except Exception as error:  # an answer of another type or shape, a function that raises
            look = "look at the types and shapes"
            if type(error) is NameError:
                look = "look at the spelling, and whether the cell that defines it is still there and has run"
            raise NotYet(f"{task} cannot be tested ({type(error).__name__}: {error}); {look}.") from None
        if failed is not None:
            raise NotYet(failed)
        _said[task] = "right, as far as the visible tests see"
        print(f"{task}: right.")

    return run


def submission(tasks: dict[str, int], written: dict[str, int] | None = None) -> None:
    """Say, task by task, what the tests said last, and what is still open.

    tasks : name → points;  written : the same of texts that a person reads, and that no test can see
    """
    for task, points in tasks.items():
        print(f"{task:<16} {points:>2} points   {_said.get(task, 'its test has not been run')}")
    for task, points in (written or {}).items():
        print(f"{task:<16} {points:>2} points   a text: look yourself whether it is there")
    still_open = [task for task in tasks if not _said.get(task, "").startswith("right")]
    print(f"\nStill open: {', '.join(still_open)}." if still_open else "\nEverything is answered. Save the notebook and hand it in.")
