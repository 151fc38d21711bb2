"""The tools behind the book: execution, the one address, a notebook's canonical form, the check of pages."""

import pytest

pytest.importorskip("nbclient")

import address  # noqa: E402
import check_pages  # noqa: E402
import colab_cell  # noqa: E402
import execute  # noqa: E402
import notebooks  # noqa: E402
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output  # noqa: E402

OLD, NEW = "flow-org/old-book", "other/new.book"
CONFIG = "title: A book\nrepository:\n  url: https://github.com/{}\n"
PROJECT = '[project.urls]\nRepository = "https://github.com/{}"\n'


def saved(path, *sources):
    cells = [new_markdown_cell("# Title"), *map(new_code_cell, sources)]
    notebooks.write(new_notebook(cells=cells), path)
    return path


def test_execute_keeps_outputs_and_counts(tmp_path):
    path = saved(tmp_path / "a.ipynb", "x = 2\nprint(x)", "import os; print(os.environ['OMP_WAIT_POLICY'])")
    execute.execute(path)
    cells = notebooks.code_cells(notebooks.read(path))
    assert [cell.execution_count for cell in cells] == [1, 2, 3]
    assert colab_cell.TAG in notebooks.tags(cells[0]) and cells[0].outputs == []
    assert [cell.outputs[0].text for cell in cells[1:]] == ["2\n", "PASSIVE\n"]
    assert [file.name for file in tmp_path.iterdir()] == ["a.ipynb"]


def test_execute_again_changes_nothing(tmp_path):
    path = saved(tmp_path / "a.ipynb", "print(1)\nprint(2)", "print(1)\nprint(2)")
    execute.execute(path)
    first = path.read_bytes()
    execute.execute(path)
    assert path.read_bytes() == first


def test_execute_stops_at_the_first_failing_cell_and_keeps_the_file(tmp_path):
    path = saved(tmp_path / "a.ipynb", "x = 1", "raise ValueError('no such flow')", "x = 2")
    before = path.read_bytes()
    with pytest.raises(execute.Failed, match=r"(?s)a\.ipynb, cell 3 of 5 \(after \[2\]\).*no such flow"):
        execute.execute(path)
    assert path.read_bytes() == before


def test_execute_stops_a_cell_that_takes_too_long(tmp_path):
    path = saved(tmp_path / "a.ipynb", "import time; time.sleep(60)")
    with pytest.raises(execute.Failed, match="cell 2"):
        execute.execute(path, timeout=2)


LATE = """import sys, time
sys.stdout.flush_timeout = sys.stderr.flush_timeout = 0.1
get_ipython().kernel.iopub_thread.schedule(lambda: time.sleep(6))
6 * 7"""


def test_execute_waits_for_outputs_that_come_late(tmp_path, monkeypatch):
    path = saved(tmp_path / "a.ipynb", LATE, "8 * 9")
    execute.execute(path)
    assert [cell.outputs[0].data["text/plain"] for cell in notebooks.code_cells(notebooks.read(path))[1:]] == ["42", "72"]
    monkeypatch.setattr(execute, "SECONDS_FOR_OUTPUT", 1)
    with pytest.raises(execute.Failed, match="cell 2"):
        execute.execute(path)


def test_normalise_drops_what_is_chance():
    outputs = [new_output("stream", name="stdout", text=text) for text in ("a", "b")]
    outputs.append(new_output("stream", name="stderr", text="c"))
    metadata = {"execution": {"iopub.execute_input": "2026"}, "tags": ["t"]}
    cell = new_code_cell("f()", outputs=outputs, metadata=metadata)
    notebook = new_notebook(
        cells=[cell, new_code_cell("f()")], metadata={"jupytext": {}, "kernelspec": {"name": "mine", "display_name": "Mine"}}
    )
    notebooks.normalise(notebook)
    assert [output.text for output in cell.outputs] == ["ab", "c"]
    assert cell.metadata == {"tags": ["t"]} and notebook.metadata == notebooks.METADATA
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == 2
    notebooks.normalise(notebook)
    assert [cell.id for cell in notebook.cells] == ids


@pytest.mark.parametrize(
    "before, after",
    [
        (f"https://colab.research.google.com/github/{OLD}/blob/main/x", f"https://colab.research.google.com/github/{NEW}/blob/main/x"),
        ("https://github.com/any/fork/actions/workflows/t.yml", f"https://github.com/{NEW}/actions/workflows/t.yml"),
        (f"see https://github.com/{OLD}, or", f"see https://github.com/{NEW}, or"),
        (f"see https://github.com/{OLD}.", f"see https://github.com/{NEW}."),
        ("git clone -q --depth 1 https://github.com/a/b", f"git clone -q --depth 1 https://github.com/{NEW}"),
        ("pip install git+https://github.com/a/b", f"pip install git+https://github.com/{NEW}"),
        ('repository-code: "https://github.com/a/b"', f'repository-code: "https://github.com/{NEW}"'),
        ("https://flow-org.github.io/old-book/book/intro.html", "https://other.github.io/new.book/book/intro.html"),
        ("https://github.com/PythonOT/POT/issues", "https://github.com/PythonOT/POT/issues"),
        (f"https://github.com/{OLD}-extra", f"https://github.com/{OLD}-extra"),
        ("https://pythonot.github.io/auto", "https://pythonot.github.io/auto"),
        ("https://someone.github.io/their-book/", "https://someone.github.io/their-book/"),
    ],
)
def test_rewrite_changes_our_links_and_no_others(before, after):
    assert address.rewrite(before, NEW, OLD) == after


def test_address_is_rewritten_everywhere_from_the_configuration(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "_config.yml").write_text(CONFIG.format(NEW))
    (tmp_path / "pyproject.toml").write_text(PROJECT.format(OLD))
    (tmp_path / "README.md").write_text(f"https://github.com/{OLD}")
    (tmp_path / "book" / "intro.md").write_text("No address here.")
    saved(tmp_path / "book" / "01_a.ipynb", "1")
    wrong = {"pyproject.toml", "README.md", "01_a.ipynb"}
    assert {path.name for path in address.differing(tmp_path)} == wrong
    assert OLD in (tmp_path / "README.md").read_text()
    assert {path.name for path in address.differing(tmp_path, fix=True)} == wrong
    assert address.differing(tmp_path) == []
    first = notebooks.code_cells(notebooks.read(tmp_path / "book" / "01_a.ipynb"))[0]
    assert f"https://github.com/{NEW}" in first.source and 'abspath("new.book")' in first.source


def test_check_pages_finds_missing_and_empty_pages(tmp_path):
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: book/intro\nparts:\n- chapters:\n  - file: book/a\n    sections:\n    - file: book/b\n  - file: book/c\n"
    )
    assert check_pages.toc_pages(tmp_path) == ["book/intro", "book/a", "book/b", "book/c"]
    html = tmp_path / "_build" / "html" / "book"
    html.mkdir(parents=True)
    page = '<nav>{0}</nav><article class="x"><h1>T</h1><script>{0}</script><p>{1}</p></article>'
    for name, text in (("intro", "word " * 40), ("a", ""), ("b", "word " * 40)):
        (html / f"{name}.html").write_text(page.format("many words " * 40, text))
    assert [problem.split(":")[0] for problem in check_pages.problems(tmp_path)] == ["book/a", "book/c"]
