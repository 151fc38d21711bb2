"""Fail unless every page of _toc.yml was built and has content; say where the site is."""

import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
LEAST_WORDS = 20
ARTICLE = re.compile(r"<article[^>]*>(.*?)</article>", re.S)
TAG = re.compile(r"<(script|style)\b.*?</\1>|<[^>]+>", re.S)


def toc_pages(root: Path = ROOT) -> list[str]:
    """The pages that _toc.yml names, e.g. ``book/intro``."""
    return list(_files(yaml.safe_load((root / "_toc.yml").read_text())))


def _files(entry):
    if isinstance(entry, list):
        for item in entry:
            yield from _files(item)
    elif isinstance(entry, dict):
        for key, value in entry.items():
            if key in ("root", "file"):
                yield value
            else:
                yield from _files(value)


def words(html: str) -> int:
    """How many words the article of a page has, its heading included."""
    article = ARTICLE.search(html)
    return len(TAG.sub(" ", article.group(1)).split()) if article else 0


def problems(root: Path = ROOT) -> list[str]:
    """What is wrong with the built pages; nothing when all is well."""
    found = []
    for page in toc_pages(root):
        html = root / "_build" / "html" / f"{page}.html"
        if not html.is_file():
            found.append(f"{page}: named in _toc.yml, but not built")
        elif (count := words(html.read_text(encoding="utf-8"))) < LEAST_WORDS:
            found.append(f"{page}: built, but it has {count} words")
    return found


def main() -> int:
    found = problems()
    print("\n".join(found) or f"{len(toc_pages())} pages: {(ROOT / '_build/html/index.html').as_uri()}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
