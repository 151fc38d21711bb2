"""What a result depends on besides its configuration: the code that trained, the code that measured, the data, the machine."""

import ast
import hashlib
import os
import platform
from pathlib import Path

import torch

import flowlib
from flowlib.data.digits import SHA256

PACKAGE = Path(flowlib.__file__).parent
TRAINING = ("config.py", "data/*.py", "flows/*.py", "models/*.py", "training/*.py", "transport/action.py")
MEASURING = ("evaluation/*.py", "experiments/measures/*.py")


def code_digest(patterns, package=PACKAGE) -> str:
    """Twelve hexadecimal digits over the code of the files that match; comments and docstrings do not count."""
    found = hashlib.sha256()
    for path in sorted({path for pattern in patterns for path in Path(package).glob(pattern)}):
        found.update(f"{path.relative_to(package).as_posix()}\n{_bare(path.read_text())}\n".encode())
    return found.hexdigest()[:12]


def _bare(source):
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [line for line in body if not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))]
            node.body = kept or [ast.Pass()]
    return ast.unparse(tree)


def stamp() -> dict[str, str]:
    """The versions that all rows of one file of results share."""
    data = hashlib.sha256("".join(sorted(SHA256.values())).encode()).hexdigest()[:12]
    return {"training_code": code_digest(TRAINING), "measuring_code": code_digest(MEASURING), "data": data}


def machine() -> str:
    """The machine in words: processor, threads, torch."""
    return f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} thread(s) a run, torch {torch.__version__.split('+')[0]}"
