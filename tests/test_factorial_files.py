"""Shapes3D, Falcor3D and Isaac3D: small files in their formats are read image by image, and damaged ones are refused."""

import os
import sys

import numpy as np
import pytest
from factorial_files import numbers, values, write_numbered, write_shapes
from PIL import Image

from flowlib.data import catalogue, check, falcor3d, isaac3d, open_images, shapes3d
from flowlib.data.factorial import FactorialSequences
from flowlib.data.grid import Grid
from flowlib.errors import FlowlibError

SHAPES = Grid(shapes3d.GRID.names, (2, 3, 2, 2, 2, 3), shapes3d.GRID.cyclic)
FALCOR = Grid(falcor3d.GRID.names, (2, 2, 3, 2, 1, 2, 2))
ISAAC = Grid(isaac3d.GRID.names, (2, 3, 1, 2, 1, 2, 2, 1, 2))


def test_the_published_sizes():
    assert falcor3d.GRID.indices(np.eye(7, dtype=int)).tolist() == [46656, 7776, 1296, 216, 36, 6, 1]
    assert isaac3d.GRID.indices(np.eye(9, dtype=int)).tolist() == [245760, 30720, 6144, 1536, 384, 96, 16, 4, 1]
    assert shapes3d.GRID.indices(np.eye(6, dtype=int)).tolist() == [48000, 4800, 480, 60, 15, 1]


class TestShapes3D:
    @pytest.fixture(autouse=True)
    def package(self):
        pytest.importorskip("h5py")

    @pytest.mark.parametrize("chunks", [None, (4, 64, 64, 3), (50, 16, 32, 1)], ids=["plain", "whole images", "pieces"])
    def test_read_by_number_in_the_order_asked_for(self, tmp_path, chunks):
        images = shapes3d.Shapes3D(write_shapes(tmp_path / "3dshapes.h5", SHAPES, chunks), SHAPES)
        found = images.read([143, 0, 7, 143])
        assert numbers(found) == [143, 0, 7, 143] and found.shape == (4, 3, 64, 64)
        import h5py

        with h5py.File(tmp_path / "3dshapes.h5") as file:
            assert (found[2].permute(1, 2, 0).numpy() == file["images"][7]).all()
        images.check()
        assert numbers((FactorialSequences(images).full_batch([0], "orientation").frames[0] * 255).round()) == [0, 1, 2]

    def test_pieces_are_unpacked_once_and_again_for_another_file(self, tmp_path):
        path = write_shapes(tmp_path / "3dshapes.h5", SHAPES, (50, 16, 32, 1))
        shapes3d.Shapes3D(path, SHAPES)
        unpacked = tmp_path / "3dshapes-unpacked.npy"
        before = unpacked.stat().st_mtime_ns
        shapes3d.Shapes3D(path, SHAPES)
        assert unpacked.stat().st_mtime_ns == before == path.stat().st_mtime_ns
        np.save(unpacked, np.zeros(3))
        os.utime(unpacked, ns=(before, before))
        with pytest.raises(FlowlibError, match="remove it"):
            shapes3d.Shapes3D(path, SHAPES)

    def test_an_older_file_in_its_place_is_unpacked_too(self, tmp_path):
        """As a copy that keeps its time may be."""
        path = write_shapes(tmp_path / "3dshapes.h5", SHAPES, (50, 16, 32, 1))
        shapes3d.Shapes3D(path, SHAPES)
        write_shapes(path, SHAPES, (50, 16, 32, 1), images=np.full((144, 64, 64, 3), 7, np.uint8))
        os.utime(path, ns=(10**18, 10**18))
        assert (shapes3d.Shapes3D(path, SHAPES).read([0, 5]) == 7).all()

    @pytest.mark.parametrize("chunks", [(1, 64, 64, 3), (50, 16, 32, 1)])
    def test_a_damaged_block_in_the_middle(self, tmp_path, chunks):
        import h5py

        path = write_shapes(tmp_path / "3dshapes.h5", SHAPES, chunks)
        with h5py.File(path) as file:
            block = file["images"].id.get_chunk_info(file["images"].id.get_num_chunks() // 2)
        with open(path, "r+b") as file:
            file.seek(block.byte_offset)
            file.write(np.random.default_rng(0).bytes(block.size))
        with pytest.raises(FlowlibError, match="3dshapes.h5 is damaged"):
            shapes3d.Shapes3D(path, SHAPES).check()

    @pytest.mark.parametrize("changed, message", [
        ({"images": np.zeros((143, 64, 64, 3), np.uint8)}, "`images` should be .*144, 64"),
        ({"images": np.zeros((144, 64, 64, 3), np.float32)}, "`images` should be .* of uint8"),
        ({"images": None}, "`images` should be .* nothing"),
        ({"labels": values(SHAPES)[:-1]}, "`labels` should be .*144, 6"),
        ({"labels": values(SHAPES).astype(np.float32)}, "`labels` should be .* of float64"),
    ])  # fmt: skip
    def test_another_layout_is_refused(self, tmp_path, changed, message):
        with pytest.raises(FlowlibError, match=message):
            shapes3d.Shapes3D(write_shapes(tmp_path / "3dshapes.h5", SHAPES, **changed), SHAPES)

    @pytest.mark.parametrize("labels, message", [
        (values(SHAPES)[::-1], "row 0 has another floor_hue"),
        (values(SHAPES)[:, [1, 0, 2, 3, 4, 5]], "column 0 should be floor_hue, with 2 values, and has 3"),
        (values(SHAPES)[:, [0, 1, 3, 2, 4, 5]], "another object_hue"),
        (values(SHAPES) * np.nan, "NaN"),
    ])  # fmt: skip
    def test_reordered_labels_are_refused(self, tmp_path, labels, message):
        images = shapes3d.Shapes3D(write_shapes(tmp_path / "3dshapes.h5", SHAPES, labels=np.ascontiguousarray(labels)), SHAPES)
        with pytest.raises(FlowlibError, match=message):
            images.check()

    def test_truncated_missing_and_foreign_files(self, tmp_path):
        path = write_shapes(tmp_path / "3dshapes.h5", SHAPES)
        path.write_bytes(path.read_bytes()[:-5000])
        with pytest.raises(FlowlibError, match="truncated"):
            shapes3d.Shapes3D(path, SHAPES)
        path.write_text("hello")
        with pytest.raises(FlowlibError, match="no HDF5 file"):
            shapes3d.Shapes3D(path, SHAPES)
        with pytest.raises(FlowlibError, match="is missing: download it"):
            shapes3d.Shapes3D(tmp_path / "none.h5", SHAPES)

    def test_without_h5py(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "h5py", None)
        with pytest.raises(FlowlibError, match="pip install h5py"):
            shapes3d.Shapes3D(tmp_path / "3dshapes.h5")

    def test_numbers_that_do_not_exist(self, tmp_path):
        with pytest.raises(FlowlibError, match="0 … 143"):
            shapes3d.Shapes3D(write_shapes(tmp_path / "3dshapes.h5", SHAPES), SHAPES).read([144])


@pytest.mark.parametrize("kind, grid", [(falcor3d.Falcor3D, FALCOR), (isaac3d.Isaac3D, ISAAC)], ids=["Falcor3D", "Isaac3D"])
class TestNumberedImages:
    def test_read_by_number(self, tmp_path, kind, grid):
        folder = write_numbered(tmp_path / "set", grid)
        for path in (folder, folder / "images"):
            images = kind(path, grid=grid)
            images.check()
            assert images.size == 16 and numbers(images.read([95, 3, 3])) == [95, 3, 3]
        assert kind(folder, size=8, grid=grid).read([1]).shape == (1, 3, 8, 8)
        assert FactorialSequences(images).factors == tuple(n for n, size in zip(grid.names, grid.sizes) if size > 1)

    def test_a_missing_image(self, tmp_path, kind, grid):
        folder = write_numbered(tmp_path / "set", grid)
        (folder / "images" / "000017.png").unlink()
        with pytest.raises(FlowlibError, match="000017.png is missing: there should be .*NVlabs"):
            kind(folder, grid=grid)

    def test_too_many_images(self, tmp_path, kind, grid):
        folder = write_numbered(tmp_path / "set", grid)
        (folder / "images" / "extra.png").write_bytes(b"")
        with pytest.raises(FlowlibError, match=f"holds {len(grid) + 1} images"):
            kind(folder, grid=grid)

    def test_a_truncated_image(self, tmp_path, kind, grid):
        path = write_numbered(tmp_path / "set", grid) / "images" / "000040.png"
        path.write_bytes(path.read_bytes()[:-100])
        images = kind(tmp_path / "set", grid=grid)
        for refused in (images.check, lambda: images.read([40])):
            with pytest.raises(FlowlibError, match="000040.png"):
                refused()

    def test_damage_in_the_middle_of_an_image(self, tmp_path, kind, grid):
        """Its last bytes are whole; PNG's own checksums tell."""
        path = write_numbered(tmp_path / "set", grid) / "images" / "000040.png"
        whole = path.read_bytes()
        path.write_bytes(whole[:60] + bytes(value ^ 1 for value in whole[60:64]) + whole[64:])
        with pytest.raises(FlowlibError, match="000040.png cannot be read"):
            kind(tmp_path / "set", grid=grid).check()

    def test_one_size_also_where_all_are_brought_to_another(self, tmp_path, kind, grid):
        folder = write_numbered(tmp_path / "set", grid)
        Image.new("RGB", (8, 8)).save(folder / "images" / "000040.png")
        with pytest.raises(FlowlibError, match="000040.png has another size"):
            kind(folder, size=8, grid=grid).check()

    def test_an_image_of_another_size_or_kind(self, tmp_path, kind, grid):
        folder = write_numbered(tmp_path / "set", grid)
        Image.new("RGB", (20, 20)).save(folder / "images" / "000005.png")
        Image.new("L", (16, 16)).save(folder / "images" / "000006.png")
        for number, message in ((5, "another size"), (6, "mode L")):
            with pytest.raises(FlowlibError, match=message):
                kind(folder, grid=grid).read([number])

    @pytest.mark.parametrize("change, message", [
        (lambda labels: labels[:-1], "rows of"), (lambda labels: labels[::-1], "row 0 has another"),
        (lambda labels: labels.astype(str), "rows of"), (lambda labels: np.roll(labels, 1, 1), "should be|another"),
    ])  # fmt: skip
    def test_other_labels(self, tmp_path, kind, grid, change, message):
        folder = write_numbered(tmp_path / "set", grid, labels=np.ascontiguousarray(change(values(grid))))
        with pytest.raises(FlowlibError, match=message):
            kind(folder, grid=grid).check()

    def test_no_labels_and_no_folder(self, tmp_path, kind, grid):
        folder = write_numbered(tmp_path / "set", grid)
        (folder / "train-rec.labels").write_bytes(b"\x93NUMPY")
        with pytest.raises(FlowlibError, match="cannot be read as an array"):
            kind(folder, grid=grid).check()
        (folder / "train-rec.labels").unlink()
        with pytest.raises(FlowlibError, match="train-rec.labels is missing .*fetched by hand"):
            kind(folder, grid=grid).check()
        with pytest.raises(FlowlibError, match="is no folder: .*3D_128x128"):
            kind(tmp_path / "none", grid=grid)


class TestCheck:
    def test_draws_every_factor(self, tmp_path, monkeypatch):
        monkeypatch.setattr(catalogue, "DATA_SETS", {"falcor3d": lambda path, size: falcor3d.Falcor3D(path, size, FALCOR)})
        picture = check("falcor3d", write_numbered(tmp_path / "set", FALCOR), tmp_path / "seen.png")
        assert Image.open(picture).size == (3 * 16, 6 * 16)  # six factors move, the longest has three values

    def test_the_command(self, tmp_path, monkeypatch, capsys):
        from flowlib import cli

        monkeypatch.setattr(catalogue, "DATA_SETS", {"isaac3d": lambda path, size: isaac3d.Isaac3D(path, size, ISAAC)})
        folder = write_numbered(tmp_path / "set", ISAAC)
        assert cli.main(["data", "check", "isaac3d", str(folder), "--picture", str(tmp_path / "seen.png")]) == 0
        assert "isaac3d: intact" in capsys.readouterr().out and (tmp_path / "seen.png").is_file()
        (folder / "images" / "000003.png").unlink()
        assert cli.main(["data", "check", "isaac3d", str(folder)]) == 2
        assert "000003.png is missing" in capsys.readouterr().err

    def test_a_configuration(self, tmp_path, monkeypatch):
        from flowlib.config import Config
        from flowlib.data import load_sequences, options_of

        monkeypatch.setattr(catalogue, "DATA_SETS", {"falcor3d": lambda path, size: falcor3d.Falcor3D(path, size, FALCOR)})
        found = options_of(f"falcor3d:{write_numbered(tmp_path / 'set', FALCOR)}", 8)
        assert (found["size"], found["channels"], found["horizon"], len(found["factors"])) == (8, 3, 2, 6)
        config = Config(**found, validation=10)
        assert [len(load_sequences(config, split)) for split in ("train", "validation", "test")] == [67, 10, 19]
        assert load_sequences(config).first_frames([0]).shape == (1, 3, 8, 8)
        with pytest.raises(FlowlibError, match="is of digits"):
            load_sequences(config, "kept")

    def test_names_and_paths_that_do_not_fit(self):
        for name, path, message in (
            ("shapes4d", None, "unknown data set"), ("falcor3d", None, "needs the path"), ("isaac3d", None, "Isaac3D_128x128"),
            ("rooms", "here", "have no path"),
        ):  # fmt: skip
            with pytest.raises(FlowlibError, match=message):
                open_images(name, path)
