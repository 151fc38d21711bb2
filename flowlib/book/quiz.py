"""A question to answer before reading on, in plain HTML: no script, no kernel, keyboard or touch."""

import hashlib
import html
import re

from flowlib.errors import FlowlibError
from flowlib.viz.widget import asset


def prediction(question, answers):
    """A question with answers that open their feedback when chosen; returns IPython's HTML.

    `answers`: (text, correct, feedback) for each. Texts may hold formulas between \\( and \\), `code`, and
    *emphasis*. Raises FlowlibError unless at least one answer is correct and one is wrong.
    """
    from IPython.display import HTML

    answers = [tuple(answer) for answer in answers]
    if any(len(answer) != 3 for answer in answers):
        raise FlowlibError(f"answers {answers} must be triples (text, correct, feedback)")
    if {bool(correct) for _, correct, _ in answers} != {True, False}:
        raise FlowlibError("a question needs at least one correct and one wrong answer; mark each with True or False")
    key = hashlib.sha256(repr((question, answers)).encode()).hexdigest()[:12]
    items = "".join(_answer(key, *answer) for answer in answers)
    return HTML(
        f'<div class="flowquiz tex2jax_process mathjax_process" role="group" aria-label="question">'
        f"<style>{asset('quiz.css')}</style><p>{_inline(question)}</p>{items}</div>"
    )


def _answer(key, text, correct, feedback):
    kind, verdict = ("right", "Right.") if correct else ("wrong", "Not so.")
    return (
        f'<details class="flowquiz-{kind}" name="{key}"><summary><span>{_inline(text)}</span></summary>'
        f"<p><strong>{verdict}</strong> {_inline(feedback)}</p></details>"
    )


def _inline(text):
    """Escape HTML, then turn `code` and *emphasis* into elements, leaving formulas alone."""
    parts = re.split(r"(\\\(.*?\\\))", html.escape(text, quote=False))
    for index in range(0, len(parts), 2):
        marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", parts[index])
        parts[index] = re.sub(r"\*([^*]+)\*", r"<em>\1</em>", marked)
    return "".join(parts)
