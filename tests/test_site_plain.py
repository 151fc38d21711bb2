"""The plain notebooks of the built site, chapter by chapter: nothing of MyST is left, no word and no formula is lost."""

import re

import address
import plain
import pytest
from built import needs_site
from notebooks import chapters, read
from site_numbers import citations, pages_url, site_numbers

from flowlib.colab import setup_source

LEFT = re.compile(r"\{[\w:-]+\}`|^\s*[`:]{3,}\{|\{\{|^\([\w-]+\)=|\$\$ ?\([\w-]+\)|^:(?:label|class|name|alt):", re.M)


@needs_site
@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_no_myst_is_left_and_no_word_is_lost(path):
    notebook = read(path)
    page = plain.Page(path.stem, site_numbers(), citations(), pages_url())
    made = plain.plain_notebook(notebook, page)
    offered = read(plain.FOLDER / path.name)
    assert [cell.source for cell in offered.cells] == [cell.source for cell in made.cells], "what the page's buttons lead to"
    text = "\n\n".join(cell.source for cell in made.cells if cell.cell_type == "markdown")
    source = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert not LEFT.findall(text)
    text = re.sub(r"^> ?", "", text, flags=re.M)  # boxes are quoted paragraphs
    assert [link for part in plain.VERBATIM.split(text)[::2] for link in plain.LINK.findall(part)] == []
    assert math(text) >= math(source)
    assert words(source) - words(text) == set()
    assert [formula(f) for f in re.findall(r"\$\$(.+?)\$\$", source, re.S)] == [formula(f) for f in re.findall(r"\$\$(.+?)\$\$", text, re.S)]
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    kept = [re.sub(r"^#@title .*\n", "", cell.source) for cell in made.cells if cell.cell_type == "code"]
    assert kept[0] == code[0] == setup_source(address.address()) and kept == code
    assert not any(cell.get("outputs") for cell in made.cells)


def words(text):
    """The words of a text, without directives, their options, roles' targets and links."""
    text = re.sub(r"^\s*[`:]{3,}.*$|^:[\w-]+:.*$", "", text, flags=re.M)
    text = re.sub(r"\{[\w:-]+\}`[^`]*`|\]\([^)]*\)|\([\w-]+\)=?$", "", text, flags=re.M)
    return set(re.findall(r"\w+", text))


def math(text):
    """The formulas within lines."""
    return set(re.findall(r"(?<![$\\])\$([^$\n]+)\$(?!\$)", text))


def formula(text):
    """A formula without its number."""
    return " ".join(re.sub(r"\\tag\{[^}]*\}", "", text).split())
