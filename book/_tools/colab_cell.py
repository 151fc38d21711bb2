"""The first code cell of every chapter: silent where flowlib is installed, sets things up in Colab."""

import nbformat
from notebooks import code_cells, tags

TAG = "colab"
SOURCE = """\
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
METADATA = {
    "tags": [TAG, "hide-input", "remove-output"],
    "mystnb": {"code_prompt_show": "Set-up (threads; in Colab also the book's code)"},
}


def source(address: str) -> str:
    return SOURCE.format(address=address, name=address.rsplit("/", 1)[1])


def ensure(notebook, address: str) -> None:
    """Bring the tagged cell up to date, or put one before the first code cell."""
    tagged = [cell for cell in code_cells(notebook) if TAG in tags(cell)]
    cell = tagged[0] if tagged else _insert(notebook)
    cell.source = source(address)
    cell.metadata = nbformat.from_dict(METADATA)


def _insert(notebook):
    cell = nbformat.v4.new_code_cell()
    kinds = [other.cell_type for other in notebook.cells]
    notebook.cells.insert(kinds.index("code") if "code" in kinds else len(kinds), cell)
    return cell
