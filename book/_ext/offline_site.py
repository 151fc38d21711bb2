"""Keep the built site to itself: MathJax comes from an installed package, and no page asks a foreign host.

Two things would otherwise be fetched: MathJax (from a CDN) and thebe, which jupyter-book loads on every page
although this book starts no kernel in the reader's browser.
"""

import importlib.util
import shutil
from pathlib import Path

# The combined component, the extensions it loads on demand, its fonts, and its accessibility add-ons.
MATHJAX_PARTS = ("tex-mml-chtml.js", "input", "output/chtml/fonts/woff-v2", "a11y", "sre/mathmaps/base.json", "sre/mathmaps/en.json")


def mathjax_files() -> Path:
    """The folder ``es5`` of the MathJax that the package django-static-mathjax carries."""
    spec = importlib.util.find_spec("mathjax")
    if spec is None:
        raise RuntimeError("MathJax is missing: pip install -r requirements.txt")
    return Path(spec.submodule_search_locations[0], "static", "mathjax", "es5")


def copy_mathjax(app, exception) -> None:
    if exception is None and app.builder.format == "html":
        copy_mathjax_parts(Path(app.outdir, "_static", "vendor", "mathjax"))


def copy_mathjax_parts(target: Path) -> None:
    source = mathjax_files()
    for part in MATHJAX_PARTS:
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part, dirs_exist_ok=True)
        else:
            (target / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / part, target / part)


def drop_thebe(app, pagename, templatename, context, doctree) -> None:
    scripts = context.get("script_files", [])
    context["script_files"] = [s for s in scripts if "thebe" not in f"{s} {getattr(s, 'attributes', '')}"]


def setup(app):
    app.connect("build-finished", copy_mathjax)
    app.connect("html-page-context", drop_thebe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
