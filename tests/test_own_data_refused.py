"""Own images that cannot be used, and every kind of bad input: one clear message each."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_runs import WRITTEN, here, refused, visible  # noqa: F401
from own_data import ARGUMENTS, RANDOM, SMALL, arrays, few, photos  # noqa: F401
from PIL import Image

import flowlib
from flowlib.config import Config
from flowlib.data import load_sequences, options_of, transformation
from flowlib.errors import FlowlibError


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

    def test_transformations_and_sources(self):
        """In a process of its own, too."""
        code = """if True:
            import flowlib, numpy
            from flowlib.data import DatasetSequences
            for ask in (
                lambda: flowlib.transformation(lambda images, strength: images),
                lambda: flowlib.transformation("", rest=0),
                lambda: flowlib.transformation("fade", rest="a"),
                lambda: flowlib.ImageSequences(numpy.ones((2, 1, 8, 8)), ("shear",), steps="3"),
                lambda: DatasetSequences([numpy.ones((2, 1, 8, 8))], ("a",), workers=2.5),
            ):
                try:
                    ask()
                except flowlib.FlowlibError as error:
                    print(error)
        """
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
        expected = ("write @flowlib.transformation('fade')", "named ''", "from 'a' to 1.0", "steps = '3'", "workers = 2.5")
        assert all(part in line for line, part in zip(said, expected, strict=True))

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

    def test_all_corrupt_images_are_named_at_once(self, capsys, photos):
        for name in ("a.png", "b.jpg"):
            (photos / name).write_bytes(b"no image")
        message = self.train(capsys, photos)
        assert "a.png cannot be read" in message and "b.jpg cannot be read" in message and "2 of 12 files" in message

    def test_mixed_sizes(self, capsys, photos):
        Image.fromarray(RANDOM.integers(0, 256, (30, 50, 3), np.uint8)).save(photos / "wide.png")
        message = self.train(capsys, photos)
        assert "wide.png 50 × 30" in message and "20 × 20" in message and "--size 64" in message

    @pytest.mark.parametrize("size", [0, -5, 3, 16.5, "16"])
    def test_sides_that_no_image_has(self, capsys, photos, size):
        with pytest.raises(FlowlibError, match=f"size = {size!r}: give a whole number of pixels, 4 or more"):
            flowlib.train(photos, size=size)
        if type(size) is int:
            assert f"size = {size}: give a whole number" in self.train(capsys, photos, "--size", str(size))

    def test_more_pixels_than_pillow_reads(self, photos, monkeypatch, recwarn):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)  # of 400 pixels it warns, of more than 600 it refuses
        assert options_of(photos)["size"] == 20 and not recwarn.list
        Image.new("L", (1500, 2000)).save(photos / "vast.png")
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10**6)
        with pytest.raises(FlowlibError, match="vast.png has more than 2 million pixels: save it smaller"):
            options_of(photos)

    def test_what_may_not_be_read(self, photos, tmp_path, monkeypatch):
        """Root may read everything, so what the system says is put in its place."""
        np.savez(tmp_path / "own.npz", **arrays())
        monkeypatch.setattr("os.access", lambda path, _: Path(path).name not in ("8.png", "own.npz"))
        for path, named in ((photos, "8.png"), (tmp_path / "own.npz", "own.npz")):
            with pytest.raises(FlowlibError, match=f"{named} cannot be read: the permission to read it is missing"):
                options_of(path)

        def refused_folder(path):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr("os.scandir", refused_folder)
        with pytest.raises(FlowlibError, match="photos.* cannot be read: the permission to read it is missing"):
            options_of(photos)

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

    def test_a_word_that_is_none_of_the_names(self, capsys, tmp_path_factory):
        path = tmp_path_factory.mktemp("file") / "own.npz"
        np.savez(path, **arrays() | {"factor": np.array(["drift", "sping"] * 6)})
        assert "unknown factor 'sping': choose one of drift, spin" in self.train(capsys, path)

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

    @pytest.mark.parametrize("warp", [True, False])
    def test_a_transformation_that_fails(self, warp):
        """The message names it, what it was given, and its own line, not one of torch's."""
        transformation("wrong", warp=warp)(lambda given, strength: given @ torch.ones(7, 7))
        given = r"\(\d,\) and 16" if warp else r"\(\d, 1, 16, 16\) and \(\d,\)"
        with pytest.raises(FlowlibError, match=f"'wrong', given {given}, failed in .*test_own_data_refused.py, line .*RuntimeError") as found:
            flowlib.ImageSequences(np.ones((3, 1, 16, 16), np.float32), ("wrong",), 2)
        assert isinstance(found.value.__cause__, RuntimeError)

    def test_a_transformation_of_one_argument(self):
        """It is never entered: the message names its own first line, not one of ours."""
        transformation("short")(lambda images: images)
        with pytest.raises(FlowlibError, match="'short', .* failed in .*test_own_data_refused.py, line .*TypeError"):
            flowlib.ImageSequences(np.ones((3, 1, 16, 16), np.float32), ("short",), 2)

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
        for name in ("checkpoint.safetensors", "model.safetensors"):
            (here / "run" / name).unlink()
        before = {path.name: path.read_bytes() for path in (here / "run").iterdir()}
        with pytest.raises(FlowlibError, match="a batch of 12 does not fit into the memory of cpu: try --batch-size 6"):
            flowlib.train(source, here / "run", progress=False, device="cpu", **options | {"steps": 4})
        assert before and {path.name: path.read_bytes() for path in (here / "run").iterdir()} == before

    def test_data_that_are_no_source(self):
        with pytest.raises(FlowlibError, match="data of type ndarray: give a path or a source"):
            flowlib.train(np.zeros((3, 1, 16, 16)))

    def test_h5_without_h5py(self, capsys, tmp_path_factory, monkeypatch):
        path = tmp_path_factory.mktemp("file") / "own.h5"
        path.write_bytes(b"x")
        monkeypatch.setitem(sys.modules, "h5py", None)
        assert "needs the package h5py: pip install h5py" in self.train(capsys, path)
