"""Checkpoint files: what is written, what is refused, and that a failure changes nothing."""

import dataclasses
import itertools
import json
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny import CONFIG

import flowlib
from flowlib import atomic_io
from flowlib.errors import FlowlibError
from flowlib.training import load, load_model, new_model, read_json, write_json
from flowlib.training.checkpoint import KEY, check_config, save


@pytest.fixture
def path(tmp_path):
    """A checkpoint of a tiny model's weights, alone in its folder."""
    save(tmp_path / "model.safetensors", {"model": new_model(CONFIG).state_dict()}, CONFIG, 7)
    return tmp_path / "model.safetensors"


def rewritten(path, header=None, **tensors):
    """Write the file again with another header or other tensors, as other software would."""
    with safe_open(path, "pt") as file:
        metadata = json.loads(file.metadata()[KEY])
    save_file(load_file(path) | tensors, path, metadata={KEY: json.dumps(metadata | (header or {}))})


class TestFile:
    def test_round_trip(self, path):
        saved, weights = load(path), new_model(CONFIG).state_dict()
        assert (saved.step, saved.version) == (7, flowlib.__version__)
        assert saved.config == json.loads(json.dumps(dataclasses.asdict(CONFIG)))
        assert saved.part("model").keys() == weights.keys() and saved.part("mod") == {}
        assert all(torch.equal(value, weights[name]) for name, value in saved.part("model").items())
        assert [entry.name for entry in path.parent.iterdir()] == [path.name]

    def test_equal_contents_are_equal_files(self, path, tmp_path):
        written = set()
        for number in range(8):
            save(tmp_path / "again.safetensors", {"model": new_model(CONFIG).state_dict()}, CONFIG, 7)
            written.add((tmp_path / "again.safetensors").read_bytes())
        assert written == {path.read_bytes()}

    def test_a_file_that_is_replaced_meanwhile_is_one_of_both(self, tmp_path):
        """As by a run that goes on: the header of one file with the tensors of another would be called altered."""
        both, path, ended = [tmp_path / "first", tmp_path / "second"], tmp_path / "now", threading.Event()
        for step, file in enumerate(both):
            save(file, {"model": {"step": torch.full((1000,), float(step))}}, CONFIG, step)
        os.link(both[1], path)  # another file than the next one: replacing a file by itself does nothing

        def replace():
            for file in itertools.cycle(both):
                os.link(file, tmp_path / "next")
                os.replace(tmp_path / "next", path)
                if ended.is_set():
                    return

        found = []
        with ThreadPoolExecutor() as pool:
            replacing = pool.submit(replace)
            try:
                while not replacing.done() and (len(found) < 4000 or len({one.step for one in found}) < 2):
                    found.append(load(path))
            finally:
                ended.set()
            assert replacing.result() is None
        assert all(one.tensors["model.step"][0] == one.step for one in found) and {one.step for one in found} == {0, 1}

    def test_a_model_is_rebuilt_from_the_file_alone(self, path):
        model, config = load_model(path)
        images = torch.rand(2, 3, 28, 28)
        assert config == CONFIG and not model.training
        assert torch.equal(model.encode(images).mean, new_model(CONFIG).encode(images).mean)

    def test_half_precision_is_widened(self, path):
        weights = new_model(CONFIG).state_dict()
        save(path, {"model": {name: value.half() for name, value in weights.items()}}, CONFIG, 7)
        model, _ = load_model(path)
        for name, value in model.state_dict().items():
            assert value.dtype == torch.float32 and torch.equal(value, weights[name].half().float())

    def test_views_are_saved_whole(self, tmp_path):
        save(
            tmp_path / "a.safetensors",
            {"x": {"t": torch.arange(6.0).reshape(2, 3).T, "empty": torch.zeros(0)}},
            CONFIG,
            1,
        )
        found = load(tmp_path / "a.safetensors").part("x")
        assert found["t"].tolist() == [[0, 3], [1, 4], [2, 5]] and found["empty"].shape == (0,)


class TestRefused:
    def refused(self, path, message):
        for read in (load, load_model):
            with pytest.raises(FlowlibError, match=message):
                read(path)

    def test_missing(self, tmp_path):
        self.refused(tmp_path / "none.safetensors", "no checkpoint at .*none.safetensors: train first")

    @pytest.mark.parametrize("length", [0, 4, 100, -1])
    def test_truncated(self, path, length):
        path.write_bytes(path.read_bytes()[:length])
        self.refused(path, "model.safetensors is no checkpoint in safetensors format .truncated or altered")

    @pytest.mark.parametrize("place", [-1, -5000, 0.5])
    def test_altered(self, path, place):
        """One bit of a weight: safetensors would load it without a word."""
        content = bytearray(path.read_bytes())
        content[place if place < 0 else int(place * len(content))] ^= 1
        path.write_bytes(content)
        self.refused(path, "model.safetensors is altered: its checksum differs")

    def test_altered_header(self, path):
        rewritten(path, {"step": "8"})
        self.refused(path, "is altered")

    @pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
    def test_pickles_are_not_even_opened(self, path, protocol):
        path.write_bytes(pickle.dumps(Bomb(), protocol))
        self.refused(path, "it is a pickle, which could run code when opened")

    @pytest.mark.parametrize("zipped", [True, False])
    def test_what_torch_saves_is_a_pickle(self, path, zipped):
        torch.save({"a": torch.zeros(3)}, path, _use_new_zipfile_serialization=zipped)
        self.refused(path, "it is a pickle")

    def test_a_header_that_is_no_json(self, path):
        save_file(load_file(path), path, metadata={KEY: "{"})
        self.refused(path, "is altered: its header cannot be read")

    def test_other_softwares_safetensors(self, path):
        save_file({"a": torch.zeros(3)}, path)
        self.refused(path, r"is not one of flowlib's checkpoints: its header holds \[\]")

    def test_a_file_without_a_checksum_is_read(self, path):
        """Weights that other software converted: the header without `sha256` has nothing to compare."""
        header = {"config": json.dumps(dataclasses.asdict(CONFIG)), "step": "3", "flowlib": "0.0.9"}
        save_file(load_file(path), path, metadata=header)
        assert load(path).version == "0.0.9" and load_model(path)[1] == CONFIG

    def test_another_versions_options_are_named(self, path):
        header = {"config": json.dumps(dataclasses.asdict(CONFIG) | {"colour": 1}), "step": "3", "flowlib": "9.1"}
        save_file(load_file(path), path, metadata=header)
        with pytest.raises(FlowlibError, match=r"written by flowlib 9.1, .*options \['colour'\] are unknown here"):
            load_model(path)

    def test_an_older_versions_options_take_their_defaults(self, path):
        """And its header had several keys."""
        values = dataclasses.asdict(CONFIG)
        del values["images"]
        save_file(load_file(path), path, metadata={"config": json.dumps(values), "step": "3", "flowlib": "0.0.9"})
        assert load_model(path)[1] == CONFIG
        check_config(load(path), CONFIG, path)

    def test_weights_that_do_not_fit(self, path):
        weights = new_model(CONFIG).state_dict()
        wider = new_model(dataclasses.replace(CONFIG, latent_dim=3)).state_dict()
        for parts, message in (
            (wider, "size mismatch for .*shape"),
            ({**weights, "extra": torch.zeros(1)}, "Unexpected key.*extra"),
            (
                {name: value for name, value in weights.items() if name != "prior.log_diffusion"},
                "Missing key.*log_diff",
            ),
        ):
            save(path, {"model": parts}, CONFIG, 1)
            with pytest.raises(FlowlibError, match=f"model.safetensors does not fit the model: .*{message}"):
                load_model(path)

    def test_another_configuration_names_each_option(self, path):
        other = dataclasses.replace(CONFIG, seed=3, factors=("hue", "scale"))
        with pytest.raises(FlowlibError) as caught:
            check_config(load(path), other, path)
        message = str(caught.value)
        assert "seed: 0 there, 3 asked for" in message and "factors: ('scale', 'rotation', 'hue') there" in message
        assert "steps" not in message and "--out" in message
        check_config(load(path), CONFIG, path)


class Bomb:
    """Writes where it must not, should anything unpickle it."""

    def __reduce__(self):
        return pytest.fail, ("a pickle was opened",)


class TestWholeFiles:
    def test_a_failure_leaves_the_old_file_and_no_rest(self, tmp_path):
        write_json(tmp_path / "a.json", {"x": 1})

        def fail(temporary):
            temporary.write_text("half")
            raise OSError(28, "No space left on device")

        with pytest.raises(FlowlibError, match="a.json could not be written .No space left"):
            atomic_io.write_file(tmp_path / "a.json", fail)
        assert read_json(tmp_path / "a.json") == {"x": 1} and len(list(tmp_path.iterdir())) == 1

    def test_an_interruption_leaves_no_rest_either(self, tmp_path):
        def interrupt(temporary):
            temporary.write_text("half")
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            atomic_io.write_file(tmp_path / "a.json", interrupt)
        assert list(tmp_path.iterdir()) == []

    def test_what_no_reader_could_parse_is_not_written(self, tmp_path):
        with pytest.raises(ValueError, match="Out of range float"):
            write_json(tmp_path / "a.json", {"x": float("nan")})
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("content", [b"", b"{", b"\xff"])
    def test_broken_json(self, tmp_path, content):
        (tmp_path / "a.json").write_bytes(content)
        for name in ("a.json", "b.json"):
            with pytest.raises(FlowlibError, match=f"{name} cannot be read .*run the command that writes it again"):
                read_json(tmp_path / name)


def test_the_embedded_checkpoints_can_be_used():
    found = sorted((Path(flowlib.__file__).parents[1] / "data" / "checkpoints").glob("*.safetensors"))
    assert found
    for path in found:
        model, config = load_model(path)
        shape = (2, config.channels, config.size, config.size)
        images = torch.rand(shape, generator=torch.Generator().manual_seed(0))
        path_of_codes = model.transport(model.encode(images).mean, 0, config.horizon)
        assert model.decode(path_of_codes).shape == (2, config.horizon + 1, *shape[1:])
