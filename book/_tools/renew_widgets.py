"""Put today's scripts and style into the widgets of the notebooks, as executing them afresh would: after a change of flowlib/viz/web.

python book/_tools/renew_widgets.py [NOTEBOOK …]      (without names: all)
"""

import sys
from pathlib import Path

from notebooks import chapters, read, write

from flowlib.viz.widget import renewed

MARK = '<figure class="flowviz"'


def renew(notebook) -> int:
    """Renew the widgets in a notebook's outputs; returns how many changed."""
    changed = 0
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            page = output.get("data", {}).get("text/html", "")
            if page.startswith(MARK):
                output["data"]["text/html"] = renewed(page)
                changed += output["data"]["text/html"] != page
    return changed


def main(names) -> None:
    """Renew the named notebooks, or all of the book's."""
    for path in [Path(name) for name in names] or chapters():
        notebook = read(path)
        if count := renew(notebook):
            write(notebook, path)
            print(f"{path.name}: {count} widgets renewed")


if __name__ == "__main__":
    main(sys.argv[1:])
