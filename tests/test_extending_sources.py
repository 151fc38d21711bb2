"""What someone does wrong with a source, a file or a path of their own is said at once, in words."""

from pathlib import Path

import numpy as np
import pytest
import torch
from cli_runs import here  # noqa: F401
from own_data import SMALL, arrays

import flowlib
from flowlib import cli
from flowlib.data import catalogue, options_of
from flowlib.errors import FlowlibError


class Own(flowlib.Source):
    """Two sequences of noise under two factors; what is wrong with them is put in."""

    factors, steps, channels, size = ("a", "b"), 2, 1, 16

    def __init__(self, **changes):
        self.changes = changes

    def __len__(self):
        return 2

    def first_frames(self, indices=slice(None)):
        return torch.zeros(2, 1, 16, 16)[indices]

    def frames_of(self, indices, factor, times):
        return torch.zeros(len(indices), len(times), 1, 16, 16) + self.changes.get("brighter", 0)

    def draw(self, batch_size, frames_per_step, generator, part, beginning=0):
        drawn = {
            "frames": torch.rand(batch_size, 2, 1, 16, 16), "times": torch.tensor([[0, 1]]).expand(batch_size, -1),
            "factor": torch.arange(2).repeat_interleave(batch_size // 2),
        }  # fmt: skip
        return tuple((drawn | self.changes)[name] for name in drawn)


class TestSources:
    options = {"progress": False, "device": "cpu"} | SMALL | {"batch_size": 4}

    def train(self, source):
        return flowlib.train(source, **self.options)

    def test_one_that_is_right_is_trained_on(self):
        assert flowlib.evaluate(self.train(Own()), Own())["equivariance"]

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"frames": 255 * torch.rand(4, 2, 1, 16, 16)}, "frames range from .*divide bytes by 255"),
            ({"times": torch.tensor([[1, 2]]).expand(4, -1)}, r"times \[1, 2\] .*the first frame of every sequence is x_0"),
            ({"factor": torch.tensor([0, 0, 5, 5])}, "labels range from 0 to 5: give 0 … K − 1, K = 2"),
            ({"times": torch.zeros(4, 2)}, r"Own.draw returned .*\(4, 2\) torch.float32.*whole numbers"),
            ({"factor": torch.zeros(3, dtype=torch.int64)}, r"Own.draw returned .*\(3,\) torch.int64"),
            ({"frames": np.zeros((4, 2, 1, 16, 16))}, "Own.draw returned ndarray"),
        ],
    )
    def test_what_draw_returns(self, changes, said):
        with pytest.raises(FlowlibError, match=said):
            self.train(Own(**changes))

    def test_a_draw_that_knows_no_beginning(self):
        class Short(Own):
            def draw(self, batch_size, frames_per_step, generator, part):
                return super().draw(batch_size, frames_per_step, generator, part)

        with pytest.raises(FlowlibError, match="Short.draw knows no beginning = 1, and this model must see how sequences begin"):
            flowlib.train(Short(), model="msp", **self.options)

    def test_what_is_missing(self):
        class Less(Own):
            draw = flowlib.Source.draw

        class Untold(Own):
            def __getattribute__(self, name):
                if name == "channels":
                    raise AttributeError(name)
                return super().__getattribute__(name)

        with pytest.raises(FlowlibError, match="Less lacks draw: a source needs __len__"):
            self.train(Less())
        with pytest.raises(FlowlibError, match="Untold lacks channels: a source says what its sequences are"):
            self.train(Untold())

    def test_evaluation_looks_at_them_too(self):
        with pytest.raises(FlowlibError, match="frames range from 255 to 255"):
            flowlib.evaluate(self.train(Own()), Own(brighter=255))

    @pytest.mark.parametrize("factor", [1.0, True, None, 2, -1, torch.tensor(1.0)])
    def test_a_factor_that_is_no_number_of_one(self, factor):
        with pytest.raises(FlowlibError, match="does not exist: give a name, or a whole number 0 … 1"):
            Own().full_batch([0], factor)

    def test_numbers_of_other_libraries(self):
        for factor in (1, np.int64(1), torch.tensor(1), "b"):
            assert Own().full_batch([0], factor).factor.tolist() == [1]


class TestFiles:
    def test_labels_under_another_name(self, tmp_path):
        given = arrays()
        np.savez(tmp_path / "own.npz", frames=given["frames"], label=given["factor"])
        with pytest.raises(FlowlibError, match="has no `factor`, but label: name the labels `factor`"):
            options_of(tmp_path / "own.npz")
        np.savez(tmp_path / "own.npz", **given, subject=np.arange(len(given["factor"])))
        assert options_of(tmp_path / "own.npz")["horizon"] == given["frames"].shape[1] - 1

    def test_a_group_where_an_array_should_be(self, tmp_path):
        h5py = pytest.importorskip("h5py")
        with h5py.File(tmp_path / "own.h5", "w") as file:
            file.create_group("frames")
        with pytest.raises(FlowlibError, match="own.h5 cannot be read"):
            options_of(tmp_path / "own.h5")

    def test_a_path_is_a_path_whatever_its_name(self):
        assert catalogue.is_factorial("rooms") and not catalogue.is_factorial(Path("rooms")) and not catalogue.is_factorial("./rooms")

    @pytest.mark.parametrize("arguments", [["--data", ""], ["--model", ""], ["--options", "beta", "1", "--options", "gamma", "2"]])
    def test_the_command_line(self, here, capsys, arguments):  # noqa: F811
        assert cli.main(["train", *arguments]) == 2
        said = capsys.readouterr().err
        assert any(text in said for text in ("is an empty text", "model = ''", "--options is given 2 times"))
        assert not list(Path("runs").glob("*"))
