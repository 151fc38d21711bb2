"""What a result depends on besides its configuration: the code that trained, the code that measured, the data, the machine."""

import ast
import hashlib
import os
import platform
import sys
from pathlib import Path

import torch

import flowlib
import flowlib.models
from flowlib.data.digits import SHA256
from flowlib.errors import FlowlibError
from flowlib.models import MODELS

PACKAGE = Path(flowlib.__file__).parent
TRAINING = ("config.py", "data/*.py", "flows/*.py", "training/*.py", "transport/action.py")
MEASURING = ("evaluation/*.py", "experiments/measures/*.py")


def code_digest(patterns, package=PACKAGE, extra=()) -> str:
    """Twelve hexadecimal digits over the code of the files that match, and of `extra` files; comments and docstrings do not count."""
    found = hashlib.sha256()
    for path in sorted({path for pattern in patterns for path in Path(package).glob(pattern)} | set(extra)):
        found.update(f"{path.name}\n{_bare(path.read_text())}\n".encode())
    return found.hexdigest()[:12]


def training_code(config) -> str:
    """The digest of what trained a model: its own module with the models it builds on, the data, the flows, the trainer.

    Another model's module does not count, so that adding one leaves the results of all others valid.
    """
    module = sys.modules.get(MODELS[config.model].__module__)
    if getattr(module, "__file__", None) is None:
        raise FlowlibError(f"the model {config.model!r} is in no file: put it into flowlib/models, so that results can name its code")
    return code_digest(TRAINING, extra=_modules_behind(module.__file__))


def _modules_behind(path):
    """A module of `flowlib.models` and, through its imports, the others that it needs."""
    todo, found = [Path(path)], set()
    while todo:
        here = todo.pop()
        if here in found:
            continue
        found.add(here)
        for node in ast.walk(ast.parse(here.read_text())):
            if isinstance(node, ast.ImportFrom):
                names = [name for name in _defined_in(node) if name.startswith("flowlib.models.")]
                todo += [PACKAGE.joinpath(*name.split(".")[1:]).with_suffix(".py") for name in names]
    return found


def _defined_in(node):
    """The modules behind `from … import …`: what the package `flowlib.models` hands on counts from where it is defined."""
    if node.module != "flowlib.models":
        return [node.module or ""]
    return [getattr(getattr(flowlib.models, name.name, None), "__module__", "") for name in node.names]


def _bare(source):
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [line for line in body if not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))]
            node.body = kept or [ast.Pass()]
    return ast.unparse(tree)


def stamp() -> dict[str, str]:
    """The versions that all rows of one file of results share; beside them each row has its `training_code`."""
    data = hashlib.sha256("".join(sorted(SHA256.values())).encode()).hexdigest()[:12]
    return {"measuring_code": code_digest(MEASURING), "data": data}


def machine() -> str:
    """The machine in words: processor, threads, torch."""
    return f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} thread(s) a run, torch {torch.__version__.split('+')[0]}"
