"""The rules for chapters can fail: each is shown one small notebook that keeps it and some that break it."""

import pytest

pytest.importorskip("nbformat")

import rules  # noqa: E402
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output  # noqa: E402
from notebooks import METADATA  # noqa: E402

ALT = "A curve that rises and falls once."
DESCRIPTION = {"image": {"alt": ALT}, "figure": {"caption": "A curve.", "name": "fig-curve"}}


def book(*cells, metadata=METADATA):
    return new_notebook(cells=list(cells), metadata=metadata)


def code(source="1", outputs=(), count=1, tags=(), **mystnb):
    metadata = {"tags": list(tags), "mystnb": mystnb}
    return new_code_cell(source, outputs=list(outputs), execution_count=count, metadata=metadata)


def printed(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def value(**data):
    return new_output("display_data", data={mime.replace("_", "/"): text for mime, text in data.items()})


def image():
    return value(image_png="AAAA", text_plain="<Figure>")


def error():
    return new_output("error", ename="E", evalue="", traceback=[])


def html(text):
    return value(text_html=text, text_plain="<HTML>")


def exercise(label="ex-a", name="exercise"):
    return new_markdown_cell(f"```{{{name}}} Title\n:label: {label}\n\nWhy?\n```\n")


def solution(label="ex-a", options=":class: dropdown\n", name="solution"):
    return new_markdown_cell(f"```{{{name}}} {label}\n:label: sol-{label}\n{options}\nSo.\n```\n")


THREE = [cell for label in "abc" for cell in (exercise(label), solution(label))]
SLIDER = f'<div aria-label="{ALT}"><img src="data:image/png;base64,AA//a"></div>'

GOOD = {
    rules.executed_in_order: [book(code(count=1), code(count=2))],
    rules.no_unexpected_errors: [book(code(outputs=[error()], tags=["raises-exception"]))],
    rules.nothing_skipped: [book(code())],
    rules.no_machine_in_outputs: [
        book(code(outputs=[printed("W2 = 3.14, 4 / home, ratio a/b, 12 steps\n"), html("<b>1/tmp</b>")])),
        book(code(outputs=[printed("error 0.018\nsecond sign 2.0\ns = 3\n")])),
        book(code(outputs=[html('<img src="data:image/png;base64,xx/tmp/xx">')])),
    ],
    rules.short_cells: [book(code("x = 1\n" * 29 + "x"))],
    rules.no_closing_semicolon: [book(code("a = 1; b = 2"))],
    rules.python3_kernel: [book()],
    rules.something_compared: [book(code(outputs=[printed("1\n")])), book(code(outputs=[value(text_plain="3")]))],
    rules.one_title: [book(new_markdown_cell("# Title\n\n```python\n# a comment\n```"), new_markdown_cell("## Part"))],
    rules.ignored_where_it_moves: [
        book(code(outputs=[html(SLIDER)], tags=["nbval-ignore-output"])),
        book(code(outputs=[html("<table></table>")])),
    ],
    rules.pictures_are_described: [
        book(code(outputs=[image()], **DESCRIPTION)),
        book(code(outputs=[html(SLIDER)], figure=DESCRIPTION["figure"])),
        book(code(outputs=[html(SLIDER.replace("</div>", "<figcaption>It moves.</figcaption></div>"))])),
        book(code(outputs=[html("<table><tr><td>1</td></tr></table>")])),
    ],
    rules.one_picture_a_cell: [book(code(outputs=[printed("a"), image()]))],
    rules.markdown_images_are_described: [
        book(new_markdown_cell(f"![{ALT}](x.png)")),
        book(new_markdown_cell(f":::{{figure}} x.svg\n:alt: {ALT}\n\nCaption.\n:::")),
    ],
    rules.no_kernel_widgets: [book(code(outputs=[html(SLIDER)]))],
    rules.nothing_foreign: [book(code(outputs=[html(SLIDER), html('<a href="https://arxiv.org">paper</a>')]))],
    rules.exercises_have_solutions: [
        book(*THREE),
        book(
            *THREE[2:],
            exercise("z", "exercise-start"),
            new_markdown_cell("```{exercise-end}\n```"),
            solution("z", name="solution-start"),
            new_markdown_cell("```{solution-end}\n```"),
        ),
    ],
}

BAD = {
    rules.executed_in_order: [book(code(count=1), code(count=3)), book(code(count=None)), book(code(count=2))],
    rules.no_unexpected_errors: [book(code(outputs=[error()]))],
    rules.nothing_skipped: [book(code(tags=["nbval-skip"])), book(code(tags=["skip-execution"]))],
    rules.no_machine_in_outputs: [
        book(code(outputs=[printed("saved /home/me/x.pt\n")])),
        book(code(outputs=[value(text_plain="'/tmp/x'")])),
        book(code(outputs=[html("<p>in /root/x</p>")])),
        book(code(outputs=[printed("took 3.1 s\n")])),
        book(code(outputs=[printed("12 ms per loop\n")])),
        book(code(outputs=[printed("00:01<00:02, 9.1it/s")])),
        book(code(outputs=[printed("careful\n", name="stderr")])),
    ],
    rules.short_cells: [book(code("x = 1\n" * 30 + "x"))],
    rules.no_closing_semicolon: [book(code("plt.plot(x);")), book(code("plt.plot(x);\n"))],
    rules.python3_kernel: [book(metadata={"kernelspec": {"name": "my-env", "display_name": "Mine"}}), book(metadata={})],
    rules.something_compared: [
        book(code()),
        book(code(outputs=[image()])),
        book(code(outputs=[html(SLIDER)])),
        book(code(outputs=[printed("1\n")], tags=["nbval-ignore-output"])),
    ],
    rules.one_title: [
        book(new_markdown_cell("## Part")),
        book(new_markdown_cell("# A"), new_markdown_cell("# B")),
        book(code(), new_markdown_cell("# A")),
    ],
    rules.ignored_where_it_moves: [
        book(code(outputs=[printed("1")], tags=["nbval-ignore-output"])),
        book(code(outputs=[html(SLIDER)])),
        book(code(outputs=[image()], tags=["nbval-ignore-output"])),
    ],
    rules.pictures_are_described: [
        book(code(outputs=[image()], image={"alt": ALT})),
        book(code(outputs=[image()], image={"alt": "short"}, figure=DESCRIPTION["figure"])),
        book(code(outputs=[image()], image={"alt": ALT}, figure={"caption": "A curve."})),
        book(code(outputs=[html(SLIDER)])),
        book(code(outputs=[html('<img src="data:,">')], figure=DESCRIPTION["figure"])),
    ],
    rules.one_picture_a_cell: [book(code(outputs=[image(), image()])), book(code(outputs=[image(), html(SLIDER)]))],
    rules.markdown_images_are_described: [
        book(new_markdown_cell("![](x.png)")),
        book(new_markdown_cell("```{figure} x.svg\n:name: a\n\nCaption.\n```")),
        book(new_markdown_cell(f"````{{note}}\n```{{figure}} x.svg\n\n{ALT}\n```\n````")),
    ],
    rules.no_kernel_widgets: [book(code(outputs=[value(**{"application_vnd.jupyter.widget-view+json": {}})]))],
    rules.nothing_foreign: [
        book(code(outputs=[html('<script src="https://cdn.example.org/x.js"></script>')])),
        book(code(outputs=[html('<link rel="stylesheet" href="//cdn.example.org/x.css">')])),
        book(code(outputs=[html("<style>@import 'https://example.org/x.css'; a {}</style>")])),
        book(code(outputs=[html('<script>import("https://cdn.example.org/x.js")</script>')])),
    ],
    rules.exercises_have_solutions: [
        book(*THREE[2:]),
        book(*THREE, exercise("d")),
        book(*THREE, exercise("d"), solution("d", options="")),
        book(*THREE, solution("nothing")),
    ],
}


def cases(table):
    return [
        pytest.param(rule, notebook, id=f"{rule.__name__}-{i}") for rule, notebooks in table.items() for i, notebook in enumerate(notebooks)
    ]


@pytest.mark.parametrize("rule, notebook", cases(GOOD))
def test_rule_accepts(rule, notebook):
    assert list(rule(notebook)) == []


@pytest.mark.parametrize("rule, notebook", cases(BAD))
def test_rule_finds(rule, notebook):
    assert len(list(rule(notebook))) == 1


def test_every_rule_is_shown_both():
    assert set(rules.RULES) == set(GOOD) == set(BAD)


def test_colab_cell_must_come_first_and_be_the_generated_one():
    assert list(rules.colab_cell_first(book(code("wanted"), code("other")), "wanted")) == []
    for notebook in (book(), book(code("other"), code("wanted")), book(code("wanted\n"))):
        assert len(list(rules.colab_cell_first(notebook, "wanted"))) == 1


def test_cited_finds_every_form():
    assert rules.cited("{cite:p}`a,b`, {cite}`c` and {cite:t}`d`, not {eq}`e`") == {"a", "b", "c", "d"}
