"""What flowlib.colab would install, with fakes in place of pip and of the installed packages."""

import subprocess
import sys
from importlib import metadata

import pytest
from packaging.requirements import Requirement

from flowlib import colab


def test_missing_are_those_not_installed():
    missing = colab.missing_packages(["scipy>=1.11", "torchdiffeq>=0.2.4", "POT"], {"scipy": []}.get)
    assert missing == ["torchdiffeq>=0.2.4", "POT"]


def test_torch_and_numpy_are_never_missing():
    assert colab.missing_packages(["torch>=2.4", "numpy>=1.26", "Torch"], {}.get) == []


def test_markers_decide():
    needs = ['colorama; platform_system == "NoSuch"', 'typeguard; python_version >= "3.0"', 'rich; extra == "nice"']
    assert colab.missing_packages(needs, {}.get) == ["typeguard"]


def test_present_means_its_requirements_only_none_means_absent():
    assert colab.requires("no-such-package-anywhere") is None
    assert isinstance(colab.requires("jaxtyping"), list)


def test_every_dependency_names_an_installable_distribution():
    names = [Requirement(line).name for line in colab.dependencies()]
    assert {"torch", "numpy", "torchdiffeq"} <= set(names)
    for name in names:
        metadata.distribution(name)  # raises when the name is no distribution of this environment


def test_installs_layer_by_layer_until_nothing_is_missing():
    index = {"jaxtyping": ["wadler-lindig>=0.1.3"], "wadler-lindig": [], "kornia": ["torch>=2.0", "kornia-rs"], "kornia-rs": ["numpy"]}
    installed, layers = {"scipy": []}, []

    def install(requirements):
        layers.append(requirements)
        installed.update({(name := Requirement(line).name): index[name] for line in requirements})

    colab.install_missing(["torch>=2.4", "scipy", "jaxtyping>=0.2.28", "kornia"], installed.get, install)
    assert layers == [["jaxtyping>=0.2.28", "kornia"], ["wadler-lindig>=0.1.3", "kornia-rs"]]


def test_a_package_that_does_not_appear_ends_the_loop():
    layers = []
    colab.install_missing(["ghost"], {}.get, layers.append)
    assert layers == [["ghost"]]


def test_pip_gets_no_dependencies(monkeypatch):
    commands = []
    monkeypatch.setattr(subprocess, "run", lambda command, check: commands.append((command, check)))
    colab.pip_install(["kornia>=0.7"])
    assert commands == [([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "kornia>=0.7"], True)]


def test_setup_is_silent_where_all_is_installed(monkeypatch, capfd):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("nothing is missing"))
    colab.setup()
    assert capfd.readouterr() == ("", "")


def test_a_failing_install_is_not_passed_over(monkeypatch):
    monkeypatch.setattr(sys, "executable", "false")
    with pytest.raises(subprocess.CalledProcessError):
        colab.pip_install(["ghost"])
