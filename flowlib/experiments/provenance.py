"""Where a result comes from: the state of the project, the versions, the machine and the day. It is said, never compared."""

import os
import platform
import subprocess
from datetime import date
from importlib.metadata import version
from pathlib import Path

import torch

import flowlib

LIBRARIES = ("torch", "kornia", "numpy")


def provenance() -> dict[str, str]:
    """Commit, versions, machine and date, as texts."""
    libraries = {name: version(name).split("+")[0] for name in LIBRARIES}
    return {"commit": commit(), **libraries, "machine": machine(), "date": date.today().isoformat()}


def commit() -> str:
    """The short name of the commit that is checked out, with + behind it where files differ from it; "unknown" outside a clone."""
    folder = Path(flowlib.__file__).parent
    try:
        name, changed = (
            subprocess.run(["git", "-C", folder, *command], capture_output=True, text=True, check=True, timeout=10).stdout.strip()
            for command in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain", "--untracked-files=no", "."))
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return name + ("+" if changed else "")


def machine() -> str:
    """The machine in words: processor, threads."""
    return f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} thread(s) a run"
