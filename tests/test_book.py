"""Every chapter keeps the rules of book/_tools/rules.py, and the book as a whole is consistent."""

import re

import pytest

pytest.importorskip("nbformat")

import address  # noqa: E402
import check_pages  # noqa: E402
import exercises  # noqa: E402
import rules  # noqa: E402
from notebooks import BOOK, ROOT, chapters, read  # noqa: E402

from flowlib.colab import setup_source  # noqa: E402

MOST_BYTES = 2_000_000


@pytest.fixture(scope="module", params=chapters(), ids=lambda path: path.stem)
def chapter(request):
    return request.param


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_chapter_keeps_rule(chapter, rule):
    assert list(rule(read(chapter))) == []


def test_chapter_starts_with_the_colab_cell(chapter):
    assert list(rules.colab_cell_first(read(chapter), setup_source(address.address()))) == []


def test_chapter_is_small(chapter):
    assert chapter.stat().st_size < MOST_BYTES


def test_wrong_answers_to_its_exercises_are_tried(chapter):
    """A chapter has three exercises or more, and a test that gives their checks right and wrong answers (tests/exercises.py)."""
    if re.match(r"\d\d_", chapter.stem):
        assert len(exercises.exercises(read(chapter))) >= 3
        tests = ROOT / "tests" / f"test_exercises_{chapter.stem[:2]}.py"
        assert tests.exists() and f'verify("{chapter.stem}"' in tests.read_text(encoding="utf-8")


def test_toc_lists_exactly_the_chapters_and_nothing_missing():
    listed = check_pages.toc_pages()
    assert len(listed) == len(set(listed))
    assert [page for page in listed if not list(BOOK.parent.glob(f"{page}.*"))] == []
    assert [path.stem for path in chapters() if f"book/{path.stem}" not in listed] == []


def test_every_citation_has_a_reference_and_every_reference_is_cited():
    entries = re.findall(r"^@\w+\{([^,\s]+),", (BOOK / "references.bib").read_text(encoding="utf-8"), re.M)
    assert len(entries) == len(set(entries)), "a key stands twice in references.bib"
    assert _cited() - set(entries) == set(), "cited, but not in references.bib"
    assert set(entries) - _cited() == set(), "in references.bib, but never cited"


def _cited() -> set[str]:
    texts = [path.read_text(encoding="utf-8") for path in BOOK.glob("*.md")]
    for path in chapters():
        for cell in read(path).cells:
            texts += [cell.source, str(cell.metadata.get("mystnb", {}).get("figure", {}).get("caption", ""))]
    return set().union(*map(rules.cited, texts))


def test_every_derived_place_agrees_with_the_address():
    different = [str(path.relative_to(ROOT)) for path in address.differing()]
    assert different == [], "run python book/_tools/address.py"
