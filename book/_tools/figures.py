"""All figures of the book as SVG, for slides and handouts: `make figures`.

The chapters run in memory with one change: a figure shows itself as SVG. Files are named by chapter and figure, as
02-fig-diffusion-forgetting.svg, or by the cell where a figure has no name. The drawings that are files come along, and
flowlib-book-figures.zip holds everything. Pictures with controls are not figures: they stay on their pages.

    python book/_tools/figures.py                         all chapters, to _build/figures
    python book/_tools/figures.py book/07_*.ipynb -o x    these
"""

import argparse
import shutil
import sys
import zipfile
from pathlib import Path

import colab_cell
import execute
from notebooks import ROOT, chapters, code_cells, read, tags, write_text

ARCHIVE = "flowlib-book-figures.zip"
DRAWN = ("map.svg", "box-flux.svg")  # in book/_static
AS_SVG = """

import io
import matplotlib
from flowlib.viz.picture import NotebookFigure
matplotlib.rcParams["svg.hashsalt"] = "flowlib"  # the same figure, the same file
def _as_svg(figure, include=None, exclude=None):
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    return {"image/svg+xml": file.getvalue()}
NotebookFigure._repr_mimebundle_ = _as_svg"""


def figures(path: Path) -> dict[str, str]:
    """File name → SVG of each figure that the notebook at ``path`` shows."""
    notebook = read(path)
    setup = next(cell for cell in code_cells(notebook) if colab_cell.TAG in tags(cell))
    setup.source += AS_SVG
    execute.run(notebook, path)
    found = {}
    for number, cell in enumerate(notebook.cells):
        shown = [output.data["image/svg+xml"] for output in cell.get("outputs", []) if "image/svg+xml" in output.get("data", {})]
        name = cell.metadata.get("mystnb", {}).get("figure", {}).get("name", f"cell-{number}")
        for copy, svg in enumerate(shown, start=1):
            found[f"{path.stem.split('_')[0]}-{name}{f'-{copy}' if len(shown) > 1 else ''}.svg"] = svg
    return found


def pack(folder: Path) -> Path:
    """An archive of all figures in ``folder``, in it."""
    with zipfile.ZipFile(folder / ARCHIVE, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.glob("*.svg")):
            archive.write(file, file.name)
    return folder / ARCHIVE


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", type=Path, help="chapters; all without any")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "_build" / "figures")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    for name in DRAWN:
        shutil.copyfile(ROOT / "book" / "_static" / name, options.output / name)
    for path in options.notebooks or chapters():
        found = figures(path)
        for name, svg in found.items():
            write_text(svg, options.output / name)
        print(f"{path.name}: {len(found)} figures", flush=True)
    print(pack(options.output))
    return 0


if __name__ == "__main__":
    sys.exit(main())
