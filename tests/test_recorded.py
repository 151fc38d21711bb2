"""Recorded sequences and torch datasets as sources; what they refuse."""

import os

import numpy as np
import pytest
import torch
from source_frames import FRAMES, LABELS, pictures

from flowlib.config import Config
from flowlib.data import DatasetSequences, ImageSequences, RecordedSequences, check_source, load_sequences, options_of
from flowlib.errors import FlowlibError


def recorded(kind, frames=FRAMES, labels=LABELS, **options):
    """The same sequences in an array, or in a dataset read by 0 or 2 workers."""
    if kind == "array":
        return RecordedSequences(frames, labels, **options)
    return DatasetSequences(list(zip(frames, labels.tolist())), workers=int(kind), **options)


class TestRecorded:
    @pytest.mark.parametrize("kind", ["array", "0", "2"])
    def test_frames_are_those_that_were_given(self, kind):
        made = recorded(kind, factors=("a", "b"))
        assert (len(made), made.steps, made.channels, made.size, made.factors) == (4, 3, 2, 16, ("a", "b"))
        batch = made.full_batch([0, 2], "b")
        assert torch.equal(batch.frames, FRAMES[[1, 6]]) and batch.factor.tolist() == [1, 1]
        assert torch.equal(made.full_batch([1, 3], 0, steps=1).frames, FRAMES[[2, 5], :2])
        assert torch.equal(made.first_frames(), FRAMES[[0, 1, 2, 3], 0])  # both factors in turn

    @pytest.mark.parametrize("kind", ["array", "0", "2"])
    def test_training_batches(self, kind):
        made = recorded(kind)
        batch = made.training_batch(200, 2, torch.Generator().manual_seed(0))
        assert batch.factor.tolist() == [0] * 100 + [1] * 100 and made.factors == ("factor 0", "factor 1")
        seen = set()
        for frames, times, factor in zip(batch.frames, batch.times, batch.factor):
            index = next(i for i, one in enumerate(FRAMES) if torch.equal(one[0], frames[0]))
            assert torch.equal(frames, FRAMES[index, times]) and LABELS[index] == factor and times[0] == 0 and times[1] != times[2] != 0
            seen.add(index)
        assert seen == set(range(11))  # also those beyond the rarest factor's number
        parts = [made.training_batch(8, 1, torch.Generator().manual_seed(1), (rank, 2)).frames for rank in (0, 1)]
        whole = made.training_batch(8, 1, torch.Generator().manual_seed(1)).frames
        assert torch.equal(whole[[0, 1, 4, 5]], parts[0]) and torch.equal(whole[[2, 3, 6, 7]], parts[1])

    def test_bytes(self):
        made = RecordedSequences((255 * FRAMES).to(torch.uint8).numpy(), LABELS.numpy())
        assert torch.equal(made.full_batch([0], 0).frames[0], (255 * FRAMES[0]).to(torch.uint8) / 255)

    def test_whole_labels_in_floats(self):
        assert torch.equal(recorded("array", labels=LABELS.double()).full_batch([0], 1).frames, recorded("array").full_batch([0], 1).frames)

    @pytest.mark.parametrize("names, wanted", [(None, ("drift", "spin")), (("spin", "drift"), ("spin", "drift"))])
    def test_labels_that_are_names(self, names, wanted):
        words = [("spin", "drift")[label] for label in LABELS]
        made = RecordedSequences(FRAMES, words, names)
        assert made.factors == wanted
        for k, name in enumerate(("spin", "drift")):
            assert torch.equal(made.full_batch([0, 1], name).frames, RecordedSequences(FRAMES, LABELS).full_batch([0, 1], k).frames)
        with pytest.raises(FlowlibError, match="unknown factor 'spin': choose one of drift, glow"):
            RecordedSequences(FRAMES, words, ("drift", "glow"))

    @pytest.mark.parametrize("labels", [[[0], [1, 2]] * 5 + [[0]], ["spin", 1] * 5 + [None], [b"\xff"] * 10 + ["spin"]])
    def test_labels_that_are_neither(self, labels):
        with pytest.raises(FlowlibError, match="cannot be read as numbers|unknown factor"):
            RecordedSequences(FRAMES, labels, ("spin", "drift"))

    @pytest.mark.parametrize("ending", [".npz", ".h5"])
    def test_names_in_a_file(self, tmp_path, ending):
        words, path = np.array(["spin", "drift"])[LABELS.numpy()], tmp_path / f"own{ending}"
        if ending == ".npz":
            np.savez(path, frames=FRAMES.numpy(), factor=words)
        else:
            with pytest.importorskip("h5py").File(path, "w") as file:
                file["frames"], file["factor"] = FRAMES.numpy(), words.astype(object)
        options = options_of(path)
        assert options["factors"] == ("drift", "spin")
        source = load_sequences(Config(**options | {"held_out": 0.2}))
        assert all(any(torch.equal(frames, one) for one in FRAMES[LABELS == 0]) for frames in source.full_batch([0, 1], "spin").frames)

    def test_without_labels(self):
        made = RecordedSequences(FRAMES, None, ("a", "b", "c"))
        assert len(made) == 11 and not made.labelled
        assert torch.equal(made.full_batch([3, 4], None).frames, FRAMES[3:5])
        assert made.training_batch(6, 1, torch.Generator().manual_seed(0)).factor.tolist() == [-1] * 6
        with pytest.raises(FlowlibError, match="factor 0: these sequences have no labels"):
            made.full_batch([0], 0)
        config = Config(factors=("a", "b", "c"), horizon=3, channels=2, size=16)
        with pytest.raises(FlowlibError, match="no labels, which model 'flow' needs: choose one of flow-inferred, msp, sparse"):
            check_source(made, config)

    def test_what_recordings_cannot_do(self):
        made = recorded("array")
        with pytest.raises(FlowlibError, match="steps = 4: these sequences end at T = 3"):
            made.full_batch([0], 0, steps=4)
        for steps in (-1, 2.5, "3"):
            with pytest.raises(FlowlibError, match=f"steps = {steps!r}: give a whole number"):
                made.full_batch([0], 0, steps)
        with pytest.raises(FlowlibError, match="RecordedSequences cannot compose factors"):
            made.composed([0], torch.zeros(1, 2, dtype=torch.int64))

    @pytest.mark.parametrize(
        "frames, labels, factors, message",
        [
            (FRAMES, LABELS, ("a", "b", "c"), "no sequence shows 'c'"), (FRAMES, 2 * LABELS, None, "no sequence shows 'factor 1'"),
            (FRAMES, LABELS + 1, ("a", "b"), "range from 1 to 2: count the factors from 0"), (FRAMES, LABELS - 1, None, "from -1"),
            (FRAMES, LABELS[:-1], None, r"labels \(10,\).* each of the 11"), (FRAMES, LABELS + 0.5, None, "whole number"),
            (FRAMES[:, :1], LABELS, None, "at least two frames"), (255 * FRAMES, LABELS, None, "range from"), (FRAMES[:, 0], LABELS, None, "shape"),
            (FRAMES.permute(0, 1, 3, 4, 2), LABELS, None, "channels before rows"), (FRAMES, None, None, "name the factors to look for"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_used(self, frames, labels, factors, message):
        with pytest.raises(FlowlibError, match=message):
            RecordedSequences(frames, labels, factors)

    @pytest.mark.parametrize(
        "items, message",
        [
            ([], "the dataset is empty"), ([(FRAMES[0], "a")], "the dataset must yield"), ([FRAMES[0]], "name the factors to look for"),
            ([(FRAMES[0], 0), FRAMES[1]], "the dataset must yield"), ([None], "the dataset must yield"), (iter([FRAMES[0]]), "no items by number"),
            ([(FRAMES[0], 0), (FRAMES[1, :3], 1)], "all of one shape"), ([(255 * FRAMES[0], 0)], "range from"),
            ([(FRAMES[0], 0.0), (FRAMES[0], 1.5)], "item 1 fails with ValueError: label 1.5 is no whole number"),
        ],
    )  # fmt: skip
    def test_datasets_that_cannot_be_used(self, items, message):
        with pytest.raises(FlowlibError, match=message):
            DatasetSequences(items)

    def test_a_dataset_that_fails_says_how(self):
        class Missing:
            def __len__(self):
                return 2

            def __getitem__(self, index):
                raise KeyError("frames of this index")

        for workers in (0, 2):
            with pytest.raises(FlowlibError, match="the dataset must yield .*; item 0 fails with KeyError: 'frames of this index'"):
                DatasetSequences(Missing(), workers=workers)
        with pytest.raises(FlowlibError, match="workers = -1: give a whole number"):
            DatasetSequences(Missing(), workers=-1)

    def test_a_dataset_some_of_whose_items_have_labels(self):
        items = [(FRAMES[0], 0)] * 70 + [FRAMES[0]] * 3
        for some in (items, items[::-1]):
            with pytest.raises(FlowlibError, match="the dataset must yield|some items of the dataset have a label and some have none"):
                DatasetSequences(some, ("a",)).training_batch(200, 1, torch.Generator().manual_seed(0))

    @pytest.mark.parametrize("workers, wrap", [(0, list), (2, list), (0, torch.utils.data.TensorDataset)])
    def test_a_dataset_without_labels(self, workers, wrap):
        made, array = DatasetSequences(wrap(FRAMES), ("a", "b"), workers=workers), RecordedSequences(FRAMES, None, ("a", "b"))
        assert not made.labelled and len(made) == 11
        one, other = (source.training_batch(6, 1, torch.Generator().manual_seed(0)) for source in (made, array))
        assert torch.equal(one.frames, other.frames) and one.factor.tolist() == [-1] * 6

    def test_names_that_are_one_word(self):
        for make in (
            lambda: RecordedSequences(FRAMES, LABELS, "ab"), lambda: ImageSequences(pictures(), "shear"), lambda: ImageSequences(pictures(), 5),
        ):  # fmt: skip
            with pytest.raises(FlowlibError, match="give names in a tuple"):
                make()

    def test_a_model_for_other_data(self):
        config = Config(factors=("factor 0", "factor 1"), horizon=3, channels=2, size=16)
        check_source(recorded("array"), config)
        for change, message in (
            ({"horizon": 2}, "horizon 3, the model 2"),
            ({"size": 28}, "size 16, the model 28"),
            ({"channels": 3}, "channels 2"),
        ):
            with pytest.raises(FlowlibError, match=message):
                check_source(recorded("array"), Config(**vars(config) | change))


def test_labels_that_items_contradict():
    """Given labels spare the reading of every item; what an item says, once it is read, has to agree."""
    items = [(FRAMES[0], k) for k in (0, 1, 0, 1)]
    agreeing = DatasetSequences(items, labels=[0, 1, 0, 1])
    assert agreeing.full_batch([0, 1], 1).frames.shape[0] == 2
    contradicted = DatasetSequences(items, labels=[0, 0, 1, 1])
    with pytest.raises(FlowlibError, match="item 1 of the dataset says factor 1, and `labels` 0"):
        contradicted.full_batch([0, 1], 0)


class DyingWorkers(list):
    """Items that are there, and workers that die when they read one."""

    def __getitem__(self, index):
        if torch.utils.data.get_worker_info() is not None:
            os._exit(1)
        return super().__getitem__(index)


def test_workers_that_fail_are_told_apart_from_items():
    with pytest.raises(FlowlibError, match="workers that read the dataset failed .*can be read here.*__main__.*workers = 0"):
        DatasetSequences(DyingWorkers([(FRAMES[0], 0), (FRAMES[1], 1)]), workers=1)
