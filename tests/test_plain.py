"""Chapters as plain notebooks: nothing of MyST is left, nothing of the text is lost."""

import importlib.util

import pytest

pytest.importorskip("nbformat")

import colab_cell  # noqa: E402
import plain  # noqa: E402
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook  # noqa: E402
from notebooks import ROOT  # noqa: E402
from site_numbers import Number, citations  # noqa: E402

BASE = "https://example.org/book"
NUMBERS = {
    "eq-a": Number("(2.1)", "book/02_b.html", "equation-eq-a"), "ex-a": Number("Exercise 2.1", "book/02_b.html", "ex-a"),
    "fig-a": Number("Fig. 2.1", "book/02_b.html", "fig-a"), "thm-a": Number("Theorem 2.1", "book/02_b.html", "thm-a"),
    "m1": Number("m1", "book/notation.html", "m1"), "/01_a": Number("The first", "book/01_a.html", ""),
}  # fmt: skip
PAGE = plain.Page("02_b", NUMBERS, {"villani": "Villani, 2003", "song": "Song et al., 2023"}, BASE)
HERE = f"{BASE}/book/02_b.html"


@pytest.mark.parametrize(
    "source, wanted",
    [
        ("see {eq}`eq-a` and {ref}`ex-a`", f"see [(2.1)]({HERE}#equation-eq-a) and [Exercise 2.1]({HERE}#ex-a)"),
        ("{numref}`fig-a`, {prf:ref}`thm-a`", f"[Fig. 2.1]({HERE}#fig-a), [Theorem 2.1]({HERE}#thm-a)"),
        ("{cite:p}`villani,song`", f"[Villani, 2003]({BASE}/book/references.html), [Song et al., 2023]({BASE}/book/references.html)"),
        ("{doc}`01_a` and {doc}`chapter 1 <01_a>`", f"[The first]({BASE}/book/01_a.html) and [chapter 1]({BASE}/book/01_a.html)"),
        ("$$\na = b\n$$ (eq-a)", "$$\na = b \\tag{2.1}$$"),
        (
            "[M1](#m1), [below](#part), [one](01_a.md#x), [it](m1)",
            f"[M1]({BASE}/book/notation.html#m1), [below]({HERE}#part), [one]({BASE}/book/01_a.html#x), [it]({BASE}/book/notation.html#m1)",
        ),
        ("(here)=\n## Part\n\n`(no)=`", "## Part\n\n`(no)=`"),
        ("$u[a](z)$, $$[a](z)$$ and [M1](m1)", f"$u[a](z)$, $$[a](z)$$ and [M1]({BASE}/book/notation.html#m1)"),
        ("`[a](b)` and [web](https://a.org)", "`[a](b)` and [web](https://a.org)"),
        (":::{note}\nTwo\n\n- lines\n:::", "> **Note**\n>\n> Two\n>\n> - lines"),
        (":::{admonition} Why $x$?\n:class: tip\nSo.\n:::", "> **Why $x$?**\n>\n> So."),
        ("```{prf:theorem} Brenier\n:label: thm-a\n\nA map.\n```", "> **Theorem 2.1 (Brenier)**\n>\n> A map."),
        (":::{prf:proof}\nEasy.\n:::", "<details>\n<summary>Proof</summary>\n\nEasy.\n\n</details>"),
        ("```{exercise} Why\n:label: ex-a\n\nBecause?\n```", "### Exercise 2.1: Why\n\nBecause?"),
        ("```{solution} ex-a\n:class: dropdown\n\nSo.\n```", "<details>\n<summary>Solution of Exercise 2.1</summary>\n\nSo.\n\n</details>"),
        (":::{figure} _static/a.svg\n:alt: A box.\n:name: fig-a\n\nThe box.\n:::", f"![A box.]({BASE}/_images/a.svg)\n\n*Fig. 2.1.* The box."),
        ("````{note}\n```python\nx = {'a': 1}\n```\n````", "> **Note**\n>\n> ```python\n> x = {'a': 1}\n> ```"),
        ("```python\nprint('[a](b)')\n```", "```python\nprint('[a](b)')\n```"),
    ],
)
def test_text(source, wanted):
    assert plain.plain_markdown(source, PAGE) == (wanted, None)


def test_a_solution_that_runs_over_cells_is_folded_in_each():
    notebook = new_notebook(cells=[
        new_code_cell("set up", metadata={"tags": [colab_cell.TAG]}),
        new_markdown_cell("````{exercise-start} Why\n:label: ex-a\n````\nBecause?"), new_code_cell("answer = None"),
        new_markdown_cell("````{exercise-end}\n````\n\n````{solution-start} ex-a\n:class: dropdown\n````\nSo."),
        new_code_cell("answer = 1"), new_markdown_cell("And so.\n\n````{solution-end}\n````\n\nOn."), new_code_cell("other"),
    ])  # fmt: skip
    cells = plain.plain_notebook(notebook, PAGE).cells
    texts = [cell.source for cell in cells]
    assert texts[0] == "set up" and HERE in texts[1] and texts[2] == "### Exercise 2.1: Why\n\nBecause?"
    assert texts[4].startswith("<details>\n<summary>Solution of Exercise 2.1") and "So." in texts[4]
    assert texts[5] == "#@title Solution of Exercise 2.1 (show the code)\nanswer = 1" and cells[5].metadata["jupyter"]["source_hidden"]
    assert "And so." in texts[6].split("</details>")[0] and texts[6].split("</details>")[1].strip() == "On."
    assert texts[7] == "other" and "jupyter" not in cells[7].metadata and cells[3].metadata.get("cellView") is None


def test_the_caption_of_a_cells_picture_follows_it():
    metadata = {"mystnb": {"figure": {"caption": "Where {eq}`eq-a` holds.", "name": "fig-a"}}}
    notebook = new_notebook(cells=[new_code_cell("set up", metadata={"tags": [colab_cell.TAG]}), new_code_cell("draw()", metadata=metadata)])
    assert plain.plain_notebook(notebook, PAGE).cells[-1].source == f"*Fig. 2.1.* Where [(2.1)]({HERE}#equation-eq-a) holds."


@pytest.mark.parametrize("source", ["```{mermaid}\nx\n```", "{term}`x`", "{eq}`eq-nowhere`", "[a](nowhere)", "```{note}\nnever closed"])
def test_what_has_no_plain_form_is_loud(source):
    with pytest.raises((ValueError, KeyError)):
        plain.plain_markdown(source, PAGE)


def test_names_of_works():
    cited = citations()
    assert cited["villani2003topics"] == "Villani, 2003" and cited["kingma2014auto"] == "Kingma and Welling, 2014"
    assert cited["song2023flow"] == "Song et al., 2023"


def buttons(suffix):
    """What the theme would show on a chapter's page, as the extension leaves it."""
    spec = importlib.util.spec_from_file_location("plain_notebooks", ROOT / "book" / "_ext" / "plain_notebooks.py")
    extension = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(extension)
    download = {"label": "download-source-button", "url": "../_sources/book/02_b"}
    launch = {"text": "Colab", "url": "https://colab.example/github/o/n/blob/main/book/02_b.ipynb"}
    context = {"header_buttons": [{"buttons": [download]}, {"buttons": [launch]}], "page_source_suffix": suffix,
               "pathto": lambda folder, _: f"../{folder}"}  # fmt: skip
    extension.lead_to_plain(None, "book/02_b", "page.html", context, None)
    return download["url"], launch["url"]


def test_buttons_lead_to_the_plain_notebook_on_chapters_only():
    assert buttons(".ipynb") == ("../notebooks/02_b.ipynb", "https://colab.example/github/o/n/blob/notebooks/02_b.ipynb")
    assert buttons(".md") == ("../_sources/book/02_b", "https://colab.example/github/o/n/blob/main/book/02_b.ipynb")
