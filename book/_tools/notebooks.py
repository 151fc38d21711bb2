"""What the tools of this folder share: where things are, and one canonical form for a notebook."""

import hashlib
import os
import re
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "file_extension": ".py", "mimetype": "text/x-python", "pygments_lexer": "ipython3"},
}


def chapters(root: Path = ROOT) -> list[Path]:
    """Every notebook of the book, in order."""
    return sorted((root / "book").glob("*.ipynb"))


def read(path: Path):
    return nbformat.read(path, as_version=4)


def write(notebook, path: Path) -> None:
    """Write under a temporary name, then rename: an interrupted run leaves the old notebook whole."""
    temporary = path.with_name(f".{path.name}.part")
    nbformat.write(notebook, temporary)
    os.replace(temporary, path)


def write_text(text: str, path: Path) -> None:
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def rewritten(text: str, parts: dict[str, str]) -> str:
    """A page's text with each part between the marks of its name: <!-- NAME: begin (the tool) --> and <!-- NAME: end -->."""
    for name, part in parts.items():
        text, found = re.subn(
            rf"(<!-- {name}: begin [^\n]*-->\n).*?(<!-- {name}: end -->)", lambda marks: f"{marks[1]}{part}\n{marks[2]}", text, flags=re.S
        )
        if found != 1:
            raise SystemExit(f"the page has the marks of {name!r} {found} times")
    return text


def tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def normalise(notebook) -> None:
    """Keep only what a reader needs, so that running a notebook again changes nothing but real changes."""
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    seen: set[str] = set()
    for cell in notebook.cells:
        cell.id = _cell_id(cell, seen)
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = merge_streams(cell.outputs)
            for output in cell.outputs:
                if "text/html" in (data := output.get("data", {})):
                    data.pop(WIDGET_VIEW, None)  # the page runs no kernel: what stands beside the widget is shown


def merge_streams(outputs: list) -> list:
    """Neighbouring pieces of one stream become one output: where they were cut is chance."""
    merged: list = []
    for output in outputs:
        previous = merged[-1] if merged else None
        if previous and output.output_type == "stream" and previous.get("name") == output.name:
            previous.text += output.text
        else:
            merged.append(output)
    return merged


def _cell_id(cell, seen: set[str]) -> str:
    """An id that follows from the cell's source, so that only edited cells get a new one."""
    copy = 0
    while True:
        identity = hashlib.sha1(f"{cell.cell_type}{cell.source}{copy}".encode()).hexdigest()[:12]
        if identity not in seen:
            seen.add(identity)
            return identity
        copy += 1
