"""Chapters as plain notebooks, for Colab and for any Jupyter: no MyST is left in them, numbers and links are those of the built site.

python book/_tools/plain.py            write _build/html/notebooks/NAME.ipynb from every chapter, as each build of the site does
"""

import re
import sys
from pathlib import Path

import address
import colab_cell
import nbformat
from notebooks import METADATA, ROOT, chapters, normalise, read, tags, write
from site_numbers import citations, pages_url, site_numbers

HTML = ROOT / "_build" / "html"
FOLDER = HTML / "notebooks"
OPEN = re.compile(r"^\s*(?P<fence>`{3,}|:{3,})\{(?P<name>[\w:-]+)\}[ \t]*(?P<argument>.*?)[ \t]*$")
OPTION = re.compile(r"^:(?P<name>[\w-]+):[ \t]*(?P<value>.*)$")
ROLE = re.compile(r"\{(?P<role>[\w:-]+)\}`(?P<text>[^`]*)`")
LABELLED = re.compile(r"\$\$(?P<formula>.+?)\$\$[ ]*\((?P<label>[\w-]+)\)", re.S)
TARGET = re.compile(r"^\([\w-]+\)=[ \t]*\n*", re.M)
LINK = re.compile(r"(?<!!)\]\((?P<target>(?!https?:|mailto:|attachment:)[^)\s]+)\)")
VERBATIM = re.compile(r"(^```.*?^```[ \t]*$|`[^`\n]*`|\$\$.+?\$\$|(?<!\\)\$(?:[^$\n]|\n(?!\n))+\$)", re.S | re.M)  # code, formulas
TITLED = {"admonition": "", "note": "Note", "tip": "Tip", "warning": "Warning", "prf:theorem": "Theorem", "prf:corollary": "Corollary"}


class Page:
    """What the text of one chapter needs to know: the numbers of its labels, its address, the names of works cited."""

    def __init__(self, name, numbers, cited, base):
        self.name, self.numbers, self.cited, self.base = name, numbers, cited, base

    @property
    def url(self):
        return f"{self.base}/book/{self.name}.html"

    def number(self, label):
        if label not in self.numbers:
            raise KeyError(f"{self.name}: nothing on the site has the label {label!r} (is the site older than the chapter? make book)")
        return self.numbers[label]

    def link(self, label, text=None):
        """A link to whatever has the label, with its number as text."""
        number = self.number(label)
        return f"[{text or number.text}]({self.base}/{number.page}#{number.anchor})"


def plain_notebook(notebook, page: Page):
    """The notebook without MyST: set-up first, solutions folded, no outputs."""
    cells, inside = [_headline(page)], None
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cells += [_code(cell, inside, page), *_caption(cell, page)]
            continue
        text, inside = plain_markdown(cell.source, page, inside)
        if text.strip():
            cells.append(nbformat.v4.new_markdown_cell(text))
    setup = next(cell for cell in cells if cell.cell_type == "code" and colab_cell.TAG in tags(cell))
    cells.remove(setup)
    plain = nbformat.v4.new_notebook(cells=[setup, *cells], metadata=nbformat.from_dict(METADATA))
    normalise(plain)
    return plain


def _headline(page):
    return nbformat.v4.new_markdown_cell(
        f"*This is the notebook of [a page of the book]({page.url}). Run the first cell, then read on; "
        "numbers of formulas, figures and exercises are the page's.*"
    )


def _code(cell, inside, page):
    copy = nbformat.v4.new_code_cell(cell.source, metadata={"tags": [tag for tag in tags(cell) if tag == colab_cell.TAG]})
    if inside is not None:  # Colab hides the code of a form, Jupyter a hidden source; both show it at a click
        copy.source = f"#@title Solution of {page.number(inside).text} (show the code)\n{cell.source}"
        copy.metadata |= {"cellView": "form", "jupyter": {"source_hidden": True, "outputs_hidden": True}}
    return copy


def _caption(cell, page):
    """The caption of a picture that a cell makes, as a cell of its own."""
    figure = cell.metadata.get("mystnb", {}).get("figure", {})
    if "caption" in figure:
        number = f"*{page.number(figure['name']).text}.* " if figure.get("name") in page.numbers else ""
        yield nbformat.v4.new_markdown_cell(number + inline(figure["caption"], page).strip())


def plain_markdown(source: str, page: Page, inside: str | None = None) -> tuple[str, str | None]:
    """(text without directives and roles, label of the exercise whose solution is open at its end); `inside`: the same at its beginning."""
    blocks, lines, pending = [], source.splitlines(), []
    index = 0

    def flush():
        text = inline("\n".join(pending), page).strip()
        if text:
            blocks.append(_folded(f"Solution of {page.number(inside).text}", text) if inside else text)
        pending.clear()

    while index < len(lines):
        found = OPEN.match(lines[index])
        if not found:
            pending.append(lines[index])
            index += 1
            continue
        flush()
        body, index = _body(lines, index, found["fence"])
        options, content = _options(body)
        name, argument = found["name"], found["argument"]
        if name == "solution-start":
            inside = argument
        elif name in ("solution-end", "exercise-end"):
            inside = None
        elif name == "exercise-start":
            blocks.append(_exercise(argument, options, page))
        else:
            blocks.append(_directive(name, argument, options, content, page))
    flush()
    return "\n\n".join(blocks), inside


def _body(lines, start, fence):
    """The lines within a fence that opens at `start`, and the index after its end."""
    for index in range(start + 1, len(lines)):
        closing = lines[index].strip()
        if closing and set(closing) == {fence[0]} and len(closing) >= len(fence):
            return lines[start + 1 : index], index + 1
    raise ValueError(f"a directive is never closed: {lines[start]}")


def _options(body):
    options = {}
    while body and (found := OPTION.match(body[0])):
        options[found["name"]] = found["value"]
        body = body[1:]
    return options, "\n".join(body).strip()


def _directive(name, argument, options, content, page):
    """One directive as Markdown or <details>."""
    if name == "figure":
        return _figure(argument, options, content, page)
    text, _ = plain_markdown(content, page)
    if name == "exercise":
        return f"{_exercise(argument, options, page)}\n\n{text}"
    if name == "solution":
        return _folded(f"Solution of {page.number(argument).text}", text)
    if name == "prf:proof":
        return _folded("Proof", text)
    if name not in TITLED:
        raise ValueError(f"{page.name}: no plain form for the directive {{{name}}}")
    title = page.number(options["label"]).text if "label" in options else TITLED[name]
    if argument:
        title = f"{title} ({inline(argument, page)})" if title else inline(argument, page)
    if "dropdown" in options.get("class", ""):
        return _folded(title, text)
    return "\n".join(f"> {line}".rstrip() for line in [f"**{title}**", "", *text.splitlines()])


def _exercise(title, options, page):
    return f"### {page.number(options['label']).text}: {inline(title, page)}" if title else f"### {page.number(options['label']).text}"


def _figure(path, options, caption, page):
    """A file's picture by its address on the site, so that the notebook may lie anywhere."""
    number = page.number(options["name"]).text if "name" in options else ""
    text, _ = plain_markdown(caption, page)
    return f"![{options.get('alt', '')}]({page.base}/_images/{Path(path).name})\n\n*{number}.* {text}".strip()


def _folded(summary, text):
    return f"<details>\n<summary>{summary}</summary>\n\n{text}\n\n</details>"


def inline(text: str, page: Page) -> str:
    """Roles, numbered formulas, targets and relative links, outside code and formulas."""
    text = LABELLED.sub(lambda m: f"$${m['formula'].rstrip()} \\tag{{{page.number(m['label']).text.strip('()')}}}$$", text)
    parts = VERBATIM.split(ROLE.sub(lambda m: _role(m["role"], m["text"], page), text))
    parts[::2] = [TARGET.sub("", LINK.sub(lambda m: f"]({_absolute(m['target'], page)})", part)) for part in parts[::2]]
    return "".join(parts)


def _role(role, text, page):
    shown, target = (re.fullmatch(r"(?:(.*?)\s*<)?([^<>]+)>?", text)[i] for i in (1, 2))
    if role.startswith("cite"):
        return ", ".join(f"[{page.cited[key.strip()]}]({page.base}/book/references.html)" for key in target.split(","))
    if role == "doc":
        return f"[{shown or page.number('/' + Path(target).name).text}]({page.base}/book/{Path(target).name}.html)"
    if role in ("eq", "numref", "ref", "prf:ref"):
        return page.link(target, shown)
    raise ValueError(f"{page.name}: no plain form for the role {{{role}}}")


def _absolute(target, page):
    """The address on the site of a link that is relative to a chapter."""
    path, _, anchor = target.partition("#")
    label = path or anchor
    if target.strip("#") == label and label in page.numbers:  # MyST finds a target on any page
        return f"{page.base}/{page.number(label).page}#{page.number(label).anchor}"
    place = f"{page.base}/{page.number('/' + Path(path).stem).page}" if path else page.url
    return f"{place}#{anchor}" if anchor else place


def write_all(html: Path = HTML) -> Path:
    """Write the plain notebook of every chapter beside the built pages, whose numbers they carry; their folder."""
    folder = html / FOLDER.name
    folder.mkdir(parents=True, exist_ok=True)
    base, numbers, cited = pages_url(), site_numbers(html), citations()
    for path in chapters():
        notebook = read(path)
        colab_cell.ensure(notebook, address.address())
        write(plain_notebook(notebook, Page(path.stem, numbers, cited, base)), folder / path.name)
    return folder


def main() -> int:
    print(f"{len(chapters())} notebooks in {write_all().relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
