"""Set flowlib up inside Colab: install what is missing and leave everything that is there as it is."""

import importlib
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
NEVER = {"torch", "numpy"}  # replacing either breaks a running Colab

Requires = Callable[[str], list[str] | None]


def setup() -> None:
    """Install the dependencies of flowlib that are missing, and what those need, one layer at a time.

    With ``pip install --no-deps`` nothing that is already installed is ever upgraded, torch and numpy least of all.
    """
    wanted = dependencies()
    while missing := missing_packages(wanted):
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", *missing], check=True)
        importlib.invalidate_caches()
        wanted = [need for name in missing for need in requires(Requirement(name).name) or []]


def dependencies(pyproject: Path = PYPROJECT) -> list[str]:
    """The requirements that pyproject.toml states, e.g. ``"torchdiffeq>=0.2.4"``."""
    return tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["dependencies"]


def requires(name: str) -> list[str] | None:
    """What the installed distribution ``name`` requires; None when it is not installed."""
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return None


def missing_packages(requirements: Iterable[str], installed: Requires = requires) -> list[str]:
    """Those ``requirements`` that apply here, are not installed, and are not torch or numpy."""
    parsed = map(Requirement, requirements)
    applies = [r for r in parsed if r.marker is None or r.marker.evaluate({"extra": ""})]
    return [f"{r.name}{r.specifier}" for r in applies if r.name.lower() not in NEVER and installed(r.name) is None]
