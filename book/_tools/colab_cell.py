"""The first code cell of every chapter: silent where flowlib is installed, sets things up in Colab."""

import nbformat
from notebooks import code_cells, tags

from flowlib.colab import setup_source

TAG = "colab"
METADATA = {
    "tags": [TAG, "hide-input", "remove-output"],
    "mystnb": {"code_prompt_show": "Set-up (threads; in Colab also the book's code)"},
}


def ensure(notebook, address: str) -> None:
    """Bring the tagged cell up to date, or put one before the first code cell."""
    tagged = [cell for cell in code_cells(notebook) if TAG in tags(cell)]
    cell = tagged[0] if tagged else _insert(notebook)
    cell.source = setup_source(address)
    cell.metadata = nbformat.from_dict(METADATA)


def _insert(notebook):
    cell = nbformat.v4.new_code_cell()
    kinds = [other.cell_type for other in notebook.cells]
    notebook.cells.insert(kinds.index("code") if "code" in kinds else len(kinds), cell)
    return cell
