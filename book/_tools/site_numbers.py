"""The numbers that the built site gives to formulas, figures, exercises and theorems, and the names of works cited."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from bs4 import BeautifulSoup
from notebooks import BOOK, ROOT
from pybtex.database import parse_file

HEAVY = re.compile(r"data:[\w/+.;=-]+,[^\"'\s)]*|<(script|style|pre)\b.*?</\1>", re.S)  # pictures, programs, code: no labels there


@dataclass(frozen=True)
class Number:
    """`text` : as readers see it, "(2.1)", "Exercise 2.1", or a page's title;  page, anchor : where it stands on the site."""

    text: str
    page: str
    anchor: str


def pages_url(root: Path = ROOT) -> str:
    """The address of the published site, which derives from the repository's."""
    owner, name = yaml.safe_load((root / "_config.yml").read_text())["repository"]["url"].rstrip("/").split("/")[-2:]
    return f"https://{owner}.github.io/{name}"


@cache
def site_numbers(html: Path = ROOT / "_build" / "html") -> dict[str, Number]:
    """Label → number, of every page of the built site; "/NAME" → the title of a page. Raises SystemExit where there is no site."""
    pages = sorted((html / "book").glob("*.html"))
    if not pages:
        raise SystemExit("there is no site yet, whose numbers the notebooks carry: make book")
    found = {}
    for path in pages:
        html_text = HEAVY.sub("", path.read_text(encoding="utf-8"))
        article = BeautifulSoup(html_text, "html.parser").find(class_="bd-article")
        page = f"book/{path.name}"
        heading = article.find("h1") if article else None
        if heading is None:
            continue
        found[f"/{path.stem}"] = Number(_text(heading), page, "")
        for element in article.select("[id]"):
            number = element.find(class_="eqno") if element["id"].startswith("equation-") else _caption(element)
            text = _text(number).rstrip("#").strip() if number else ""
            found.setdefault(element["id"].removeprefix("equation-"), Number(text or element["id"], page, element["id"]))
    return found


def _caption(element):
    """The number of a figure, an exercise or a theorem: its own, not that of another one within."""
    number = element.find(class_="caption-number")
    return number if number and number.find_parent(id=True) in (element, *element.find_all("section", recursive=False)) else None


def _text(element):
    return " ".join(element.get_text().replace("#", " ").split())


def citations(path: Path = BOOK / "references.bib") -> dict[str, str]:
    """Key → "Villani, 2003", "Kingma and Welling, 2014" or "Song et al., 2023"."""
    return {key: f"{_authors(entry)}, {entry.fields['year']}" for key, entry in parse_file(path).entries.items()}


def _authors(entry):
    people = entry.persons.get("author") or entry.persons["editor"]
    names = [" ".join([*person.prelast_names, *person.last_names]).replace("{", "").replace("}", "") for person in people]
    return names[0] if len(names) == 1 else " and ".join(names) if len(names) == 2 else f"{names[0]} et al."
