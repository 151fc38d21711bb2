"""On a GPU: the same numbers as on the CPU, the same again from the same seed, checkpoints that come and go. (Every measure: test_devices.py.)"""

import dataclasses
import subprocess
import sys

import pytest
import torch
from test_captured import says_so
from test_devices import VARIANTS, built, named, sources
from tiny import CONFIG, few_samples
from torch.overrides import TorchFunctionMode

import flowlib
from flowlib import cli
from flowlib.config import PRESETS
from flowlib.devices import choose_device, seeded, set_precision
from flowlib.errors import FlowlibError
from flowlib.evaluation import equivariance_error
from flowlib.models import FlowVAE
from flowlib.training import Trainer, load_model, new_model

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")

DRAWN = (torch.randn, torch.rand, torch.randint, torch.randperm)  # with a device; and these, of a tensor:
SAMPLED = (torch.multinomial, torch.bernoulli)


class DrawnOnTheCPU(TorchFunctionMode):
    """Random numbers come from one generator of the CPU, whatever the device is that asks for them: devices of two kinds can be compared."""

    def __init__(self):
        super().__init__()
        self.generator = seeded(7)

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if function not in DRAWN + SAMPLED or kwargs.get("generator") is None:
            return function(*args, **kwargs)
        kwargs["generator"], device = self.generator, kwargs.pop("device", None)
        if function in SAMPLED:
            args, device = (args[0].cpu(), *args[1:]), args[0].device
        return function(*args, **kwargs).to(device)


@pytest.fixture
def single_precision():
    """Convolutions as exact as the CPU's (by default a GPU rounds their factors to ten bits)."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


@pytest.mark.parametrize("name, change", VARIANTS, ids=named)
def test_loss_and_gradients_are_those_of_the_cpu(name, change, single_precision):
    found = []
    for device in ("cpu", "cuda"):
        model, config = built(name, change, device)
        trainer = Trainer(model, sources()["programs" if "programs" in change else "moved"], config)
        with DrawnOnTheCPU():
            terms = trainer._gradients()
        gradients = {key: one.grad.cpu() for key, one in model.named_parameters() if one.grad is not None}
        found.append(({key: value.cpu() for key, value in terms.items()}, gradients))
    for cpu, gpu in zip(*found):
        assert cpu.keys() == gpu.keys()
        for key, value in cpu.items():
            assert torch.allclose(gpu[key], value, rtol=1e-3, atol=1e-4 * (1 + value.abs().max().item())), key


@pytest.mark.parametrize("name", ["flow", "poflow", "slow-vae", "tvae"])
def test_errors_are_those_of_the_cpu(name, single_precision):
    errors = []
    for device in ("cpu", "cuda"):
        model, _ = built(name, {}, device)
        errors.append(equivariance_error(model, sources()["digits"].to(device), 1).cpu())
    assert torch.allclose(*errors, rtol=1e-4)


def test_the_same_seed_gives_the_same_curve_and_other_seeds_others():
    curves = []
    for seed in (0, 0, 1):
        config = dataclasses.replace(CONFIG, seed=seed, steps=5)
        trainer = Trainer(new_model(config, "cuda"), sources()["digits"], config)
        curves.append([trainer.train_step()["loss"].item() for _ in range(5)])
    assert curves[0][0] == curves[1][0] != curves[2][0]
    assert curves[0] == pytest.approx(curves[1], rel=1e-4)  # sums of gradients may come in another order


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_a_run_goes_on_from_its_checkpoint(tmp_path, optimizer):
    config = dataclasses.replace(CONFIG, optimizer=optimizer, steps=20)
    whole = Trainer(new_model(config, "cuda"), sources()["digits"], config)
    whole.run(progress=False)
    Trainer(new_model(config, "cuda"), sources()["digits"], config, tmp_path).run(steps=8, progress=False)
    resumed = Trainer(new_model(config, "cuda"), sources()["digits"], config, tmp_path)
    assert resumed.step == 8
    resumed.run(progress=False)
    assert resumed.captured.replays
    for one, other in zip(whole.model.parameters(), resumed.model.parameters()):
        assert other.is_cuda and torch.allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("first, then", [("cuda", "cpu"), ("cpu", "cuda")])
def test_a_run_goes_on_elsewhere(tmp_path, first, then):
    Trainer(new_model(CONFIG, first), sources()["digits"], CONFIG, tmp_path).run(steps=4, progress=False)
    trainer = Trainer(new_model(CONFIG, then), sources()["digits"], CONFIG, tmp_path)
    assert trainer.step == 4 and trainer.run(progress=False)["loss"]
    assert load_model(tmp_path / "checkpoint.safetensors", "cpu")[1].steps == CONFIG.steps


@pytest.mark.parametrize("name, change", VARIANTS, ids=named)
def test_bf16_trains_every_model(name, change):
    losses = []
    for precision in ("float32", "bf16"):
        model, config = built(name, change, "cuda")
        data = sources()["programs" if "programs" in change else "digits"]
        losses.append(Trainer(set_precision(model, precision, "cuda"), data, config).train_step()["loss"].item())
    assert losses[0] != losses[1] and losses[1] == pytest.approx(losses[0], rel=0.02)


def test_full_memory_says_which_batch_to_try(monkeypatch):
    config = dataclasses.replace(PRESETS["tutorial-mnist"], batch_size=6000, width=64, data="digits", frames_per_step=8)
    trainer = Trainer(new_model(config, "cuda"), flowlib.data.load_sequences(config), config)
    before = {name: one.clone() for name, one in trainer.model.state_dict().items()}
    torch.cuda.set_per_process_memory_fraction(0.01)
    try:
        with pytest.raises(FlowlibError, match=r"a batch of 6000 does not fit into the memory of cuda:0.*--batch-size 3000"):
            trainer.train_step()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert trainer.step == 0 and all(torch.equal(before[name], one) for name, one in trainer.model.state_dict().items())


def test_the_command_line(tmp_path, monkeypatch):
    few_samples(monkeypatch)
    tiny = "--horizon 2 --batch-size 6 --latent-dim 2 --width 2 --potential-width 4 --potential-depth 1 --steps 4".split()
    assert cli.main(["train", *tiny, "--device", "cuda", "--precision", "bf16", "--out", str(tmp_path / "run")]) == 0
    assert cli.main(["evaluate", str(tmp_path / "run"), "--device", "cuda"]) == 0
    model = flowlib.load(tmp_path / "run", "cuda")
    images = torch.rand(3, 3, 28, 28, device="cuda")
    assert model.decode(model.transport(model.encode(images).mean, 0, -1.5)).device == choose_device("auto")


def test_evaluation_takes_data_from_the_cpu():
    model, _ = built("flow", {}, "cuda")
    assert flowlib.evaluate(model, sources()["digits"])["equivariance"]["scale"]["error"] > 0


def test_one_process_of_torchrun(tmp_path):
    """NCCL itself starts with two GPUs; with one, the launcher's single process trains as without it."""
    tiny = "--horizon 2 --batch-size 6 --latent-dim 2 --width 2 --potential-width 4 --potential-depth 1 --steps 3".split()
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1", "-m", "flowlib", "train"]
    found = subprocess.run([*launch, *tiny, "--device", "cuda", "--out", str(tmp_path / "run")], capture_output=True, text=True, timeout=300)
    assert found.returncode == 0 and "trained for" in found.stdout, found.stderr


def curve(name, change, steps=12, **more):
    """(losses of the first steps, the weights then, how the trainer works)."""
    model, config = built(name, change, "cuda", **more)
    trainer = Trainer(model, sources()["programs" if "programs" in change else "moved"], dataclasses.replace(config, steps=steps))
    losses = [trainer.train_step()["loss"].item() for _ in range(steps)]
    return losses, [one.detach().clone() for one in model.parameters()], trainer.captured


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
@pytest.mark.parametrize("name, change", [one for one in VARIANTS if says_so(*one)], ids=named)
def test_a_graph_does_what_single_operations_do(name, change, optimizer, monkeypatch):
    losses, weights, captured = curve(name, change, optimizer=optimizer)
    assert captured.replays
    monkeypatch.setattr("flowlib.training.trainer.capturable", lambda *_: False)
    singly, there, nothing = curve(name, change, optimizer=optimizer)
    assert nothing is None and losses == pytest.approx(singly, rel=1e-4)
    assert all(torch.allclose(one, other, atol=1e-4) for one, other in zip(weights, there))


def test_what_cannot_be_captured_goes_on_step_by_step():
    class Looking(FlowVAE):
        """It says that it looks at no values, and does."""

        capturable = True

        def objective(self, batch, generator=None):
            terms = super().objective(batch, generator)
            return terms if terms["loss"].item() > 0 else {}

    config = dataclasses.replace(CONFIG, steps=12)
    trainer = Trainer(Looking(config).to("cuda"), sources()["moved"], config)
    with pytest.warns(UserWarning, match="cannot be captured"):
        losses = [trainer.train_step()["loss"].item() for _ in range(12)]
    assert trainer.captured.failed and not trainer.captured.replays and all(0 < one < 1e6 for one in losses)


def test_other_batches_in_between():
    """A batch of another make is worked on operation by operation; the graph goes on afterwards."""
    found = []
    for graphs in (True, False):
        model, config = built("flow", {}, "cuda")
        trainer = Trainer(model, sources()["moved"], dataclasses.replace(config, steps=10))
        if not graphs:
            trainer.captured = None
        for step in range(10):
            trainer.config = dataclasses.replace(config, steps=10, frames_per_step=2 if step in (6, 7) else 1)
            trainer._ahead = {}
            trainer.train_step()
            if graphs:
                assert trainer.captured.replays == (step >= 3 and step not in (6, 7))
        found.append([one.detach().clone() for one in model.parameters()])
    assert all(torch.allclose(one, other, atol=1e-4) for one, other in zip(*found))


def test_a_loss_that_is_not_finite_leaves_the_weights():
    model, config = built("flow", {}, "cuda")
    trainer = Trainer(model, sources()["moved"], dataclasses.replace(config, steps=20))
    for _ in range(6):
        trainer.train_step()
    with torch.no_grad():
        model.encoder.net[0].bias.fill_(float("nan"))
    before = {name: one.clone() for name, one in model.state_dict().items()}
    with pytest.raises(FlowlibError, match="loss terms are not finite at step 6: .*reconstruction"):
        trainer.train_step()
    assert trainer.captured.replays and all(
        torch.equal(before[name].nan_to_num(), one.nan_to_num()) for name, one in model.state_dict().items()
    )


def test_frozen_parameters_stay():
    """What a graph takes for given may change: then another is made."""
    model, config = built("flow", {}, "cuda")
    trainer = Trainer(model, sources()["moved"], dataclasses.replace(config, steps=20))
    for _ in range(6):
        trainer.train_step()
    assert trainer.captured.replays
    model.encoder.requires_grad_(False)
    before = [one.clone() for one in model.encoder.parameters()], [one.clone() for one in model.decoder.parameters()]
    for _ in range(4):
        model.zero_grad()
        trainer.train_step()
    assert trainer.captured.replays
    assert all(torch.equal(one, other) for one, other in zip(before[0], model.encoder.parameters()))
    assert not all(torch.equal(one, other) for one, other in zip(before[1], model.decoder.parameters()))


def test_two_trainers_side_by_side():
    """Graphs at work at the same time, or after another is gone, do what each does alone."""

    def trainer(seed):
        config = dataclasses.replace(CONFIG, seed=seed, steps=40)
        return Trainer(new_model(config, "cuda"), sources()["digits"], config)

    alone = []
    for seed in (0, 1):
        one = trainer(seed)
        alone.append([one.train_step()["loss"].item() for _ in range(20)])
    pair, streams = [trainer(0), trainer(1)], [torch.cuda.Stream(), torch.cuda.Stream()]
    together = [[], []]
    for _ in range(20):
        for one, stream, losses in zip(pair, streams, together):
            with torch.cuda.stream(stream):
                losses.append(one.train_step()["loss"].item())
    assert together[0] == pytest.approx(alone[0], rel=1e-4) and together[1] == pytest.approx(alone[1], rel=1e-4)
