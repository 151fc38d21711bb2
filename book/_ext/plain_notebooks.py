"""Plain notebooks beside the pages: written after each build, with its numbers; download and Colab buttons lead to them.

Colab opens them on a branch that holds nothing else (`.github/workflows/site.yml` publishes it).
"""

import sys
from pathlib import Path

BRANCH = "notebooks"
FOLDER = "notebooks"


def lead_to_plain(app, pagename, templatename, context, doctree) -> None:
    """Of a chapter's buttons, .ipynb and Colab lead to the plain notebook."""
    name = f"{Path(pagename).name}.ipynb"
    if context.get("page_source_suffix") != ".ipynb":
        return
    for button in _buttons(context.get("header_buttons", [])):
        if button.get("label") == "download-source-button":
            button["url"] = f"{context['pathto'](FOLDER, 1)}/{name}"
            button["tooltip"] = "Download this chapter as a plain notebook"
        elif button.get("text") == "Colab":
            button["url"] = colab_url(button["url"], name)


def colab_url(url: str, name: str) -> str:
    """The theme's address of a chapter in Colab, …/blob/main/book/NAME.ipynb, led to the branch of plain notebooks."""
    return f"{url.partition('/blob/')[0]}/blob/{BRANCH}/{name}"


def _buttons(group):
    for button in group:
        yield button
        yield from _buttons(button.get("buttons", []))


def write_notebooks(app, exception) -> None:
    if exception is None and app.builder.format == "html":
        sys.path.append(str(Path(__file__).resolve().parents[1] / "_tools"))
        import plain

        plain.write_all(Path(app.outdir))


def setup(app):
    app.connect("html-page-context", lead_to_plain, priority=900)  # after the theme has made its buttons
    app.connect("build-finished", write_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
