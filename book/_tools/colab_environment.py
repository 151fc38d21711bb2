"""An environment as near to Colab's as this machine can have: its pins where they can be had, nothing that it lacks."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from notebooks import ROOT

FOLDER = ROOT / ".colab"
# Colab's list of August 2026, as far as the chapters meet it; what has no version is there in one that does not matter.
COLAB = {
    "torch": "2.11.0", "numpy": "2.1.3", "scipy": "1.16.3", "matplotlib": "3.10.0", "scikit-learn": "1.6.1",
    "ipykernel": "6.17.1", "ipython": "7.34.0", "ipywidgets": "7.7.1", "notebook": "6.5.7",
    "pillow": "", "tqdm": "", "filelock": "", "safetensors": "", "anywidget": "", "packaging": "",
}  # fmt: skip
PYTHON = "3.13"
LIST = "import json; from importlib.metadata import distributions as d; print(json.dumps({p.name.lower(): p.version for p in d()}))"


def torch_pin(wanted: str | None, pins: Path = ROOT / "requirements.txt") -> str:
    """The version of torch to install: the book's own unless one is named, "colab" for Colab's."""
    if wanted:
        return COLAB["torch"] if wanted == "colab" else wanted
    return re.search(r"^torch==(\S+)", pins.read_text(encoding="utf-8"), re.M)[1]


def requirement(name: str, version: str) -> str:
    return f"{name}=={version}" if version else name


def make(torch: str | None = None, index: str | None = None, folder: Path = FOLDER) -> Path:
    """The environment's Python; a folder made for the same request is used again. Says which pins could not be had."""
    python = folder / "bin" / "python"
    pins = COLAB | {"torch": torch_pin(torch)}
    request = {"python": sys.version.split()[0], "index": index, "pins": pins}
    marker = folder / "request.json"
    if not (marker.exists() and json.loads(marker.read_text()) == request):
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install(pins, pip_of(python, index))
        marker.write_text(json.dumps(request))
    print("\n".join(differences(versions(python), request["python"])) or "as in Colab, every pin", flush=True)
    return python


def pip_of(python: Path, index: str | None):
    """A function that installs requirements, and says whether that went well."""
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]

    def pip(*requirements: str) -> bool:
        first = any(line.startswith("torch=") for line in requirements)
        more = ["--index-url", index] if index and first else []
        return subprocess.run([*command, *more, *requirements], env=bare(os.environ)).returncode == 0

    return pip


def install(pins: dict[str, str], pip) -> None:
    """All pins at once, torch first (its index may be another); if that fails one by one, and any version of what cannot be had."""
    pins = dict(pins)
    if not pip(requirement("torch", pins.pop("torch"))):
        raise SystemExit("this torch cannot be had here; name another one: --torch VERSION")
    if pip(*(requirement(*pin) for pin in pins.items())):
        return
    for name, version in pins.items():
        if not pip(requirement(name, version)) and not pip(name):
            raise SystemExit(f"no version of {name} can be had here")


def versions(python: Path) -> dict[str, str]:
    """Every distribution of an environment with its version."""
    found = subprocess.run([str(python), "-c", LIST], capture_output=True, text=True, check=True, env=bare(os.environ))
    return {name.replace("_", "-"): version for name, version in json.loads(found.stdout).items()}


def differences(installed: dict[str, str], python: str) -> list[str]:
    """What is not as in Colab, a line each."""
    lines = [] if python.startswith(f"{PYTHON}.") else [f"Python {python} instead of {PYTHON}"]
    for name, version in COLAB.items():
        if version and installed[name].split("+")[0] != version:
            lines.append(f"{name} {installed[name]} instead of {version}")
    return lines


def bare(environment) -> dict[str, str]:
    """An environment's variables without those that would bring this project's own packages, or its threads' settings, into Colab."""
    left_out = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "OMP_WAIT_POLICY", "OMP_NUM_THREADS")
    return {name: value for name, value in environment.items() if name not in left_out}
