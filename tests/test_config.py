"""Options, presets, and the JSON beside a checkpoint."""

import dataclasses
import importlib.util
import inspect
import json
import sys

import pytest

from flowlib import config
from flowlib.errors import FlowlibError

# A copy of the module without conftest.py's import hook, which would refuse wrong types before flowlib can.
spec = importlib.util.spec_from_file_location("plain_config", config.__file__)
plain = sys.modules["plain_config"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(plain)
PRESETS, Config, from_json, preset, to_json = (
    plain.PRESETS,
    plain.Config,
    plain.from_json,
    plain.preset,
    plain.to_json,
)
NAMES = [field.name for field in dataclasses.fields(Config)]


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_json(tmp_path, name):
    (tmp_path / "config.json").write_text(to_json(preset(name)))
    assert from_json(tmp_path / "config.json") == preset(name)


def test_unknown_preset():
    with pytest.raises(
        FlowlibError,
        match="unknown preset 'big': choose one of tutorial-mnist, tutorial-noiseless, tutorial-sharp, tutorial-shapes, tutorial-studio, tutorial-sharp-shapes, tutorial-sharp-studio, paper-mnist",
    ):
        preset("big")


def test_the_paper_preset_has_the_papers_settings():
    config = preset("paper-mnist")
    assert (config.latent_dim, config.horizon, len(config.factors), config.batch_size) == (324, 8, 3, 128)
    assert (config.steps, config.learning_rate, config.schedule) == (90_000, 1e-4, "constant")
    assert (config.objective, config.hj_penalty, config.bounded_potential) == ("marginal", "paper", True)
    assert config.frames_per_step == config.horizon and config.potential_width == 324


def test_every_option_is_explained():
    """The command line shows these docstrings, so each option has one."""
    source = inspect.getsource(Config)
    for name in NAMES:
        line = source.split(f"\n    {name}: ")[1].split("\n")[1]
        assert line.strip().startswith('"""') and line.rstrip().endswith('."""'), name


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().steps = 3


@pytest.mark.parametrize("size, factors, batch", [(128, 3, 126), (6, 3, 6), (7, 2, 6), (3, 3, 3), (5, 1, 5)])
def test_the_batch_is_a_multiple_of_the_factors(size, factors, batch):
    assert Config(batch_size=size, factors=("scale", "rotation", "hue")[:factors]).batch == batch


POSITIVE = ("horizon batch_size frames_per_step latent_dim width potential_width potential_depth steps checkpoint_every").split()


@pytest.mark.parametrize("name", POSITIVE)
def test_sizes_are_positive_whole_numbers(name):
    for value in (0, -1):
        with pytest.raises(FlowlibError, match=f"{name} = {value}: give a positive whole number"):
            Config(**{name: value})
    for value in (2.0, "2", None, True):
        with pytest.raises(FlowlibError, match=f"{name} = .*: give a value of type int"):
            Config(**{name: value})


@pytest.mark.parametrize("name", ["diffusion", "noise_std", "learning_rate", "hj_weight", "agreement"])
def test_scales_are_positive_and_finite(name):
    for value in (-1.0, float("nan"), float("inf")):
        with pytest.raises(FlowlibError, match=f"{name} = {value}: give a finite number"):
            Config(**{name: value})
    with pytest.raises(FlowlibError, match=f"{name} = 'big': give a value of type float"):
        Config(**{name: "big"})
    assert getattr(Config(**{name: 1}), name) == 1  # a whole number will do
    if name in ("hj_weight", "agreement"):
        assert getattr(Config(**{name: 0.0}), name) == 0  # switches the penalty off
    else:
        with pytest.raises(FlowlibError, match=f"{name} = 0"):
            Config(**{name: 0.0})


@pytest.mark.parametrize("name", ["batches", "network", "objective", "likelihood", "log_det", "hj_penalty", "schedule", "decoded"])
def test_choices_are_listed(name):
    with pytest.raises(FlowlibError, match=rf"{name} = 'x': choose one of .*\b{getattr(Config(), name)}\b"):
        Config(**{name: "x"})


@pytest.mark.parametrize(
    "options, message",
    [
        ({"factors": ()}, "factors = .*one or more different"), ({"factors": "hue"}, "factors = 'hue'"),
        ({"factors": ("hue", "hue")}, "one or more different"),
        ({"seed": -1}, "seed = -1"), ({"seed": 2**32}, "seed = 4294967296"),
        ({"horizon": 2, "frames_per_step": 3}, "frames_per_step = 3 is more than the horizon 2"),
        ({"objective": "marginal", "horizon": 2, "log_det_steps": 3}, "log_det_steps = 3 is more than the horizon 2"),
        ({"objective": "marginal", "log_det_steps": -1}, "log_det_steps = -1: give the number of steps, 0 or more"),
        ({"log_det_steps": 1}, "log_det_steps = 1: nothing takes a log-determinant"),
        ({"log_det_steps": 1}, "nothing takes a log-determinant"),
        ({"objective": "marginal", "prior": "none"}, "objective = 'marginal' needs a prior flow: choose prior diffusion"),
        ({"log_det_steps": 1, "objective": "marginal", "log_det": "none"}, "nothing takes a log-determinant"),
        ({"batch_size": 2}, "batch_size = 2: a batch holds each of 3 factors"),
        *(({"bounded_potential": True, "velocity": name, "hj_penalty": "none"}, f"bounded_potential = True is for velocity gradient alone, not '{name}'")
          for name in ("turning", "quadratic", "rotating", "free")),
        ({"bounded_potential": 1}, "bounded_potential = 1: give a value of type bool"),
    ],
)  # fmt: skip
def test_options_that_do_not_fit(options, message):
    with pytest.raises(FlowlibError, match=message):
        Config(**options)
    assert Config(seed=2**32 - 1, horizon=2, frames_per_step=2, batch_size=3)


class TestJson:
    def read(self, tmp_path, text):
        (tmp_path / "config.json").write_bytes(text.encode() if isinstance(text, str) else text)
        return from_json(tmp_path / "config.json")

    def values(self, **changes):
        return json.dumps(json.loads(to_json(Config())) | changes)

    def test_every_option_is_read_back(self, tmp_path):
        other = Config(
            optimizer="muon", data="mnist", data_digest="0123", channels=1, size=32, held_out=0.3, parted="lines", factors=("hue",), horizon=3, batch_size=4, batches="single", frames_per_step=2, latent_dim=5,
            network="mlp", width=6, potential_width=7, potential_depth=3,
            diffusion=0.5, learn_diffusion=False, likelihood="gaussian", noise_std=0.2,
            log_det="series", decoded="one", hj_penalty="none", hj_weight=0.1, steps=9, learning_rate=0.4,
            schedule="constant", seed=8, adam_beta2=0.9, checkpoint_every=11, left_out=(8, 9), validation=10, starts="moved", images=12, model="vae", options={"beta": 4.0},
            prior="none", velocity="free", time_free=True, programs="composed", corner=("hue",), agreement=0.5,
        )  # fmt: skip
        assert all(
            getattr(other, name) != getattr(Config(), name) for name in NAMES if name not in ("objective", "log_det_steps", "bounded_potential")
        )  # which need a prior, or a potential
        assert self.read(tmp_path, to_json(other)) == other
        sampled = Config(objective="marginal", log_det_steps=2, bounded_potential=True)
        assert self.read(tmp_path, to_json(sampled)) == sampled != Config(objective="marginal", bounded_potential=True)

    @pytest.mark.parametrize("text", ["", "{", b"\xff\xfe\x00", '{"steps": '])
    def test_what_is_no_json(self, tmp_path, text):
        with pytest.raises(FlowlibError, match="config.json cannot be read .*put it back from a copy"):
            self.read(tmp_path, text)

    @pytest.mark.parametrize("text", ["[]", "3", "null", '"steps"', '["steps"]'])
    def test_json_that_is_no_configuration(self, tmp_path, text):
        with pytest.raises(FlowlibError, match="config.json is not a configuration of this version"):
            self.read(tmp_path, text)

    def test_missing_file(self, tmp_path):
        with pytest.raises(FlowlibError, match="nothing.json cannot be read .*No such file"):
            from_json(tmp_path / "nothing.json")

    def test_unknown_options_are_named(self, tmp_path):
        with pytest.raises(FlowlibError, match=r"options \['colour_jitter'\] are unknown here"):
            self.read(tmp_path, self.values(colour_jitter=1))

    def test_an_option_that_is_missing_takes_its_default(self, tmp_path):
        kept = {name: value for name, value in json.loads(self.values(steps=9)).items() if name not in ("learn_diffusion", "images")}
        assert self.read(tmp_path, json.dumps(kept)) == Config(steps=9)

    def test_values_are_checked_as_everywhere(self, tmp_path):
        with pytest.raises(FlowlibError, match="steps = 'many'"):
            self.read(tmp_path, self.values(steps="many"))
