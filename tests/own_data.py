"""Own images for tests: a folder of photos, arrays of sequences, the smallest runs."""

import numpy as np
import pytest
from PIL import Image
from tiny import few_samples

from flowlib.training import trainer

SMALL = {"batch_size": 6, "latent_dim": 2, "width": 2, "potential_width": 4, "potential_depth": 1, "steps": 3, "checkpoint_every": 2}
ARGUMENTS = [part for name, value in SMALL.items() for part in (f"--{name.replace('_', '-')}", str(value))]
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
