"""The rules by which a page becomes slides, on small pages: what is shown, what goes to the notes, what stays together."""

import pytest

pytest.importorskip("bs4")

import slide_blocks  # noqa: E402
import slides  # noqa: E402
from bs4 import BeautifulSoup  # noqa: E402
from slide_blocks import Block  # noqa: E402

LONG = "Some words of a sentence that goes on for a while. " * 3
FORMULA = '<div class="math">\\[ a = b \\]</div>'


def part(html):
    return slide_blocks.cleaned(BeautifulSoup(f"<section>{html}</section>", "html.parser")).find("section")


def made(html):
    return list(slide_blocks.blocks(part(html)))


@pytest.mark.parametrize("html, wanted", [
    ("One. Two? Three", ["One.", "Two?", "Three"]),
    ('By <span class="math">\\(x. y\\)</span> it is. So', ['By <span class="math">\\(x. y\\)</span> it is.', "So"]),
    ("<strong>It holds.</strong> Always", ["<strong>It holds.</strong>", "Always"]),
    ("See <code>a. b</code>, and 1.5 of it.", ["See <code>a. b</code>, and 1.5 of it."]),
])  # fmt: skip
def test_sentences(html, wanted):
    assert slide_blocks.split(part(f"<p>{html}</p>").p) == wanted


def test_of_a_long_paragraph_the_beginning_the_bold_and_the_lead_are_shown():
    (block, formula) = made(f"<p>First. {LONG}<strong>Bold it is.</strong> {LONG}So we get</p>{FORMULA}")
    assert block.html.startswith("<p>First. Some") and "Bold it is." in block.html and block.html.endswith("So we get</p>")
    assert block.html.count("goes on") < 6 == block.notes.count("goes on") and block.leads and not formula.leads
    (whole,) = made("<p>Short and whole.</p>")
    assert (whole.html, whole.notes, whole.leads) == ("<p>Short and whole.</p>", "", False)


def test_a_paragraph_that_goes_on_after_a_formula_stays_with_it():
    lead, formula, after, other = made(f"<p>Take</p>{FORMULA}<p>where it holds.</p><p>Then on.</p>")
    assert slides.grouped([lead, formula, after, other]) == [[lead, formula, after], [other]]


def test_exercises_code_and_links_are_left_out_and_proofs_are_for_the_notes():
    blocks = made(
        '<p><a href="x.html">there</a>.<a class="headerlink" href="#">#</a></p><div class="exercise admonition"><p>Prove it.</p></div>'
        '<div class="proof admonition"><div><section id="proof-content"><p>Easily.</p></section></div></div>'
        '<div class="proof theorem admonition"><p class="admonition-title">Theorem</p><section><p>It is.</p></section></div>'
        '<div class="cell"><div class="cell_input"><pre>x = 1</pre></div><div class="cell_output"><div class="output stream"><pre>1 &lt; 2\n</pre></div></div></div>'
    )
    assert [block.html for block in blocks][0] == "<p>there.</p>" and "Easily" in blocks[1].notes and not blocks[1].html
    assert "It is." in blocks[2].html and "<section" not in blocks[2].html
    assert blocks[3].html == "<pre>1 &lt; 2</pre>" and len(blocks) == 4


def test_what_is_printed_at_length_is_for_the_notes():
    (block,) = made(f'<div class="cell"><div class="cell_output"><div class="output"><pre>{"line" + chr(10) * 2}{"x" + chr(10)}' + "y\n" * 12 + "</pre></div></div></div>")  # fmt: skip
    assert not block.html and block.height == 0 and "line" in block.notes


def test_slides_are_filled_and_groups_are_kept():
    lead, formula, text = Block("lead", 50, leads=True), Block("formula", 80), Block("text", 40)
    assert slides.packed([text, lead, formula], limit=170) == [[text, lead, formula]]
    assert slides.packed([text, lead, formula], limit=169) == [[text], [lead, formula]]
    assert slides.packed([lead, formula], limit=100) == [[lead], [formula]], "what no slide can hold is parted"


def test_nothing_follows_a_question_on_its_slide_but_notes():
    question, notes, answer = Block("question", 100, closes=True), Block(notes="said"), Block("answer", 40)
    assert slides.packed([question, notes, answer]) == [[question, notes], [answer]]


def test_columns_are_the_parts_of_a_page_and_the_summary_is_the_last():
    article = BeautifulSoup(
        '<article><section id="t"><h1>Title</h1><p>You can.</p><section id="a"><h2>1.1. A</h2><p>a</p><section id="b"><h3>B</h3><p>b</p></section></section>'
        '<section id="exercises"><h2>Exercises</h2><p>Do.</p><div class="admonition"><p class="admonition-title">What to remember</p><ul><li>All.</li></ul></div>'
        "</section></section></article>",
        "html.parser",
    )
    found = slides.columns(slide_blocks.cleaned(article))
    assert [len(column) for column in found] == [2, 2, 1]
    assert "<h1>Title</h1>" in found[0][0] and "<h2>1.1. A</h2>" in found[1][0] and "<small>1.1. A</small>B" in found[1][1]
    assert "What to remember</h2>" in found[2][0] and "Do." not in str(found)
