"""A question to answer before reading on, in plain HTML: no script, no kernel, works with the keyboard alone."""

import hashlib
import html
import re

from flowlib.errors import FlowlibError

CSS = """
.flowquiz{margin:.8em 0;padding:.7em 1em;border:1px solid rgba(128,134,142,.5);border-left:4px solid #2d98e2;border-radius:6px;color:inherit}
.flowquiz>p{margin:.1em 0 .6em;font-weight:600}
.flowquiz details{margin:.35em 0;border:1px solid rgba(128,134,142,.5);border-radius:6px;background:transparent;box-shadow:none}
.flowquiz summary{display:flex;align-items:center;box-sizing:border-box;min-height:44px;margin:0;padding:.4em .8em;cursor:pointer;list-style:none;color:inherit;background:transparent}
.flowquiz summary::-webkit-details-marker{display:none}
.flowquiz summary::before{content:'○';flex:0 0 1.5em}
.flowquiz details[open].flowquiz-right{border-color:#009e5c;box-shadow:inset 4px 0 0 #009e5c}
.flowquiz details[open].flowquiz-wrong{border-color:#de640d;box-shadow:inset 4px 0 0 #de640d}
.flowquiz details[open].flowquiz-right>summary::before{content:'✓'}
.flowquiz details[open].flowquiz-wrong>summary::before{content:'✗'}
.flowquiz details>p{margin:0 .8em .6em 2.3em}
.flowquiz summary:focus-visible{outline:2px solid #2d98e2;outline-offset:2px}
html[data-theme=dark] .bd-content div.cell_output .text_html.text_html:has(.flowquiz){background:none;color:inherit;padding:0}
"""


def prediction(question, answers):
    """A question with answers that open their feedback when chosen; returns IPython's HTML.

    `answers`: (text, correct, feedback) for each. Texts may hold formulas between \\( and \\), `code`, and *emphasis*.
    Raises FlowlibError unless at least one answer is correct and one is wrong.
    """
    from IPython.display import HTML

    answers = [tuple(answer) for answer in answers]
    if any(len(answer) != 3 for answer in answers):
        raise FlowlibError(f"answers {answers} must be triples (text, correct, feedback)")
    if {bool(correct) for _, correct, _ in answers} != {True, False}:
        raise FlowlibError("a question needs at least one correct and one wrong answer; mark each with True or False")
    key = hashlib.sha256(repr((question, answers)).encode()).hexdigest()[:12]
    items = "".join(_answer(key, *answer) for answer in answers)
    return HTML(f'<div class="flowquiz tex2jax_process mathjax_process" role="group" aria-label="question">'
                f'<style>{"".join(CSS.splitlines())}</style><p>{_inline(question)}</p>{items}</div>')


def _answer(key, text, correct, feedback):
    kind, verdict = ("right", "Right.") if correct else ("wrong", "Not so.")
    return (f'<details class="flowquiz-{kind}" name="{key}"><summary><span>{_inline(text)}</span></summary>'
            f"<p><strong>{verdict}</strong> {_inline(feedback)}</p></details>")


def _inline(text):
    """Escape HTML, then turn `code` and *emphasis* into elements, leaving formulas alone."""
    parts = re.split(r"(\\\(.*?\\\))", html.escape(text, quote=False))
    for index in range(0, len(parts), 2):
        marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", parts[index])
        parts[index] = re.sub(r"\*([^*]+)\*", r"<em>\1</em>", marked)
    return "".join(parts)
