"""The small studio: its pictures are those of the studio, its numbers those of its grid, its bytes the same everywhere."""

import hashlib

import numpy as np
import pytest
import torch

from flowlib.config import preset
from flowlib.data import FactorialSequences, SmallStudio, Studio, load_sequences, open_images
from flowlib.data.scenes import small_studio, studio
from flowlib.data.scenes.values import shrunk
from flowlib.errors import FlowlibError


@pytest.fixture(scope="module")
def made():
    """In the cache; a first run renders it there."""
    return SmallStudio()


def studio_numbers(indices):
    """Which images of `Studio` these are."""
    values = {name: np.full(len(indices), value) for name, value in small_studio.STILL.items()}
    values |= dict(zip(small_studio.MOVING, small_studio.GRID.digits(np.asarray(indices)).T))
    return studio.GRID.indices(np.stack([values[name] for name in studio.GRID.names], -1))


def test_its_pictures_are_the_studios(made):
    numbers = np.random.RandomState(0).randint(len(made), size=24)
    direct = Studio(64).read(studio_numbers(numbers)).int()
    apart = (made.read(numbers).int() - direct).abs()
    assert apart.float().mean() < 0.3 and (apart > 2).float().mean() < 0.002  # whole numbers are rounded twice; and gleams
    assert (direct - direct[:1]).abs().float().mean() > 10  # they differ much more from one another


def test_the_four_that_stay():
    digits = studio.GRID.digits(studio_numbers(np.arange(0, 36_864, 997)))
    for place, name in enumerate(studio.GRID.names):
        assert (len(set(digits[:, place])) == 1) == (name in small_studio.STILL)
    assert small_studio.GRID.sizes == (4, 4, 4, 6, 6, 4, 4) and len(small_studio.GRID) == 36_864


def test_a_step_of_each_factor_shows(made):
    source = FactorialSequences(made, steps=3)
    for k, name in enumerate(source.factors):
        frames = source.full_batch([12_345], k).frames[0]
        assert (frames[1:] - frames[:-1]).abs().mean((1, 2, 3)).min() > 2e-3, name


def test_bytes(made):
    """One geometry afresh is that of the checksum."""
    assert hashlib.sha256(made._layers.tobytes()).hexdigest() == small_studio.SHA256
    seen = studio.look((studio.grid_values("camera_x")[2], 2.4, studio.grid_values("camera_z")[1]), (studio.grid_values("robot_x")[1], 2.3), 64)
    lamp = (2.4, studio.grid_values("light_y")[1], studio.grid_values("light_z")[2])
    parts = (small_studio.direct(seen, lamp), small_studio.gleam(seen, lamp, (studio.OBJECT, studio.ARM, studio.JOINT)))
    again = small_studio._layers(seen, *small_studio.returned(seen, *parts, 0.85))
    assert (made._layers[2, 1, 3, 3, 3] == again).all()


def test_made_once_and_again_where_damaged(monkeypatch, tmp_path):
    content, calls = np.arange(5, dtype=np.uint8), []
    monkeypatch.setattr(small_studio, "SHA256", hashlib.sha256(content.tobytes()).hexdigest())
    monkeypatch.setattr(small_studio, "SHAPE", (5,))
    monkeypatch.setattr(small_studio, "_render_all", lambda: calls.append(1) or content)
    for damage in (None, b"", b"\0\1\2"):
        if damage is not None:
            next(tmp_path.iterdir()).write_bytes(damage)
        assert small_studio.geometries(tmp_path).tolist() == small_studio.geometries(tmp_path).tolist() == [0, 1, 2, 3, 4]
    assert len(calls) == 3 and len(list(tmp_path.iterdir())) == 1
    monkeypatch.setattr(small_studio, "_render_all", lambda: content[:-1])
    with pytest.raises(FlowlibError, match="computes otherwise"):
        small_studio.geometries(tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_the_preset(made):
    config = preset("tutorial-studio")
    held_out = load_sequences(config, "test")
    assert held_out.lengths == (3,) * 7 and held_out.composable and config.batch == 49
    assert open_images("small-studio").size == 64
    batch = load_sequences(config).training_batch(14, 1, torch.Generator().manual_seed(0)).check()
    assert batch.frames.shape == (14, 2, 3, 64, 64)


@pytest.mark.parametrize("name", ["rooms", "small-studio"])
def test_smaller_pictures_are_means_of_squares(name):
    """Of the layers, rounded, then painted: within two of the mean of the picture, but where a gleam is as bright as white."""
    numbers = [5, 12_345, 36_000]
    large, small = open_images(name).read(numbers).float(), open_images(name, size=32).read(numbers)
    mean = torch.nn.functional.avg_pool2d(large, 2)
    apart = (small.float() - mean).abs()
    assert small.shape == (3, 3, 32, 32) and (apart > 2.5).float().mean() < 1e-3 and apart.mean() < 0.5
    with pytest.raises(FlowlibError, match="whole part"):
        SmallStudio(size=30)


def test_rounded_means():
    layers = np.array([[[0, 1, 10, 10], [1, 0, 10, 11], [255, 255, 3, 3], [255, 255, 3, 4]]], np.uint8)
    assert shrunk(layers, 2).tolist() == [[[1, 10], [255, 3]]] and shrunk(layers, 4) is layers  # halves are rounded up
