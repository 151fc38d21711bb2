"""The workflows call what is there, and publish what was made."""

import re

import pytest

pytest.importorskip("yaml")

import figures  # noqa: E402
import slides  # noqa: E402
import yaml  # noqa: E402
from notebooks import ROOT  # noqa: E402

WORKFLOWS = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in (ROOT / ".github" / "workflows").glob("*.yml")}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))


def commands(workflow):
    """The shell lines of a workflow."""
    steps = [step for job in WORKFLOWS[workflow]["jobs"].values() for step in job["steps"]]
    return [line.strip() for step in steps for line in step.get("run", "").splitlines()]


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_a_workflow_calls_targets_and_files_that_are_there(workflow):
    lines = commands(workflow)
    assert lines and {match[1] for line in lines if (match := re.match(r"make ([a-z-]+)", line))} <= TARGETS
    paths = {path for line in lines for path in re.findall(r"(?<!\S)(?:tests|\.ci)/[\w./]+(?![\w*])", line)}
    assert all((ROOT / path).exists() for path in paths)


def test_a_release_carries_the_book_its_figures_and_its_slides():
    lines = commands("release")
    upload = next(line for line in lines if line.startswith("gh release upload"))
    made = ["_build/flowlib-book.pdf", f"_build/figures/{figures.ARCHIVE}", (slides.FOLDER / slides.ARCHIVE).relative_to(ROOT).as_posix()]
    assert [word for word in upload.split() if word.startswith("_build/")] == made
    assert [line for line in lines if line in ("make pdf", "make figures", "make slides")] == ["make pdf", "make figures", "make slides"]
    assert 'ROOT / "_build" / "flowlib-book.pdf"' in (ROOT / "book" / "_tools" / "pdf.py").read_text(encoding="utf-8")


def test_every_week_colab_is_tried():
    assert any(line.startswith("make colab-check") and "--torch colab" in line for line in commands("weekly"))


def test_every_run_grades_all_assignments():
    for lines in ((ROOT / ".ci" / "run").read_text().splitlines(), commands("tests")):
        assert any("FLOWLIB_NBGRADER=1" in line and "tests/test_teaching.py" in line for line in lines)
    assert ".ci/run" in commands("weekly")
