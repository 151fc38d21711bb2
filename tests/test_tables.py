"""Results as numbers over seeds, compared and written."""

import pytest

from flowlib.errors import FlowlibError
from flowlib.experiments import tables


class TestTables:
    def rows(self, *values):
        return [{"seed": seed, "metrics": {"v": list(one)}} for seed, one in enumerate(values)]

    def test_paired_standard_error(self):
        """Per image, first the mean over seeds: differences 1, 2, 6; their mean 3 and standard error √7 / √3."""
        ours, theirs = self.rows([2, 4, 9], [2, 4, 9]), self.rows([0, 1, 3], [2, 3, 3])
        mean, error = tables.paired(ours, theirs, lambda metrics: metrics["v"])
        assert mean == pytest.approx(3.0) and error == pytest.approx((7 / 3) ** 0.5)

    def test_no_common_seed(self):
        with pytest.raises(FlowlibError, match="no seed in common"):
            tables.paired(self.rows([1, 2]), [], lambda metrics: metrics["v"])

    @pytest.mark.parametrize("others", [[1, 2], [1]])
    def test_other_numbers_of_images(self, others):
        with pytest.raises(FlowlibError, match="pairs need the same ones, two or more"):
            tables.paired(self.rows(others), self.rows([1, 2, 3] if len(others) > 1 else [1]), lambda metrics: metrics["v"])

    def test_spread(self):
        assert tables.spread([1.0, 2.0, 6.0], 1) == "3.0 (1.0 … 6.0)" and tables.spread([1234.5]) == "1 234"
        assert tables.plus_minus([1.0, 2.0, 6.0], 1) == "3.0 ± 2.5" and tables.plus_minus([1000.0, 1010.0]) == "1 005 ± 5"


def test_the_best_candidate_has_the_smallest_error():
    rows = [{"method": f"m {i}", "config": {"i": i}, "metrics": {"validation": {"a": [float(e)]}}} for i, e in enumerate((3, 1, 2, 1))]
    assert tables.best_candidates({"rows": rows}) == {"m": ({"i": 1}, 1)}


def test_pairs_are_of_common_seeds():
    ours = [{"seed": seed, "metrics": values} for seed, values in ((0, [1, 3]), (1, [100, 100]))]
    theirs = [{"seed": seed, "metrics": values} for seed, values in ((0, [0, 1]), (2, [50, 50]))]
    assert tables.paired(ours, theirs, lambda metrics: metrics)[0] == 1.5
    assert tables.average([{"metrics": x} for x in (1.0, 2.0, 6.0)], lambda metrics: metrics) == 3


def test_one_table_in_three_forms():
    lines = [["", "error"], ["a flow", "1"], ["b", ""]]
    assert tables.layout(lines) == "        error\na flow  1\nb"
    assert tables.layout(lines, "markdown") == "| | error |\n|---|---|\n| a flow | 1 |\n| b | |"
    html = tables.layout(lines, "html")
    assert html.count("<tr>") == 3 and html.count("<td") == 6 and ">a flow</td>" in html and html.endswith("</tr></table>")


def test_rows_of_a_table_keep_the_order_of_the_experiment():
    metrics = {"equivariance": {"scale": [1.0, 2.0]}}
    rows = [{"method": method, "seed": 0, "metrics": metrics} for method in ("b", "c", "a")]
    lines = tables.format_table("some", {"about": "", "rows": rows}).splitlines()
    assert [line.split()[0] for line in lines[3:]] == ["b", "c", "a"]
