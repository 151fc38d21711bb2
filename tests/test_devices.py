"""No tensor is made without a device: training, evaluation and every measure of every model run where they are told to.

Without a GPU at hand the tests watch torch's functions: a factory call that names no device would make its tensor on the CPU.
"""

import dataclasses
import os
import sys

import pytest
import torch
from tiny import CONFIG, digits, few_samples
from torch.overrides import TorchFunctionMode

from flowlib.data import DatasetSequences, ImageSequences, RecordedSequences, Sequences
from flowlib.devices import choose_device, device_of, is_out_of_memory, seeded, set_precision
from flowlib.errors import FlowlibError
from flowlib.evaluation import (
    commutator,
    composed_codes,
    composed_no_motion,
    continuation_error,
    equivariance_error,
    evaluate_model,
    factor_accuracy,
    no_motion_steps,
    steps_error,
    stop_error,
    superposed_times,
    superposition_error,
    switch_error,
    switch_times,
    vp_score,
)  # fmt: skip
from flowlib.models import MODELS
from flowlib.training import Trainer, learning_rate, load_model, new_model, step_generator  # noqa: F401
from flowlib.training.checkpoint import save

FACTORIES = {
    getattr(torch, name)
    for name in "arange empty eye full linspace logspace ones rand randint randn randperm tensor zeros tril_indices triu_indices".split()
}


class DeviceNamed(TorchFunctionMode):
    """Fails on a factory call without a device in flowlib's code, or in this file's; other libraries look after themselves."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        caller = sys._getframe(1).f_code.co_filename
        ours = f"{os.sep}flowlib{os.sep}" in caller or caller == __file__
        if ours and function in FACTORIES and (kwargs or {}).get("device") is None:
            raise AssertionError(f"torch.{function.__name__} without a device")
        return function(*args, **kwargs or {})


def test_the_watch_sees():
    with DeviceNamed():
        torch.zeros(2, device="cpu").new_ones(3)
        for call in (lambda: torch.zeros(2), lambda: torch.tensor([1.0]), lambda: torch.arange(3), lambda: torch.randn(2)):
            with pytest.raises(AssertionError, match="without a device"):
                call()


def sources():
    """One of each kind."""
    frames, labels = torch.rand(8, 3, 3, 28, 28), torch.arange(8) % 3
    return {
        "digits": Sequences(digits(5), CONFIG.factors, 2), "moved": Sequences(digits(5), CONFIG.factors, 2, "moved"),
        "programs": Sequences(digits(5), CONFIG.factors, 2, "late", "composed"),
        "images": ImageSequences(torch.rand(5, 3, 28, 28), ("shear", "translation_x", "blur"), 2),
        "recorded": RecordedSequences(frames, labels), "dataset": DatasetSequences(list(zip(frames, labels.tolist()))),
    }  # fmt: skip


VARIANTS = [(name, {}) for name in sorted(MODELS)] + [
    ("flow", {"objective": "marginal", "log_det": kind}) for kind in ("exact", "series", "trace", "rows", "none")
] + [
    ("flow", {"objective": "marginal", "log_det": kind, "log_det_steps": 1}) for kind in ("exact", "series")
] + [
    ("flow", {"hj_penalty": "paper", "bounded_potential": True}), ("flow", {"prior": "none", "likelihood": "gaussian"}),
    ("flow", {"velocity": "free", "hj_penalty": "none"}), ("flow", {"velocity": "turning", "hj_penalty": "none"}), ("flow", {"velocity": "quadratic", "hj_penalty": "none"}), ("flow", {"network": "mlp"}), ("flow", {"batches": "single"}),
    ("flow-published", {"hj_penalty": "paper", "options": {"mixed_residual": True}}),
    ("flow", {"hj_penalty": "viscous"}), ("flow", {"decoded": "one"}), ("flow", {"prior": "none", "agreement": 0.5}),
    ("flow", {"prior": "none", "time_free": True, "programs": "composed"}), ("poflow", {"programs": "composed"}),
]  # fmt: skip


DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available() + ["mps"] * torch.backends.mps.is_available()


def built(name, change, device="cpu", **more):
    latent = 9 if name == "tvae" else 2
    config = dataclasses.replace(CONFIG, model=name, latent_dim=latent, steps=2, **change, **more)
    return new_model(config, device), config


def named(value):
    """A variant's name in the report of the tests."""
    return value if isinstance(value, str) else " ".join(map(str, value.values()))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name, change", VARIANTS, ids=named)
def test_training_and_every_measure(name, change, device, monkeypatch, tmp_path):
    few_samples(monkeypatch)
    model, config = built(name, change, device)
    data = sources()["programs" if "programs" in change else "moved"].to(device)
    with DeviceNamed():
        Trainer(model, data, config, tmp_path).run(progress=False)
        model.calibrate(data)
        evaluate_model(model, data)
        equivariance_error(model, data, 0)
        for labels, reencode in (("restart", True), ("continue", False)):
            switch_error(model, data, 0, 1, 1, labels, reencode=reencode)
        superposition_error(model, data, (0, 2))
        composed_no_motion(data, switch_times(data, 0, 1, 1, 2))
        composed_no_motion(data, superposed_times(data, (0, 1), 2))
        commutator(model, data, 0, 1, 1)
        for measure in (steps_error, stop_error):
            measure(model, data, 0, 4)
        no_motion_steps(data, 0, 4)
        factor_accuracy(model, data)
        continuation_error(model, data, 0, 1)
        composed_codes(model, data, 4)
        vp_score(model, data, 60, 0.5)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", sources())
def test_every_source(kind, device):
    made = sources()[kind]
    with DeviceNamed():
        batch = made.to(device).training_batch(6, 2, seeded(0, device))
        frames = [batch.frames, batch.weights, made.full_batch([0, 1], 1).frames, made.first_frames([1])]
        if made.composable:
            frames.append(made.composed([0], superposed_times(made, (0, 1), 2)))
    assert {one.device.type for one in frames} == {device}


@pytest.mark.parametrize("kind", ["recorded", "digits"])
def test_batches_come_to_a_device_of_another_kind(kind):
    """torch's meta device computes shapes without values: what is left on the CPU cannot be mixed with it."""
    made = sources()["recorded"]
    if kind == "recorded":
        batch = made.to("meta").training_batch(6, 2, seeded(0))
        assert {batch.frames.device.type, batch.times.device.type, batch.factor.device.type, batch.weights.device.type} == {"meta"}
        full = made.full_batch([0], 0)
        assert {full.frames.device.type, full.times.device.type, full.factor.device.type} == {"meta"}
    else:
        model = new_model(CONFIG, "meta")
        posterior = model.encode(made.to("meta").full_batch([0, 1], 0).frames[:, 0])
        path = model.transport(posterior.mean, 0, 3)
        assert path.device.type == model.decode(path).device.type == "meta" and device_of(model).type == "meta"


class TestChoice:
    def test_auto_is_the_best_there_is(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
        assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
        assert choose_device("auto").type == "mps"
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        for rank, device in (("0", "cuda:0"), ("1", "cuda:1"), ("3", "cuda:1")):
            monkeypatch.setenv("LOCAL_RANK", rank)
            assert choose_device("auto") == choose_device("cuda") == torch.device(device)

    def test_what_is_not_there(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        with pytest.raises(FlowlibError, match="device = 'cuda': torch finds no such device here; choose cpu"):
            choose_device("cuda")
        with pytest.raises(FlowlibError, match="device = 'tpu': choose auto, cpu, cuda or mps"):
            choose_device("tpu")
        for name in ("cpu:x", "cpu:-1", "cpu:7", "cpu:"):
            with pytest.raises(FlowlibError, match=f"device = '{name}': the number of a device is 0 … 0 here"):
                choose_device(name)
        with pytest.raises(FlowlibError, match="'bf16' needs a CUDA GPU"):
            set_precision(new_model(CONFIG), "bf16", "cpu")
        with pytest.raises(FlowlibError, match="precision = 'int8': choose float32 or bf16"):
            set_precision(new_model(CONFIG), "int8")

    def test_a_step_draws_the_same_numbers_again(self):
        one, same, other = (torch.rand(4, generator=step_generator(3, step)) for step in (7, 7, 8))
        assert torch.equal(one, same) and not torch.equal(one, other)

    def test_texts_of_full_memory(self):
        texts = ("CUDA out of memory. Tried", "MPS backend out of memory (", "DefaultCPUAllocator: can't allocate memory: you tried")
        assert all(is_out_of_memory(RuntimeError(text)) for text in texts) and not is_out_of_memory(RuntimeError("shapes differ"))


def test_weights_are_written_on_the_cpu(tmp_path):
    save(tmp_path / "a.safetensors", {"model": new_model(CONFIG).state_dict()}, CONFIG, 1)
    model, _ = load_model(tmp_path / "a.safetensors", "cpu")
    assert device_of(model).type == "cpu"


@pytest.mark.parametrize("name", sorted(MODELS))
def test_bf16_trains_every_model(name):
    """Where there is bf16 (here the CPU's own): the loss is finite and near that of float32."""
    losses = []
    for precision in ("float32", "bf16"):
        model, config = built(name, {})
        losses.append(Trainer(set_precision(model, precision), sources()["digits"], config).train_step()["loss"].item())
    assert losses[0] != losses[1] and abs(losses[1] / losses[0] - 1) < 0.02
