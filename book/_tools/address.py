"""Rewrite every place that derives from the repository's address, which stands in _config.yml alone.

    python book/_tools/address.py            rewrite
    python book/_tools/address.py --check    change nothing; list what differs, and fail if anything does

Derived are: the Colab cell of every chapter, and in the text files and the chapters' prose every link to the
repository, its workflows, its pages site and its notebooks in Colab.
"""

import argparse
import re
import sys
from pathlib import Path

import colab_cell
import yaml
from notebooks import ROOT, chapters, normalise, read, write, write_text

TEXTS = ("README.md", "CITATION.cff", "pyproject.toml", "LICENSE-TEXT")
SLUG = r"[A-Za-z0-9-]+/[A-Za-z0-9._-]*[A-Za-z0-9_-]"
# A context in which an owner/name can only be this repository's.
OURS = [
    re.compile(pattern + rf"(?P<slug>{SLUG})" + after)
    for pattern, after in (
        (r"colab\.research\.google\.com/github/", r"(?=/blob)"),
        (r"https://github\.com/", r"(?=/actions/workflows)"),
        (r"git clone [^\n]*?https://github\.com/", r""),
        (r"git\+https://github\.com/", r""),
        (r"""(?:Repository|repository-code)\W{1,5}https://github\.com/""", r""),
    )
]
PAGES = re.compile(r"https://(?P<owner>[A-Za-z0-9-]+)\.github\.io/(?P<name>[A-Za-z0-9._-]*[A-Za-z0-9_-])")


def address(root: Path = ROOT) -> str:
    """The repository's address, from _config.yml."""
    return yaml.safe_load((root / "_config.yml").read_text())["repository"]["url"].rstrip("/")


def previous_slug(root: Path = ROOT) -> str:
    """The owner/name that the derived places held before, as pyproject.toml records it."""
    project = (root / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(rf'^Repository = "https://github\.com/({SLUG})"', project, re.M)
    if found is None:
        raise SystemExit('pyproject.toml: [project.urls] needs a line Repository = "https://github.com/…"')
    return found.group(1)


def rewrite(text: str, new: str, old: str) -> str:
    """``text`` with every link to ``old``, or in a context that can only be ours, led to ``new``."""
    for pattern in OURS:
        text = pattern.sub(lambda m: m.group(0)[: m.start("slug") - m.start()] + new, text)
    text = re.sub(rf"(https://github\.com/){re.escape(old)}(?![\w-])", rf"\g<1>{new}", text)
    owner, name = new.split("/")
    old_names = {old.split("/")[1], name}
    pages = f"https://{owner}.github.io/{name}"
    return PAGES.sub(lambda m: pages if m["name"] in old_names else m.group(0), text)


def rewritten_notebook(path: Path, url: str, new: str, old: str):
    notebook = read(path)
    colab_cell.ensure(notebook, url)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = rewrite(cell.source, new, old)
    normalise(notebook)
    return notebook


def differing(root: Path = ROOT, fix: bool = False) -> list[Path]:
    """The files whose derived places differ from _config.yml; with ``fix`` they are rewritten."""
    url, old = address(root), previous_slug(root)
    new = url.removeprefix("https://github.com/")
    different = []
    for path in [root / name for name in TEXTS] + sorted((root / "book").glob("*.md")):
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if (wanted := rewrite(text, new, old)) != text:
            different.append(path)
            if fix:
                write_text(wanted, path)
    for path in chapters(root):
        wanted = rewritten_notebook(path, url, new, old)
        if wanted != read(path):
            different.append(path)
            if fix:
                write(wanted, path)
    return different


def main() -> int:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--check", action="store_true", help="change nothing, fail if anything differs")
    check = parser.parse_args().check
    different = differing(fix=not check)
    for path in different:
        print(f"{'differs' if check else 'rewrote'}: {path.relative_to(ROOT)}")
    if not different:
        print(f"every derived place agrees with {address()}")
    return int(check and bool(different))


if __name__ == "__main__":
    sys.exit(main())
