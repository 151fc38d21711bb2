"""Data that change after a run has begun: the run is neither gone on with nor evaluated, for others would be held out."""

import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_runs import here  # noqa: F401
from own_data import ARGUMENTS, SMALL, arrays, few, photos  # noqa: F401

import flowlib
from flowlib import cli
from flowlib.config import Config, differences, from_json
from flowlib.data import TRANSFORMATIONS, MixedSequences
from flowlib.data.effects import strengths_of
from flowlib.errors import FlowlibError


@pytest.fixture
def fade(monkeypatch):
    """Registers a transformation of one's own, or registers it again, with the strength that it is given."""
    monkeypatch.setitem(TRANSFORMATIONS, "fade", None)  # which is taken back at the end
    del TRANSFORMATIONS["fade"]

    def register(full, then=lambda images: images):
        flowlib.transformation("fade", full=full)(lambda images, strength: then(images * (1 - strength[:, None, None, None])))

    return register


def message(capsys, command):
    """What a refused command says."""
    capsys.readouterr()
    assert cli.main(command) == 2
    return " ".join(capsys.readouterr().err.split())


def grow(folder):
    (folder / "new.png").write_bytes((folder / "0.png").read_bytes())


def shrink(folder):
    (folder / "0.png").unlink()


def rename(folder):
    (folder / "0.png").rename(folder / "zero.png")


def alter(folder):
    (folder / "0.png").write_bytes((folder / "2.png").read_bytes())


class TestFolder:
    @pytest.mark.parametrize("change", [grow, shrink, rename, alter])
    def test_a_run_is_not_gone_on_with(self, here, photos, capsys, change):  # noqa: F811
        command = ["train", "--data", str(photos), "--out", "run", *ARGUMENTS]
        assert cli.main(command) == 0
        weights = (here / "run" / "model.safetensors").read_bytes()
        change(photos)
        assert "have changed" in (said := message(capsys, command)) and "since the run in run began" in said
        assert "have changed" in message(capsys, ["evaluate", "run"])
        with pytest.raises(FlowlibError, match="have changed"):
            flowlib.evaluate(flowlib.load("run"))
        assert (here / "run" / "model.safetensors").read_bytes() == weights

    def test_other_files_and_equal_copies_are_no_change(self, here, photos):  # noqa: F811
        command = ["train", "--data", str(photos), "--out", "run", *ARGUMENTS]
        assert cli.main(command) == 0
        (photos / "notes.txt").write_text("none of the images")
        same = (photos / "0.png").read_bytes()
        (photos / "0.png").unlink()
        (photos / "0.png").write_bytes(same)
        assert cli.main(command) == 0 and cli.main(["evaluate", "run"]) == 0

    def test_names_that_are_no_utf8(self, here, photos):  # noqa: F811
        (photos / "0.png").rename(os.fsdecode(os.fsencode(photos) + b"/\xe9.png"))
        assert cli.main(["train", "--data", str(photos), "--out", "run", *ARGUMENTS]) == 0

    def test_other_data_are_not_called_changed(self, here, photos, capsys):  # noqa: F811
        command = ["train", "--out", "run", *ARGUMENTS]
        assert cli.main([*command, "--data", str(photos)]) == 0
        np.savez("own.npz", **arrays())
        said = message(capsys, [*command, "--data", "own.npz"])
        assert "holds another run (data = " in said and "photos" in said and "changed" not in said and "digest" not in said

    def test_a_lost_configuration_is_written_again(self, here, photos, capsys):  # noqa: F811
        command = ["train", "--data", str(photos), "--out", "run", *ARGUMENTS]
        assert cli.main(command) == 0
        before = (here / "run" / "config.json").read_text()
        (here / "run" / "config.json").unlink()
        assert "another configuration — seed: 0 there, 3 asked for" in message(capsys, [*command, "--seed", "3"])
        assert cli.main(command) == 0 and (here / "run" / "config.json").read_text() == before

    def test_a_run_from_before_digests_were_taken(self, here, photos):  # noqa: F811
        command = ["train", "--data", str(photos), "--out", "run", *ARGUMENTS]
        assert cli.main([*command, "--data-digest", ""]) == 0
        assert not from_json(here / "run" / "config.json").data_digest
        assert cli.main(command) == 0

    def test_a_transformation_of_another_strength(self, here, photos, capsys, fade):  # noqa: F811
        command = ["train", "--data", str(photos), "--out", "run", *ARGUMENTS, "--factors", "fade", "scale"]
        digests = []
        for full in (0.8, 0.8, 0.4):
            fade(full)
            digests.append(flowlib.ImageSequences(torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0)), ("fade",)).digest())
            if full == 0.8:
                assert cli.main(command) == 0
        assert digests[0] == digests[1] != digests[2]
        assert "a transformation has other strengths" in message(capsys, command)
        assert "a transformation has other strengths" in message(capsys, ["evaluate", "run"])

    def test_the_same_of_digits(self, here, capsys, fade):  # noqa: F811
        command = ["train", "--data", "digits", "--out", "run", *ARGUMENTS, "--factors", "fade", "scale"]
        fade(0.8)
        assert cli.main(command) == 0 and cli.main(command) == 0
        assert from_json(here / "run" / "config.json").data_digest
        fade(0.4)
        assert "a transformation has other strengths" in message(capsys, command)
        assert "a transformation has other strengths" in message(capsys, ["evaluate", "run"])

    def test_a_transformation_that_does_something_else(self, here, photos, capsys, fade):  # noqa: F811
        for data in (str(photos), "digits"):
            command = ["train", "--data", data, "--out", Path(data).name, *ARGUMENTS, "--factors", "fade", "scale"]
            fade(0.8)
            assert cli.main(command) == 0 and cli.main(command) == 0
            fade(0.8, then=lambda images: images.flip(-1))
            assert "or does something else" in message(capsys, command)
            assert "or does something else" in message(capsys, ["evaluate", Path(data).name])
            fade(0.8)
            assert cli.main(command) == 0

    def test_one_that_draws_random_numbers_is_refused(self, fade):
        """Whoever draws them: no run could be repeated. Those of a generator that is seeded in every call are always the same."""
        drawn = np.random.default_rng(0)
        for noise in (lambda x: x * torch.rand(()), lambda x: x * np.random.rand(), lambda x: x * drawn.random()):
            fade(0.8, then=noise)
            with pytest.raises(FlowlibError, match="'fade' changes the same images differently"):
                strengths_of(["fade"], 3, 16)
            with pytest.raises(FlowlibError, match="'fade' changes the same images differently"):
                flowlib.train(flowlib.ImageSequences(torch.rand(9, 3, 16, 16), ("fade", "scale")), steps=1, batch_size=4)
        fade(0.8, then=lambda x: x * torch.rand((), generator=torch.Generator().manual_seed(0)))
        assert len({strengths_of(["fade"], 3, 16) for _ in range(2)}) == 1

    def test_looking_leaves_random_numbers_as_they_were(self, fade):
        fade(0.8, then=lambda x: x + 0 * (torch.rand(()) + np.random.rand() + random.random()))
        states = []
        for looks in (0, 1):
            torch.manual_seed(3)
            np.random.seed(3)
            random.seed(3)
            for _ in range(looks):
                strengths_of(["fade"], 3, 16)
            states.append((torch.rand(1).item(), np.random.rand(), random.random()))
        assert states[0] == states[1]

    def test_what_is_done_at_other_strengths(self, fade):
        """Also what is nothing at every quarter of the way."""
        looks = []
        for depth in (0.1, 0.9):
            flowlib.transformation("fade")(lambda x, s, depth=depth: x * (1 - depth * (4 * torch.pi * s).sin().square())[:, None, None, None])
            looks.append(strengths_of(["fade"], 3, 16))
        assert looks[0] != looks[1]

    def test_how_sequences_begin_and_what_moves_them(self):
        options = [{"starts": starts, "programs": programs} for starts in ("plain", "moved", "late", "anywhere")
                   for programs in ("single", "composed", "seldom", "switched", "often")]  # fmt: skip
        assert len({flowlib.ImageSequences(torch.full((2, 1, 8, 8), 0.5), ("scale", "rotation"), **one).digest() for one in options}) == len(
            options
        )

    def test_differences(self):
        one, two, none = (Config(data_digest=digest) for digest in ("a", "b", ""))
        assert differences(one, two) == ["data_digest"] and not differences(one, none) and not differences(none, one)
        assert differences(Config(seed=1), two) == ["seed"]


class TestFileAndArrays:
    def test_a_file(self, here, capsys):  # noqa: F811
        np.savez("own.npz", **arrays())
        command = ["train", "--data", "own.npz", *ARGUMENTS]
        assert cli.main(command) == 0
        np.savez("own.npz", **arrays())  # other random frames
        assert "have changed" in message(capsys, command)
        assert "have changed" in message(capsys, ["evaluate", "runs/own.npz-seed0"])

    def test_sources_given_in_python(self, tmp_path):
        first, second = arrays(), arrays()
        flowlib.train(flowlib.RecordedSequences(**first), tmp_path / "run", progress=False, device="cpu", **SMALL)
        flowlib.train(flowlib.RecordedSequences(**first), tmp_path / "run", progress=False, device="cpu", **SMALL)
        for other in (second, first | {"factor": 1 - first["factor"]}):
            with pytest.raises(FlowlibError, match="have changed"):
                flowlib.train(flowlib.RecordedSequences(**other), tmp_path / "run", progress=False, device="cpu", **SMALL)

    def test_a_dataset_and_a_source_of_ones_own(self, tmp_path):
        """Nobody reads all of their items; some first frames, and the labels, are enough to see other data."""

        class Own(flowlib.Source):
            factors, steps, channels, size = ("a", "b"), 2, 1, 16

            def __init__(self, frames):
                self.frames = frames

            def __len__(self):
                return 3

            def first_frames(self, indices=slice(None)):
                return self.frames[indices, 0]

            def frames_of(self, indices, factor, times):
                return self.frames[indices][:, times]

            def draw(self, batch_size, frames_per_step, generator, part, beginning=0):
                times = torch.tensor([[0, 1]]).expand(batch_size, -1)
                return self.frames[torch.arange(batch_size) % 3][:, :2], times, torch.arange(2).repeat_interleave(batch_size // 2)

        frames = torch.rand(4, 3, 1, 16, 16)
        labels = [0, 1, 0, 1]
        given = [list(zip(frames, labels)), list(zip(frames.flip(0), labels)), list(zip(frames, labels[::-1]))]
        datasets = [flowlib.DatasetSequences(one, ("a", "b")) for one in given]
        for name, (first, *others) in {"dataset": datasets, "own": [Own(frames), Own(frames.flip(0))]}.items():
            for _ in range(2):
                flowlib.train(first, tmp_path / name, progress=False, device="cpu", **SMALL)
            for other in others:
                with pytest.raises(FlowlibError, match="have changed"):
                    flowlib.train(other, tmp_path / name, progress=False, device="cpu", **SMALL)

    def test_a_dataset_that_draws_its_frames_anew_has_no_digest(self):
        class Anew(torch.utils.data.Dataset):
            def __len__(self):
                return 4

            def __getitem__(self, index):
                return torch.rand(3, 1, 16, 16), index % 2

        assert flowlib.DatasetSequences(Anew(), ("a", "b")).digest() == ""

    def test_images_and_where_their_sequences_begin(self):
        images = np.random.default_rng(0).integers(0, 256, (4, 1, 16, 16), np.uint8)
        digests = {
            flowlib.ImageSequences(images, ("scale", "rotation"), 2).digest(),
            flowlib.ImageSequences(images, ("scale", "rotation"), 2, starts="late").digest(),
            flowlib.ImageSequences(images[::-1].copy(), ("scale", "rotation"), 2).digest(),
        }
        learned = flowlib.ImageSequences(torch.as_tensor(images / 255.0, dtype=torch.float32).requires_grad_(), ("scale", "rotation"), 2)
        digests.add(learned.digest())
        digests |= {MixedSequences(learned, activity).digest() for activity in (0.2, 0.4)}
        assert len(digests) == 6 and flowlib.ImageSequences(images.copy(), ("scale", "rotation"), 2).digest() in digests
