"""Own images from a path to a trained model: in Python, on the command line, and every kind of bad input."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_runs import WRITTEN, here, refused, visible  # noqa: F401
from PIL import Image
from tiny import few_samples

import flowlib
from flowlib import cli
from flowlib.config import Config, from_json
from flowlib.data import load_sequences, options_of, transformation
from flowlib.errors import FlowlibError
from flowlib.training import load_model, read_json, trainer

SMALL = {"batch_size": 6, "latent_dim": 2, "width": 2, "potential_width": 4, "potential_depth": 1, "steps": 3, "checkpoint_every": 2}
ARGUMENTS = [part for name, value in SMALL.items() for part in (f"--{name.replace('_', '-')}", str(value))]
NOWHERE = {"data": "", "data_digest": ""}
RANDOM = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Reports of a few samples, and points of the loss curves at every step."""
    few_samples(monkeypatch)
    monkeypatch.setattr(trainer, "RECORD_EVERY", 1)


@pytest.fixture
def photos(tmp_path_factory):
    """A folder of ten RGB images of 20 × 20, PNG and JPEG, some in a folder of their own."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "more").mkdir()
    for number in range(10):
        pixels = RANDOM.integers(0, 256, (20, 20, 3), np.uint8)
        Image.fromarray(pixels).save(folder / ("more" if number > 6 else ".") / f"{number}.{'jpg' if number % 2 else 'png'}")
    return folder


def arrays(count=12, steps=2, channels=1, size=18):
    """Arrays of sequences with two factors."""
    frames = RANDOM.integers(0, 256, (count, steps + 1, channels, size, size), np.uint8)
    return {"frames": frames, "factor": np.arange(count) % 2, "factors": np.array(["drift", "spin"])}


@pytest.fixture(params=[".npz", ".h5"])
def file(request, tmp_path_factory):
    """A file of such arrays."""
    path = tmp_path_factory.mktemp("file") / f"own{request.param}"
    if request.param == ".npz":
        np.savez(path, **arrays())
    else:
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w") as opened:
            for name, value in arrays().items():
                opened[name] = value.astype("S") if name == "factors" else value
    return path


class TestPython:
    def test_a_folder(self, photos):
        model = flowlib.train(photos, progress=False, device="cpu", **SMALL, factors=["shear", "brightness"], horizon=3)
        config = model.config
        assert (config.channels, config.size, config.factors, config.horizon) == (3, 20, ("shear", "brightness"), 3)
        assert len(load_sequences(config)) == 8 and len(load_sequences(config, "test")) == 2
        metrics = flowlib.evaluate(model)
        assert set(metrics["equivariance"]) == {"shear", "brightness"} and metrics["equivariance"]["shear"]["error_n"] == 2
        assert "shear" in flowlib.format_report(metrics)
        path = model.transport(model.encode(load_sequences(config).first_frames()).mean, 1, 5)
        assert model.decode(path).shape == (8, 6, 3, 20, 20)

    def test_the_parts_share_no_image(self, photos):
        config = flowlib.api.configuration(photos, validation=3)
        parts = {split: {image.sum().item() for image in load_sequences(config, split).images} for split in ("train", "validation", "test")}
        assert [len(part) for part in parts.values()] == [5, 3, 2] and len(set().union(*parts.values())) == 10

    def test_other_sizes_are_brought_to_one(self, photos):
        Image.fromarray(RANDOM.integers(0, 256, (30, 50, 3), np.uint8)).save(photos / "wide.png")
        assert options_of(photos, 16) | NOWHERE == NOWHERE | {"channels": 3, "size": 16, "factors": ("scale", "rotation", "hue")}

    def test_grey_images_have_no_hue(self, tmp_path):
        for number in range(3):
            Image.fromarray(RANDOM.integers(0, 256, (16, 16), np.uint8)).save(tmp_path / f"{number}.png")
        assert options_of(tmp_path) | NOWHERE == NOWHERE | {"channels": 1, "size": 16, "factors": ("scale", "rotation")}

    def test_grey_of_16_bits_keeps_its_shades(self, tmp_path):
        pixels = np.linspace(0, 65535, 400).reshape(20, 20).astype(np.uint16)
        for name in ("one", "two"):
            Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        source = load_sequences(Config(**options_of(tmp_path) | {"held_out": 0.5}), "test")
        assert source.first_frames([0])[0, 0].numpy() - pixels / 65535 == pytest.approx(0, abs=0.5 / 255)

    def test_a_file_of_sequences(self, file):
        model = flowlib.train(str(file), progress=False, device="cpu", **SMALL)
        assert (model.config.channels, model.config.size, model.config.factors, model.config.horizon) == (1, 18, ("drift", "spin"), 2)
        assert flowlib.evaluate(model)["equivariance"].keys() == {"drift", "spin"}

    def test_a_file_without_labels(self, tmp_path):
        np.savez(tmp_path / "own.npz", frames=arrays()["frames"])
        model = flowlib.train(tmp_path / "own.npz", progress=False, device="cpu", **SMALL, factors=["a", "b"])
        assert type(model).__name__ == "InferredFlowVAE" and model.config.factors == ("a", "b")
        metrics = flowlib.evaluate(model)
        assert metrics["equivariance"].keys() == {"all"} and metrics["geometry"] == {}

    def test_a_source_and_a_run_that_is_loaded_again(self, tmp_path):
        source = flowlib.RecordedSequences(**arrays())
        model = flowlib.train(source, tmp_path / "run", progress=False, device="cpu", **SMALL)
        again = flowlib.train(source, tmp_path / "run", progress=False, device="cpu", **SMALL)
        for path in (tmp_path / "run", tmp_path / "run" / "model.safetensors", tmp_path / "run" / "checkpoint.safetensors"):
            loaded = flowlib.load(path)
            images = source.first_frames([0, 1])
            assert torch.equal(loaded.encode(images).mean, model.encode(images).mean) and loaded.config == model.config == again.config
        assert flowlib.evaluate(loaded, source) == flowlib.evaluate(model, source)
        with pytest.raises(FlowlibError, match="data were given in Python and are in no file"):
            flowlib.evaluate(loaded)

    def test_the_same_seed_gives_the_same_model(self):
        one, other, third = (
            flowlib.train(flowlib.RecordedSequences(**arrays_of_zero()), progress=False, device="cpu", seed=seed, **SMALL) for seed in (1, 1, 2)
        )
        weights = [torch.cat([value.flatten() for value in model.parameters()]) for model in (one, other, third)]
        assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])

    def test_names_of_the_package(self):
        for name in flowlib.__all__:
            assert getattr(flowlib, name) is not None
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            flowlib.nothing  # noqa: B018


def arrays_of_zero():
    return arrays() | {"frames": np.zeros((12, 3, 1, 16, 16), np.float32)}


class TestCommandLine:
    def test_means_that_leave_the_range_are_drawn(self, here, photos):
        assert cli.main(["train", "--data", str(photos), "--out", "run", *ARGUMENTS, "--likelihood", "gaussian"]) == 0
        assert (here / "run" / "flows.png").exists()

    def test_a_folder(self, here, photos, capsys):
        assert cli.main(["train", "--data", str(photos), "--factors", "rotation", "shear", "--horizon", "2", "--out", "run", *ARGUMENTS]) == 0
        assert visible(here / "run") == WRITTEN
        config = from_json(here / "run" / "config.json")
        assert (config.data, config.size, config.channels, config.factors) == (str(photos), 20, 3, ("rotation", "shear"))
        first = capsys.readouterr().out
        assert cli.main(["evaluate", "run", "--device", "cpu"]) == 0
        assert capsys.readouterr().out.split("trained for")[0] == first.split("trained for")[0]

    def test_a_file_with_two_channels_and_the_default_folder(self, here):
        np.savez("own.npz", **arrays(channels=2))
        assert cli.main(["train", "--data=own.npz", *ARGUMENTS]) == 0
        assert visible(here / "runs" / "own-seed0") == WRITTEN
        assert load_model(here / "runs" / "own-seed0" / "model.safetensors")[1].data == str(here / "own.npz")

    def test_a_file_without_labels(self, here):
        np.savez("own.npz", frames=arrays()["frames"])
        assert cli.main(["train", "--data", "own.npz", *ARGUMENTS]) == 0
        assert from_json(here / "runs" / "own-seed0" / "config.json").model == "flow-inferred"

    @pytest.mark.parametrize("model", ["msp", "sparse"])
    def test_a_file_without_labels_and_a_model_that_needs_none(self, here, model, capsys):
        np.savez("own.npz", frames=arrays()["frames"])
        assert cli.main(["train", "--data", "own.npz", "--model", model, "--factors", "a", "b", *ARGUMENTS]) == 0
        assert "all " in capsys.readouterr().out

    def test_a_plugin(self, here, photos):
        """A file with a transformation that needs what stands beside it, and with a model."""
        Path("plug").mkdir()
        Path("plug/own.py").write_text(PLUGIN)
        Path("plug/beside_the_plugin.py").write_text("STRENGTH = 0.5")
        asked = ["--data", str(photos), "--factors", "fade", "shear", "--model", "own-flow", "--out", "run", *ARGUMENTS]
        assert cli.main(["train", *asked, "--plugin", "plug/own.py"]) == 0
        assert cli.main(["evaluate", "run", "--plugin", "plug/own.py"]) == 0
        metrics = read_json(here / "run" / "metrics.json")
        assert set(metrics["equivariance"]) == {"fade", "shear"}


PLUGIN = """
import torch
import flowlib
from flowlib.models import FlowVAE, register
from beside_the_plugin import STRENGTH

@flowlib.transformation("fade")
def fade(images, strength):
    return images * (1 - STRENGTH * torch.as_tensor(strength))[:, None, None, None]

@register("own-flow")
class OwnFlow(FlowVAE):
    pass
"""


class TestWrongTypesInPython:
    @pytest.fixture
    def model(self):
        return flowlib.train(flowlib.RecordedSequences(**arrays()), progress=False, device=torch.device("cpu"), **SMALL)

    def test_encode(self):
        """In a process of its own: here the types that are annotated are checked first."""
        code = """if True:
            import flowlib, numpy, torch
            model = flowlib.models.build_model(flowlib.Config(channels=1, size=18))
            for images in (torch.zeros(2, 1, 18, 18, dtype=torch.uint8), torch.zeros(2, 3, 18, 18), numpy.zeros((2, 1, 18, 18))):
                try:
                    model.encode(images)
                except flowlib.FlowlibError as error:
                    print(error)
        """
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
        for line, found in zip(said, ("(2, 1, 18, 18) of torch.uint8", "(2, 3, 18, 18) of torch.float32", "a ndarray"), strict=True):
            assert line.startswith(f"images are {found}: give a tensor (B, 1, 18, 18) of floats in [0, 1]")

    @pytest.mark.parametrize("steps", [float("nan"), float("inf"), "8", None, torch.ones(2)])
    def test_transport(self, model, steps):
        with pytest.raises(FlowlibError, match="give finite numbers"):
            model.transport(torch.zeros(1, 2), 0, steps)

    def test_evaluate(self, model):
        with pytest.raises(FlowlibError, match=r"model is a str: give a model, such as flowlib.load\('runs/a'\) returns"):
            flowlib.evaluate("runs/a")
        with pytest.raises(FlowlibError, match="data of type ndarray: give a source"):
            flowlib.evaluate(model, arrays()["frames"])

    def test_train(self, photos):
        with pytest.raises(FlowlibError, match=r"factors = 'shear': give names in a tuple"):
            flowlib.train(photos, factors="shear")
        with pytest.raises(FlowlibError, match=r"options \['learning_rat'\] .* perhaps you meant learning_rate"):
            flowlib.train(photos, learning_rat=1e-3)
        with pytest.raises(FlowlibError, match="device = 'tpu'"):
            flowlib.train(photos, device="tpu")


class TestRefused:
    """One clear message each, before anything is written."""

    def train(self, capsys, data, *more):
        return refused(capsys, "train", "--data", str(data), "--out", "run", *ARGUMENTS, *more)

    def test_nothing_there(self, capsys, tmp_path_factory):
        empty = tmp_path_factory.mktemp("empty")
        assert "holds no image" in self.train(capsys, empty)
        assert "is no folder of images and no file .npz or .h5" in self.train(capsys, empty / "none")

    def test_mixed_sizes(self, capsys, photos):
        Image.fromarray(RANDOM.integers(0, 256, (30, 50, 3), np.uint8)).save(photos / "wide.png")
        message = self.train(capsys, photos)
        assert "wide.png 50 × 30" in message and "20 × 20" in message and "--size 64" in message

    @pytest.mark.parametrize("content", [b"", b"no image", None])
    def test_a_corrupt_image_is_named(self, capsys, photos, content):
        broken = photos / "2.png"
        broken.write_bytes(broken.read_bytes()[:300] if content is None else content)
        assert f"{broken.name} cannot be read as an image" in self.train(capsys, photos)

    def test_pixels_of_32_bits(self, capsys, photos):
        Image.fromarray(np.zeros((20, 20), np.int32)).save(photos / "wide.tiff")
        (photos / "wide.tiff").rename(photos / "wide.png")
        assert "wide.png has pixels of 32 bits" in self.train(capsys, photos)

    @pytest.mark.parametrize(
        "data, options, message",
        [
            ("photos", ["--left-out", "3"], "left_out = (3,): images of a folder"),
            ("photos", ["--corner", "scale", "hue"], "corner = ('scale', 'hue'): images of a folder"),
            ("file", ["--starts", "late"], "starts = 'late': recorded sequences"),
            ("file", ["--programs", "composed"], "programs = 'composed': recorded sequences"),
            ("rooms", ["--starts", "anywhere"], "starts = 'anywhere': the images of rooms"),
            ("digits", ["--corner", "scale", "hue"], "corner = ('scale', 'hue'): the images of digits"),
            ("digits", ["--starts", "mixed", "--programs", "composed"], "programs = 'composed': mixed sequences"),
        ],
    )
    def test_options_that_would_do_nothing(self, capsys, photos, tmp_path_factory, data, options, message):
        if data == "file":
            data = tmp_path_factory.mktemp("file") / "own.npz"
            np.savez(data, **arrays())
        assert message in self.train(capsys, photos if data == "photos" else data, *options)

    def test_programs_of_images_of_a_folder(self, photos):
        config = Config(**options_of(photos), programs="composed", held_out=0.2)
        assert load_sequences(config).programs == "composed" and load_sequences(config, "test").programs == "single"

    def test_a_corrupt_file(self, capsys, tmp_path_factory):
        path = tmp_path_factory.mktemp("file") / "own.npz"
        np.savez(path, **arrays())
        path.write_bytes(path.read_bytes()[:2000])
        assert "own.npz cannot be read" in self.train(capsys, path)
        np.savez(path, pictures=arrays()["frames"])
        assert "holds ['pictures']: it needs `frames`" in self.train(capsys, path)

    @pytest.mark.parametrize("change, message", [(lambda x: x * np.nan, "nan"), (lambda x: 255 * x, "range from 0")])
    def test_values_that_are_no_images(self, capsys, tmp_path_factory, change, message):
        path = tmp_path_factory.mktemp("file") / "own.npz"
        np.savez(path, **arrays() | {"frames": change(arrays()["frames"] / 255)})
        assert message in self.train(capsys, path)

    def test_a_factor_with_no_sequences(self, capsys, tmp_path_factory):
        path = tmp_path_factory.mktemp("file") / "own.npz"
        np.savez(path, **arrays() | {"factors": np.array(["drift", "spin", "glow"])})
        assert "no sequence shows 'glow'" in self.train(capsys, path)

    @pytest.mark.parametrize("names", [("spin", "drift"), ("foo", "bar")])
    def test_other_names_than_the_files(self, capsys, tmp_path_factory, names):
        path = tmp_path_factory.mktemp("file") / "own.npz"
        np.savez(path, **arrays())
        assert "names its labels ('drift', 'spin'), in this order" in self.train(capsys, path, "--factors", *names)

    def test_labels_that_are_words(self, capsys, tmp_path_factory):
        path = tmp_path_factory.mktemp("file") / "own.npz"
        np.savez(path, **arrays() | {"factor": np.array(["drift", "spin"] * 6)})
        assert "labels cannot be read as numbers" in self.train(capsys, path)

    @pytest.mark.parametrize(
        "content, message",
        [
            ("1/0", "ZeroDivisionError: division by zero"),
            (None, "FileNotFoundError"),
            ("(", "SyntaxError"),
            ("import sys; sys.exit(0)", "SystemExit"),
        ],
    )
    def test_a_plugin_that_fails(self, capsys, photos, tmp_path_factory, content, message):
        file = tmp_path_factory.mktemp("plugin") / "own.py"
        if content is not None:
            file.write_text(content)
        assert f"own.py fails with {message}" in self.train(capsys, photos, "--plugin", str(file))

    def test_a_factor_nobody_registered(self, capsys, photos):
        assert "--plugin FILE" in self.train(capsys, photos, "--factors", "glow")

    def test_values_of_the_configuration(self, capsys, photos):
        assert self.train(capsys, photos, "--learning-rate", "-1") == "flowlib: learning_rate = -1.0: give a finite number > 0"

    def test_another_T(self, capsys, tmp_path_factory):
        path = tmp_path_factory.mktemp("file") / "own.npz"
        np.savez(path, **arrays())
        assert "horizon 2, the model 5. In training, leave out the options" in self.train(capsys, path, "--horizon", "5")

    def test_a_checkpoint_for_other_shapes(self):
        model = flowlib.train(flowlib.RecordedSequences(**arrays()), progress=False, device="cpu", **SMALL)
        for change, message in (
            ({"steps": 3}, "horizon 3, the model 2"),
            ({"size": 20}, "size 20, the model 18"),
            ({"channels": 3}, "channels 3, the model 1"),
        ):
            with pytest.raises(FlowlibError, match=message):
                flowlib.evaluate(model, flowlib.RecordedSequences(**arrays(**change)))

    def test_a_transformation_that_breaks_late(self):
        """Above strength 1.5 only, which training with T steps never reaches, but extrapolation does."""
        transformation("late")(lambda images, strength: images / (strength < 1.5)[:, None, None, None])
        source = flowlib.ImageSequences(np.ones((3, 1, 16, 16), np.float32), ("late",), 2)
        with pytest.raises(FlowlibError, match="'late' returned NaN or infinite"):
            source.full_batch([0], 0, steps=4)

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
    def test_no_such_device(self, capsys, photos):
        assert "device = 'cuda': torch finds no such device here" in self.train(capsys, photos, "--device", "cuda")
        assert "precision = 'bf16' needs a CUDA GPU" in self.train(capsys, photos, "--precision", "bf16", "--device", "cpu")

    def test_out_of_memory_says_which_batch_to_try(self, monkeypatch, here):
        def full(self, batch, generator=None):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

        source = flowlib.RecordedSequences(**arrays())
        options = SMALL | {"batch_size": 12}
        flowlib.train(source, here / "run", progress=False, device="cpu", **options | {"steps": 4})
        monkeypatch.setattr(flowlib.FlowVAE, "objective", full)
        before = {path.name: path.read_bytes() for path in (here / "run").iterdir()}
        (here / "run" / "checkpoint.safetensors").unlink()
        with pytest.raises(FlowlibError, match="a batch of 12 does not fit into the memory of cpu: try --batch-size 6"):
            flowlib.train(source, here / "run", progress=False, device="cpu", **options | {"steps": 4})
        assert all((here / "run" / name).read_bytes() == content for name, content in before.items() if name != "checkpoint.safetensors")

    def test_data_that_are_no_source(self):
        with pytest.raises(FlowlibError, match="data of type ndarray: give a source"):
            flowlib.train(np.zeros((3, 1, 16, 16)))

    def test_h5_without_h5py(self, capsys, tmp_path_factory, monkeypatch):
        path = tmp_path_factory.mktemp("file") / "own.h5"
        path.write_bytes(b"x")
        monkeypatch.setitem(sys.modules, "h5py", None)
        assert "needs the package h5py: pip install h5py" in self.train(capsys, path)
