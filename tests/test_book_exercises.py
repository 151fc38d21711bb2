"""The manners of the book's checks."""

import pytest
import torch

from flowlib.book.exercises import NotYet, check, close, verdict


def two(a, b):
    yield a == 1, "a is not the first number"
    yield b == 2, "b is not the second"


class TestVerdict:
    @pytest.mark.parametrize("empty", [None, ...])
    def test_an_empty_answer_is_not_answered_yet(self, empty):
        assert verdict(two, {"a": empty, "b": empty}) == "Not answered yet."

    def test_a_half_filled_answer_names_what_is_empty(self):
        assert verdict(two, {"a": 1, "b": None}) == "Not answered yet (b)."

    def test_the_right_answer(self):
        assert verdict(two, {"a": 1, "b": 2}) == "Right."

    def test_the_first_condition_that_fails_gives_the_hint(self):
        with pytest.raises(NotYet, match="^a is not the first number$"):
            verdict(two, {"a": 3, "b": 3})
        with pytest.raises(NotYet, match="^b is not the second$"):
            verdict(two, {"a": 1, "b": 3})

    @pytest.mark.parametrize("answer", ["text", [1, 2], torch.zeros(3), lambda: 1 / 0])
    def test_an_answer_that_cannot_be_used_is_no_crash(self, answer):
        def called(f):
            yield f() > torch.zeros(()), "no"

        with pytest.raises(NotYet, match="cannot be checked"):
            verdict(called, {"f": answer})

    def test_a_condition_without_one_truth_value_is_no_crash(self):
        def many(a):
            yield a > 0, "no"

        with pytest.raises(NotYet, match="cannot be checked"):
            verdict(many, {"a": torch.ones(2)})


def test_the_decorator_runs_the_check_at_once(capsys):
    @check(a=1, b=2)
    def _(a, b):
        yield from two(a, b)

    assert capsys.readouterr().out == "Right.\n" and _ is None


def test_a_notebook_shows_the_hint_alone():
    assert NotYet("look at the sign")._render_traceback_() == ["Not yet: look at the sign"]


class TestClose:
    @pytest.mark.parametrize(
        "answer, expected",
        [(1.0005, 1), ([1, 2], torch.tensor([1.0, 2.0])), (torch.tensor([[3.0]], requires_grad=True), 3), (True, 1.0)],
    )
    def test_within_the_distance(self, answer, expected):
        assert close(answer, expected)

    @pytest.mark.parametrize("answer, expected", [(1.01, 1), (float("nan"), 1), ([1, 2, 3], [1, 2]), ([[1], [2]], [1, 2]), (2.0, [2.0, 2.0])])
    def test_beyond_it_or_in_another_shape(self, answer, expected):
        assert not close(answer, expected)
