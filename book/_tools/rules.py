"""What every chapter must satisfy: one function a rule; each yields what is wrong, or nothing."""

import re

from notebooks import METADATA, code_cells, tags
from outputs import HtmlOutput, has_image, html_outputs, is_compared, stderr_text, texts

MOST_LINES = 30
FEWEST_EXERCISES = 3
SHORTEST_ALT = 20
IGNORED = "nbval-ignore-output"

ABSOLUTE_PATH = re.compile(r"(?<![\w.~])/(?:home|root|tmp|Users|private|content|mnt|opt|usr|var|work)/[\w.-]")
TIMING = re.compile(
    r"Wall time|CPU times|\bit/s\b|\bs/it\b"
    r"|\b\d+(?:\.\d+)?[ ]?(?:ms|µs|us|seconds?|minutes?)\b|\b\d+\.\d+[ ]?s\b|\b\d\d:\d\d<"
)
DIRECTIVE = re.compile(
    r"^(?P<fence>`{3,}|:{3,})\{(?P<name>[\w:-]+)\}[ \t]*(?P<argument>[^\n]*)\n"
    r"(?P<body>.*?)^(?P=fence)",
    re.S | re.M,
)
CITATION = re.compile(r"\{cite(?::\w+)?\}`([^`]+)`")
MARKDOWN_IMAGE = re.compile(r"!\[(?P<alt>[^\]]*)\]\(")


def executed_in_order(notebook):
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"not executed top to bottom: counts {counts}"


def no_unexpected_errors(notebook):
    for name, cell in numbered(notebook):
        errors = [output for output in cell.outputs if output.output_type == "error"]
        if errors and "raises-exception" not in tags(cell):
            yield f"{name}: error output {errors[0].ename}"


def nothing_skipped(notebook):
    for name, cell in numbered(notebook):
        if {"nbval-skip", "skip-execution"} & set(tags(cell)):
            yield f"{name}: skipped in validation"


def no_machine_in_outputs(notebook):
    """Paths and timings differ elsewhere; warnings and progress bars (stderr) do too."""
    for name, cell in numbered(notebook):
        for text in texts(cell):
            for pattern, what in ((ABSOLUTE_PATH, "an absolute path"), (TIMING, "a timing")):
                if found := pattern.search(text):
                    around = text[max(0, found.start() - 20) : found.end() + 20]
                    yield f"{name}: {what} in the output: {around!r}"
        if stderr := stderr_text(cell):
            yield f"{name}: output on stderr: {stderr[:80]!r}"


def short_cells(notebook):
    for name, cell in numbered(notebook):
        if (lines := cell.source.count("\n") + 1) > MOST_LINES:
            yield f"{name}: {lines} lines, over {MOST_LINES}"


def no_closing_semicolon(notebook):
    """nbval runs cells without history, where a closing semicolon silences nothing: outputs would differ."""
    for name, cell in numbered(notebook):
        if cell.source.rstrip().endswith(";"):
            yield f"{name}: ends with a semicolon; let the call return None, or assign its result to _"


def python3_kernel(notebook):
    if notebook.metadata.get("kernelspec") != METADATA["kernelspec"]:
        yield f"kernelspec {notebook.metadata.get('kernelspec')}, wanted {METADATA['kernelspec']}"


def something_compared(notebook):
    if not any(is_compared(cell) and IGNORED not in tags(cell) for cell in code_cells(notebook)):
        yield "no cell has a text output for nbval to compare"


def one_title(notebook):
    titles = [
        i
        for i, cell in enumerate(notebook.cells)
        if cell.cell_type == "markdown"
        for line in _outside_fences(cell.source)
        if line.startswith("# ")
    ]
    if titles != [0]:
        yield f"wanted one heading of level 1, in cell 0; found them in cells {titles}"


def colab_cell_first(notebook, wanted: str):
    first = next(iter(code_cells(notebook)), None)
    if first is None or first.source != wanted:
        yield "the first code cell is not the generated Colab cell: run python book/_tools/address.py"


def ignored_where_it_moves(notebook):
    """Embedded pictures differ in their bytes elsewhere, so such HTML is ignored; text never is."""
    for name, cell in numbered(notebook):
        if IGNORED in tags(cell) and not html_outputs(cell):
            yield f"{name}: tagged {IGNORED}, but its output is no HTML"
        if IGNORED not in tags(cell) and any(html.has_picture for html in html_outputs(cell)):
            yield f"{name}: HTML with pictures needs the tag {IGNORED}"


def pictures_are_described(notebook):
    """An image has an alternative text, a caption and a name; HTML brings its own alternative text."""
    for name, cell in numbered(notebook):
        if "remove-output" in tags(cell):
            continue
        shown = cell.metadata.get("mystnb", {})
        pages = [html for html in html_outputs(cell) if html.has_picture]
        if has_image(cell) and len(shown.get("image", {}).get("alt", "")) < SHORTEST_ALT:
            yield f"{name}: an image without alternative text of {SHORTEST_ALT} letters (mystnb: image: alt)"
        if any(not html.described for html in pages):
            yield f"{name}: HTML with a picture, but without alt or aria-label"
        wanted = ("caption", "name") if has_image(cell) or any(not html.captioned for html in pages) else ()
        if lacking := [key for key in wanted if not shown.get("figure", {}).get(key)]:
            yield f"{name}: a picture without {' and '.join(lacking)} (mystnb: figure: …)"


def one_picture_a_cell(notebook):
    for name, cell in numbered(notebook):
        count = sum(1 for output in cell.outputs if _shows_picture(output))
        if count > 1:
            yield f"{name}: {count} pictures share one caption"


def markdown_images_are_described(notebook):
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "markdown":
            continue
        for directive in directives(cell.source):
            if directive["name"] in ("figure", "image") and len(option(directive, "alt")) < SHORTEST_ALT:
                picture = f"{{{directive['name']}}} {directive['argument']}"
                yield f"cell {index}: {picture} without an :alt: of {SHORTEST_ALT} letters"
        if any(len(image["alt"]) < SHORTEST_ALT for image in MARKDOWN_IMAGE.finditer(cell.source)):
            yield f"cell {index}: ![](…) without an alternative text of {SHORTEST_ALT} letters"


def no_kernel_widgets(notebook):
    """The published page runs no kernel and loads no widget scripts."""
    for name, cell in numbered(notebook):
        if any("widget-view" in mime for output in cell.outputs for mime in output.get("data", {})):
            yield f"{name}: an ipywidgets view, which is dead in the published page"


def nothing_foreign(notebook):
    for name, cell in numbered(notebook):
        for output in html_outputs(cell):
            for address in output.foreign:
                yield f"{name}: HTML output asks another host: {address}"


def exercises_have_solutions(notebook):
    found = [d for cell in notebook.cells if cell.cell_type == "markdown" for d in directives(cell.source)]
    exercises = [d for d in found if d["name"] in ("exercise", "exercise-start")]
    solutions = {d["argument"].strip(): d for d in found if d["name"] in ("solution", "solution-start")}
    if len(exercises) < FEWEST_EXERCISES:
        yield f"{len(exercises)} exercises, fewer than {FEWEST_EXERCISES}"
    for exercise in exercises:
        label = option(exercise, "label")
        if label not in solutions:
            yield f"exercise {label or exercise['argument']!r} has no solution"
        elif "dropdown" not in option(solutions[label], "class").split():
            yield f"the solution of {label} is not collapsed (:class: dropdown)"
    for unmatched in solutions.keys() - {option(e, "label") for e in exercises}:
        yield f"a solution of {unmatched!r}, which is no exercise of this chapter"


def cited(text: str) -> set[str]:
    """The keys that a text cites."""
    return {key.strip() for keys in CITATION.findall(text) for key in keys.split(",")}


def directives(text: str) -> list[dict]:
    """The directives of a markdown cell: name, argument, body; nested ones too."""
    found = [match.groupdict() for match in DIRECTIVE.finditer(text)]
    return found + [inner for outer in found for inner in directives(outer["body"])]


def option(directive: dict, name: str) -> str:
    match = re.search(rf"^:{name}:[ \t]*(.*)$", directive["body"], re.M)
    return match.group(1).strip() if match else ""


def numbered(notebook):
    """The code cells, each with the name by which a message calls it."""
    return [(f"cell {i} [{cell.execution_count}]", cell) for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]


def _shows_picture(output) -> bool:
    html = HtmlOutput.of(output)
    return has_image({"outputs": [output]}) or (html is not None and html.has_picture)


def _outside_fences(source: str) -> list[str]:
    inside, lines = False, []
    for line in source.splitlines():
        if line.startswith(("```", "~~~")):
            inside = not inside
        elif not inside:
            lines.append(line)
    return lines


RULES = (
    executed_in_order,
    no_unexpected_errors,
    nothing_skipped,
    no_machine_in_outputs,
    short_cells,
    no_closing_semicolon,
    python3_kernel,
    something_compared,
    one_title,
    ignored_where_it_moves,
    pictures_are_described,
    one_picture_a_cell,
    markdown_images_are_described,
    no_kernel_widgets,
    nothing_foreign,
    exercises_have_solutions,
)
