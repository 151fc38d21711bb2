"""Assignments run cell by cell in this process, as their notebooks would: with the solution, and with one answer replaced."""

import contextlib
import io

from exercises import answered, in_book, in_fork, run_cell

from flowlib.teaching.sources import grade_id, notebook, points, sources

HIDDEN = "### BEGIN HIDDEN TESTS"


def verify(name, wrong):
    """The solution passes every test, and each wrong answer fails its own: (source, None), or only the hidden one: (source, HIDDEN).

    wrong : task → wrong answers, at least two
    """
    cells = [cell for cell in notebook(sources()[name]).cells if cell.cell_type == "code" and "colab" not in cell.metadata.get("tags", [])]
    assert set(wrong) == set(points(cells)) and min(map(len, wrong.values())) >= 2
    tests = {grade_id(cell): cell.source for cell in cells}
    namespace, problems = {"__name__": "__main__"}, []
    with in_book():
        for cell in cells:
            task = (grade_id(cell) or "").removeprefix("answer-")
            for answer, by in wrong.get(task, []) if (grade_id(cell) or "").startswith("answer-") else []:
                said = in_fork(lambda: _said(answer, tests[task], namespace))
                expected = f"{task}: right. NotYet" if by else "NotYet"
                if not said.startswith(expected) or "cannot be tested" in said and "raise" not in answer:
                    problems.append(f"{task}: wanted {expected!r}, got {said!r} for\n{answer}")
            with contextlib.redirect_stdout(io.StringIO()):
                run_cell(cell.source, namespace, f"{name}[{task}]")
    assert not problems, "\n".join(problems)


def _said(answer, test, namespace):
    """All that a test prints, and its refusal."""
    printed, refusal = answered(answer, test, namespace)
    return printed if refusal is None else " ".join([*printed.split("\n"), refusal]).strip().replace("  ", " ")
