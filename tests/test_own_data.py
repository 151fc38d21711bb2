"""Own images from a path to a trained model, in Python and on the command line."""

from pathlib import Path

import numpy as np
import pytest
import torch
from cli_runs import WRITTEN, here, refused, visible  # noqa: F401
from own_data import ARGUMENTS, RANDOM, SMALL, arrays, few, photos  # noqa: F401
from PIL import Image

import flowlib
from flowlib import cli
from flowlib.api import configuration
from flowlib.config import Config, from_json
from flowlib.data import TRANSFORMATIONS, files, load_sequences, options_of
from flowlib.data.mixed import MixedSequences
from flowlib.errors import FlowlibError
from flowlib.training import load_model, read_json

NOWHERE = {"data": "", "data_digest": ""}


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
    def test_links_to_folders_are_followed_once(self, photos, tmp_path):
        """Also one that leads back to a folder around it."""
        (tmp_path / "all").mkdir()
        (tmp_path / "all" / "linked").symlink_to(photos)
        (photos / "back").symlink_to(tmp_path / "all")
        Image.new("RGB", (20, 20)).save(tmp_path / "outside.png")
        (photos / "above").symlink_to(tmp_path)  # which holds more than the folder that is asked for
        assert options_of(tmp_path / "all")["channels"] == 3
        assert len({name for name, _ in files._files(tmp_path / "all")}) == len(files._files(tmp_path / "all")) == 10

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

    def test_images_stand_upright(self, tmp_path):
        """A camera that was held upright writes rows as columns, and says so in the EXIF data."""
        tall, said = Image.fromarray(RANDOM.integers(0, 256, (30, 20), np.uint8)), Image.Exif()
        said[0x0112] = 6  # turned by a quarter
        tall.save(tmp_path / "plain.png")
        tall.rotate(90, expand=True).save(tmp_path / "turned.png", exif=said)
        images = [load_sequences(Config(**options_of(tmp_path, 20) | {"held_out": 0.5}), split).images for split in ("train", "test")]
        assert torch.equal(*images)
        tall.save(tmp_path / "damaged.png", exif=b"MM\0+" + said.tobytes()[10:])
        assert options_of(tmp_path, 20)["size"] == 20

    def test_what_is_hidden_and_what_a_run_has_drawn_are_left_out(self, photos, monkeypatch):
        before = options_of(photos)
        for folder, inside in (
            (".git", ()),
            ("runs/a", ("config.json", "model.safetensors")),
            ("b", ("config.json", "checkpoint.safetensors")),
        ):
            (photos / folder / "more").mkdir(parents=True)
            for name in (*inside, "flows.png", "more/flows.png"):
                (photos / folder / name).write_bytes(b"")
        (photos / "._0.png").write_bytes(b"")
        monkeypatch.chdir(photos)
        assert options_of(photos) == options_of(".") == before
        (photos / "b" / "config.json").unlink()
        with pytest.raises(FlowlibError, match="flows.png cannot be read as an image"):
            options_of(".")

    def test_one_name_without_an_axis_and_a_suffix_in_capitals(self, file):
        if file.suffix == ".npz":
            np.savez(file, frames=arrays()["frames"], factor=np.zeros(12, int), factors="dx")
        else:
            import h5py

            with h5py.File(file, "w") as opened:
                opened["frames"], opened["factor"], opened["factors"] = arrays()["frames"], np.zeros(12, int), "dx"
        assert options_of(file.rename(file.with_suffix(file.suffix.upper())))["factors"] == ("dx",)

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

    def test_what_a_source_decides_is_in_the_configuration_or_refused(self):
        images = torch.rand(12, 3, 16, 16)
        late = flowlib.ImageSequences(images, ("shear", "hue"), steps=2, starts="late", programs="switched")
        config = configuration(late)
        assert (config.starts, config.programs) == ("late", "switched")
        with pytest.raises(FlowlibError, match="hj_penalty = 'paper' has one driving force"):
            configuration(late, hj_penalty="paper")
        for changes, said in (({"starts": "plain"}, "the source decides, and has 'late'"), ({"images": 5}, "a source is trained on as it is")):
            with pytest.raises(FlowlibError, match=said):
                configuration(late, **changes)
        assert configuration(late, starts="late", images=0) == config

    def test_a_source_of_ones_own_may_have_attributes_of_these_names(self):
        source = flowlib.RecordedSequences(**arrays())
        source.starts = [0, 30, 90]
        assert configuration(source).starts == "plain"
        mixed = MixedSequences(flowlib.ImageSequences(torch.rand(12, 3, 16, 16), ("shear", "hue"), steps=2))
        assert configuration(mixed, model="vae").starts == configuration(mixed, model="vae", starts="mixed").starts == "mixed"

    def test_training_leaves_torch_s_generator_alone(self):
        torch.manual_seed(0)
        flowlib.train(flowlib.RecordedSequences(**arrays()), progress=False, device="cpu", **SMALL)
        after = torch.rand(1)
        torch.manual_seed(0)
        assert torch.equal(after, torch.rand(1))

    def test_the_remedy_of_an_option_that_fails_can_be_taken(self, tmp_path):
        source = flowlib.ImageSequences(torch.rand(12, 3, 16, 16), ("shear", "hue"), steps=2)
        with pytest.raises(FlowlibError, match="latent_dim"):
            flowlib.train(source, tmp_path / "run", model="tvae", **SMALL | {"latent_dim": 4})
        assert not (tmp_path / "run").exists()

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
        assert first.startswith(
            "data: 8 sequences of 3 × 20 × 20 for each of 2 factors (rotation, shear), T = 2\nmodel: flow (prior none, hj_penalty none)\n"
        )
        assert cli.main(["evaluate", "run", "--device", "cpu"]) == 0
        assert capsys.readouterr().out.split("trained for")[0] == first.split("hj_penalty none)\n")[1].split("trained for")[0]

    def test_what_is_worth_a_word(self, here, photos, capsys):
        """Files of other kinds, and images that use a small part of their range; evaluation may wait."""
        for path in photos.rglob("*.*"):
            dark = np.asarray(Image.open(path)) // 8
            path.unlink()
            Image.fromarray(dark).save(path.with_suffix(".png"))
        (photos / "copy.png").write_bytes((photos / "0.png").read_bytes())
        Image.new("L", (20, 20)).save(photos / "more" / "scan.tif")
        (photos / "notes.txt").write_text("no picture")
        (photos / ".thumbnails.gif").write_bytes(b"hidden")
        (photos / "earlier").mkdir()
        for name in ("config.json", "model.safetensors", "flows.gif"):  # what a run has written there is not of the images
            (photos / "earlier" / name).write_bytes(b"")
        assert cli.main(["train", "--data", str(photos), "--out", "run", *ARGUMENTS, "--no-evaluate"]) == 0
        said = capsys.readouterr().out
        assert "left out: 1 .tif; save them as PNG or JPEG" in said and "the brightest of all pixels is 0.12 of the range" in said
        assert "1 of 11 images are copies of others: what is held out may be in training" in said
        assert "equivariance" not in said and not (here / "run" / "metrics.json").exists() and (here / "run" / "model.safetensors").exists()
        assert cli.main(["evaluate", "run"]) == 0 and visible(here / "run") == WRITTEN

    def test_a_file_with_two_channels_and_the_default_folder(self, here):
        np.savez("own.npz", **arrays(channels=2))
        assert cli.main(["train", "--data=own.npz", *ARGUMENTS]) == 0
        assert visible(here / "runs" / "own.npz-seed0") == WRITTEN
        assert load_model(here / "runs" / "own.npz-seed0" / "model.safetensors")[1].data == str(here / "own.npz")

    def test_a_file_without_labels(self, here, capsys):
        np.savez("own.npz", frames=arrays()["frames"])
        assert cli.main(["train", "--data", "own.npz", *ARGUMENTS]) == 0
        assert from_json(here / "runs" / "own.npz-seed0" / "config.json").model == "flow-inferred"
        assert (
            "18 × 18 for 3 factors without labels (a, b, c; --factors names others), T = 2\nmodel: flow-inferred (prior diffusion)\n"
            in capsys.readouterr().out
        )

    @pytest.mark.parametrize("model", ["msp", "sparse"])
    def test_a_file_without_labels_and_a_model_that_needs_none(self, here, model, capsys):
        np.savez("own.npz", frames=arrays()["frames"])
        assert cli.main(["train", "--data", "own.npz", "--model", model, "--factors", "a", "b", *ARGUMENTS]) == 0
        assert "all " in capsys.readouterr().out

    def test_a_plugin(self, here, photos, capsys, monkeypatch):
        """A file with a transformation that needs what stands beside it, and with a model."""
        Path("plug").mkdir()
        Path("plug/own.py").write_text(PLUGIN)
        Path("plug/beside_the_plugin.py").write_text("STRENGTH = 0.5")
        asked = ["--data", str(photos), "--factors", "fade", "shear", "--model", "own-flow", "--out", "run", *ARGUMENTS]
        assert cli.main(["train", *asked, "--plugin", "plug/own.py"]) == 0
        assert cli.main(["evaluate", "run", "--plugin", "plug/own.py"]) == 0
        metrics = read_json(here / "run" / "metrics.json")
        assert set(metrics["equivariance"]) == {"fade", "shear"}
        monkeypatch.delitem(TRANSFORMATIONS, "fade")  # as in a new process that is not given the plugin
        assert cli.main(["evaluate", "run"]) == 2
        assert "unknown factor 'fade'" in (said := capsys.readouterr().err) and "--plugin FILE" in said


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
