"""The presets for scenes: their settings, their factors with data that have them, and a few steps of each on a small file in its format."""

import pytest
from factorial_files import write_numbered, write_shapes
from PIL import Image
from tiny import few_samples

from flowlib import cli, commands
from flowlib.api import configuration
from flowlib.config import PRESETS, differences, preset
from flowlib.data import catalogue, falcor3d, isaac3d, load_sequences, shapes3d
from flowlib.data.grid import Grid
from flowlib.data.scenes import GRID as ROOMS
from flowlib.evaluation import evaluate_model, format_report, report
from flowlib.models import build_model
from flowlib.training import Trainer, new_model
from flowlib.viz.run_pictures import draw_run

SHAPES = Grid(shapes3d.GRID.names, (2, 3, 2, 2, 1, 2), shapes3d.GRID.cyclic)
FALCOR = Grid(falcor3d.GRID.names, (2, 2, 3, 2, 2, 2, 2))
ISAAC = Grid(isaac3d.GRID.names, (1, 2, 2, 2, 2, 2, 2, 2, 3))
SMALL = {
    "horizon": 2, "frames_per_step": 1, "batch_size": 16, "latent_dim": 3, "width": 2, "potential_width": 4, "learning_rate": 3e-3,
    "steps": 24, "held_out": 0.1,
}  # fmt: skip


def test_they_move_factors_that_have_the_steps():
    """Every factor of a preset has T + 1 values at least, so that all its sequences have T steps, and composed images exist."""
    for name, grid in (("shapes3d", shapes3d.GRID), ("falcor3d", falcor3d.GRID), ("isaac3d", isaac3d.GRID)):
        config = preset(f"paper-{name}")
        assert config.data == name and min(map(grid.longest, config.factors)) >= config.horizon == config.frames_per_step
    tutorial = preset("tutorial-shapes")
    assert min(map(ROOMS.longest, tutorial.factors)) == tutorial.horizon and tutorial.factors == preset("paper-shapes3d").factors


@pytest.mark.parametrize("scene", ["shapes", "studio"])
def test_the_sharper_preset_differs_in_motion_and_networks_alone(scene):
    assert set(differences(preset(f"tutorial-{scene}"), preset(f"tutorial-sharp-{scene}"))) == {
        "prior", "hj_penalty", "velocity", "decoded", "network", "optimizer", "learning_rate", "adam_beta2",
    }  # fmt: skip


@pytest.mark.parametrize("name, factors, steps, latent", [
    ("shapes3d", 5, 7, 226), ("falcor3d", 7, 4, 324), ("isaac3d", 8, 3, 324),
])  # fmt: skip
def test_the_paper_presets_have_the_papers_settings(name, factors, steps, latent):
    config = preset(f"paper-{name}")
    assert (len(config.factors), config.horizon, config.latent_dim, config.potential_width) == (factors, steps, latent, latent)
    assert (config.batch_size, config.steps, config.learning_rate, config.schedule) == (128, 100_000, 1e-4, "constant")
    assert abs(16 * config.width - latent) <= 8 and config.hj_penalty == "paper" and config.bounded_potential


@pytest.fixture
def small(tmp_path, monkeypatch):
    """`NAME:PATH` of a small file in each format."""
    monkeypatch.setattr(catalogue, "DATA_SETS", catalogue.DATA_SETS | {
        "shapes3d": lambda path: shapes3d.Shapes3D(path, SHAPES), "falcor3d": lambda path, size: falcor3d.Falcor3D(path, size, FALCOR),
        "isaac3d": lambda path, size: isaac3d.Isaac3D(path, size, ISAAC),
    })  # fmt: skip

    def make(name):
        if name == "shapes3d":
            pytest.importorskip("h5py")
            return f"shapes3d:{write_shapes(tmp_path / '3dshapes.h5', SHAPES)}"
        return f"{name}:{write_numbered(tmp_path / name, {'falcor3d': FALCOR, 'isaac3d': ISAAC}[name])}"

    return make


@pytest.mark.parametrize("name", ["shapes3d", "falcor3d", "isaac3d"])
def test_a_small_file_is_trained_on_and_reported(name, small, tmp_path, monkeypatch):
    """Only one factor has sequences of two steps, so all of them differ in length."""
    few_samples(monkeypatch)
    config = configuration(small(name), f"paper-{name}", **SMALL | ({} if name == "shapes3d" else {"size": 16}))
    assert config.factors == preset(f"paper-{name}").factors and config.hj_penalty == "paper"
    trainer = Trainer(new_model(config), load_sequences(config), config)
    losses = [trainer.train_step()["loss"].item() for _ in range(config.steps)]
    assert max(losses[-4:]) < min(losses[:4])  # by little: the pictures are noise
    held_out = load_sequences(config, "test")
    assert sorted(set(held_out.lengths)) == [1, 2]
    metrics = evaluate_model(trainer.model.eval(), held_out)
    table = format_report(metrics)
    assert list(metrics["equivariance"]) == list(config.factors) and all(factor in table for factor in config.factors)
    draw_run(trainer.model, held_out, {}, [], tmp_path)
    with Image.open(tmp_path / "flows.png") as picture:
        assert picture.width > 3 * config.size


def test_presets_keep_their_factors_where_data_have_them(small):
    there = small("falcor3d")
    found = configuration(there, "paper-falcor3d")
    assert found.data == there and (found.size, found.horizon) == (128, 4)  # enlarged: the small file's images have 16 pixels
    assert configuration(there, "tutorial-shapes").factors == FALCOR.names and configuration(there, "tutorial-shapes").horizon == 2
    assert configuration(there, "tutorial-mnist").size == 16
    assert configuration("rooms", "tutorial-mnist").factors == ROOMS.names and configuration("rooms", "tutorial-mnist").horizon == 14


def test_the_command_line_says_the_same(monkeypatch):
    got = []
    monkeypatch.setattr(commands, "run", got.append)
    for arguments in ([], ["--data", "rooms"]):
        assert cli.main(["train", "--preset", "tutorial-shapes", *arguments]) == 0
    assert got[0].config == got[1].config == preset("tutorial-shapes")
    assert [commands._run_name(options) for options in got] == ["tutorial-shapes"] * 2


def test_without_a_path_the_remedy_is_named(capsys):
    assert cli.main(["train", "--preset", "paper-isaac3d"]) == 2
    assert "isaac3d:PATH" in capsys.readouterr().err


def test_the_report_takes_fewer_of_larger_images():
    class Sized:
        def __init__(self, size):
            self.size = size

    assert [report.fewer(50, Sized(size)) for size in (16, 28, 40, 64, 128)] == [50, 50, 24, 10, 10]


@pytest.mark.parametrize("name", [name for name in PRESETS if name.startswith("tutorial")])
def test_tutorial_checkpoints_stay_small(name):
    """In half precision, two bytes a weight, at most 3 MB."""
    assert 2 * sum(weight.numel() for weight in build_model(preset(name)).parameters()) < 3e6
