"""The notation page states M1 … M20 once each, and every flowlib name on it exists."""

import importlib
import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "book" / "notation.md").read_text(encoding="utf-8")
NAMES = sorted(set(re.findall(r"`(flowlib(?:\.\w+)+)`", PAGE)))
SECTIONS = re.findall(r"^\(m(\d+)\)=\n### M(\d+) · [^\n]+\n(.*?)(?=^\(m\d+\)=|^## |\Z)", PAGE, re.M | re.S)


def resolve(name):
    """The object with this dotted name: the longest importable module, then attributes."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError as error:
            if not name.startswith(error.name):  # something that the module itself needs
                raise
            continue
        for attribute in parts[cut:]:
            found = getattr(found, attribute)
        return found
    raise ModuleNotFoundError(name)


@pytest.mark.parametrize("name", NAMES)
def test_name_exists_and_is_documented(name):
    assert resolve(name).__doc__


def test_a_wrong_name_would_be_caught():
    with pytest.raises(AttributeError):
        resolve("flowlib.transport.no_such_function")
    with pytest.raises(AttributeError):
        resolve("flowlib.models.FlowVAE.no_such_method")


def test_every_formula_stands_once_in_order_with_its_label():
    assert [(int(label), int(title)) for label, title, _ in SECTIONS] == [(n, n) for n in range(1, 21)]


@pytest.mark.parametrize("number, body", [(title, body) for _, title, body in SECTIONS])
def test_every_formula_is_displayed_and_computed_or_said_to_come_later(number, body):
    assert body.count("$$") == 2, f"M{number} needs one displayed formula"
    assert re.search(r"`flowlib\.", body) or re.search(r"\*later chapters?\*", body, re.I), f"M{number}"


def test_other_code_on_the_page_is_no_misspelt_name():
    """A name of flowlib is written in full, so that the test above sees it."""
    rest = set(re.findall(r"`([^`\n]+)`", PAGE)) - set(NAMES) - {"flowlib"}
    assert [text for text in rest if not text.startswith("(")] == []
