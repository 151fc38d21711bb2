"""Questions: formulas, code and emphasis as HTML, and mistakes named."""

import pytest

from flowlib.book.quiz import prediction
from flowlib.errors import FlowlibError

ANSWERS = [("yes", True, r"since \(a * b * c < d\) and `x < y`"), ("no", False, "*not* so")]


def test_a_question_is_the_same_every_time_and_leaves_formulas_alone():
    page = prediction("Is it?", ANSWERS).data
    assert page == prediction("Is it?", ANSWERS).data
    assert page.count("<details") == 2 and "<script" not in page
    assert r"\(a * b * c &lt; d\)" in page and "<code>x &lt; y</code>" in page and "<em>not</em>" in page


def test_a_question_needs_a_right_and_a_wrong_answer():
    with pytest.raises(FlowlibError, match="one correct and one wrong"):
        prediction("Is it?", ANSWERS[:1])
    with pytest.raises(FlowlibError, match="triples"):
        prediction("Is it?", [("yes", True)])
