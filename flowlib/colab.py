"""Set flowlib up inside Colab: install what is missing and leave everything that is there as it is."""

import importlib
import subprocess
import sys

if sys.version_info < (3, 11):  # noqa: UP036  (here no installer has looked)
    raise ImportError(f"flowlib needs Python 3.11 or newer, and this is {sys.version.split()[0]}: choose another kernel, or Colab")
import tomllib
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
NEVER = {"torch", "numpy"}  # replacing either breaks a running Colab

SETUP = """\
import os
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: waiting threads sleep and leave the cores to others
try:
    import flowlib
except ImportError:  # in Colab: fetch the book's code and what it needs (never another torch or numpy)
    !test -d {name} || git clone -q --depth 1 {address}
    import importlib, sys
    sys.path.insert(0, os.path.abspath("{name}"))
    importlib.invalidate_caches()  # the folder may be new, after a first try without a network
    import flowlib.colab
    flowlib.colab.setup()"""

Requires = Callable[[str], list[str] | None]


def setup_source(address: str) -> str:
    """The first code cell of a notebook: silent where flowlib is installed; in Colab it fetches the repository at `address` and calls `setup`."""
    return SETUP.format(address=address, name=address.rsplit("/", 1)[1])


def setup() -> None:
    """Install what flowlib needs and Colab lacks; silent when nothing is missing."""
    install_missing(dependencies(), requires, pip_install)


def install_missing(wanted: list[str], installed: Requires, install: Callable[[list[str]], None]) -> None:
    """Install those of ``wanted`` that are missing, then what they need in turn, one layer at a time.

    Since each layer is installed without its dependencies, nothing that is there is ever upgraded.
    """
    while missing := missing_packages(wanted, installed):
        install(missing)
        wanted = [need for name in missing for need in installed(Requirement(name).name) or []]


def pip_install(requirements: list[str]) -> None:
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", *requirements], check=True)
    importlib.invalidate_caches()


def dependencies(pyproject: Path = PYPROJECT) -> list[str]:
    """The requirements that pyproject.toml states, e.g. ``"torchdiffeq>=0.2.4"``."""
    return tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["dependencies"]


def requires(name: str) -> list[str] | None:
    """What the installed distribution ``name`` requires; None when it is not installed."""
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return None


def missing_packages(requirements: Iterable[str], installed: Requires) -> list[str]:
    """Those ``requirements`` that apply here, are not installed, and are not torch or numpy."""
    parsed = map(Requirement, requirements)
    applies = [need for need in parsed if need.marker is None or need.marker.evaluate({"extra": ""})]
    ours = [need for need in applies if need.name.lower() not in NEVER]
    return [f"{need.name}{need.specifier}" for need in ours if installed(need.name) is None]
