"""What importing a part of the package loads: each floor stays free of the floors above it."""

import subprocess
import sys

CODE = """
import sys

def loaded():
    names = "matplotlib", "scipy", "kornia", "torch", "tyro", "ot", "torchdiffeq", "sklearn", "PIL"
    parts = "flowlib.training", "flowlib.evaluation", "flowlib.viz", "flowlib.models"
    return " ".join(name for name in names + parts if name in sys.modules)

import flowlib
print("flowlib:", loaded())
import flowlib.cli
flowlib.cli.main(["--help"])
print("cli:", loaded())
import flowlib.models
print("models:", loaded())
import flowlib.training, flowlib.evaluation
print("training:", loaded())
"""


def test_imports_are_light():
    found = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True).stdout
    loaded = {
        name: set(rest.split())
        for name, _, rest in (line.partition(":") for line in found.splitlines())
        if name in ("flowlib", "cli", "models", "training")
    }
    assert loaded["flowlib"] == set()
    assert loaded["cli"] == {"tyro"}  # help and mistyped options answer at once
    heavy = {"matplotlib", "flowlib.viz"}
    assert not loaded["models"] & (heavy | {"flowlib.training", "flowlib.evaluation", "kornia", "ot", "torchdiffeq"})
    assert {"torch", "flowlib.models"} <= loaded["models"]
    assert not loaded["training"] & heavy
