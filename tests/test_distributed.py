"""Two gloo processes on the CPU: the loss curve of one process, and a run that loses one of them."""

import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from tiny import CONFIG, few_samples

from flowlib import cli
from flowlib.data import load_sequences
from flowlib.errors import FlowlibError
from flowlib.training import Trainer, distributed, load, new_model
from flowlib.training.distributed import SameNoise
from flowlib.training.trainer import step_generator

SMALL = {"batch_size": 8, "latent_dim": 2, "width": 2, "potential_width": 4, "potential_depth": 1, "device": "cpu"}


@pytest.fixture
def own(tmp_path):
    """A file of sequences with two factors."""
    frames = np.random.default_rng(0).integers(0, 256, (24, 3, 1, 16, 16), np.uint8)
    np.savez(tmp_path / "own.npz", frames=frames, factor=np.arange(24) % 2)
    return tmp_path / "own.npz"


def command(data, out, **options):
    return ["train", "--data", str(data), "--out", str(out)] + [
        part for name, value in (SMALL | options).items() for part in (f"--{name.replace('_', '-')}", str(value))
    ]


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


@pytest.mark.parametrize("model", ["flow", "flow-inferred", "vae"])
def test_the_loss_curve_of_one_process(own, model, monkeypatch):
    """Same global batch, same noise: losses agree to rounding. (marginal_kl_weight 0: that KL's mean over the batch is each process's own.)"""
    few_samples(monkeypatch)
    options = {"steps": 51, "checkpoint_every": 50, "model": model}
    more = ["--options", "marginal_kl_weight", "0"] if model == "flow-inferred" else []
    assert cli.main(command(own, own.parent / "one", **options) + more) == 0
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", free_port(), "-m", "flowlib"]
    found = subprocess.run(launch + command(own, own.parent / "two", **options) + more, capture_output=True, text=True, timeout=400)
    assert found.returncode == 0, found.stderr
    assert found.stdout.count("trained for") == 1  # one of them reports
    one, two = (load(own.parent / name / "checkpoint.safetensors").part("history")["loss"] for name in ("one", "two"))
    assert len(one) == 2 and one[1] < one[0] and torch.allclose(one, two, rtol=1e-4)
    weights = [load(own.parent / name / "model.safetensors").part("model") for name in ("one", "two")]
    assert all(torch.allclose(value, weights[1][name], atol=1e-3) for name, value in weights[0].items())


@contextlib.contextmanager
def two_processes(arguments):
    """The two that torchrun would start, each a `Popen`; none is left behind."""
    shared = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "flowlib", *arguments], env=shared | {"RANK": rank, "LOCAL_RANK": rank},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for rank in "01"
    ]  # fmt: skip
    try:
        yield both
    finally:
        for one in both:
            one.kill()
            one.communicate()


def later_checkpoint(path, step, processes):
    """The step of a checkpoint after `step`, as soon as there is one."""
    deadline = time.monotonic() + 300
    while not path.exists() or load(path).step <= step:
        assert time.monotonic() < deadline and all(one.poll() is None for one in processes)
        time.sleep(0.2)
    return load(path).step


def test_a_killed_process_ends_the_run_and_the_same_command_goes_on(own):
    """kill −9 of the one that writes and where all others meet: the other one ends with a message, where gloo could wait for 30 minutes."""
    path = own.parent / "run" / "checkpoint.safetensors"
    arguments = command(own, path.parent, steps=1_000_000, checkpoint_every=5)
    with two_processes(arguments) as both:
        later_checkpoint(path, 0, both)
        both[0].send_signal(signal.SIGKILL)
        message = both[1].communicate(timeout=60)[1]
    assert both[1].returncode == 2 and "flowlib: another process of this run has ended" in message
    assert "goes on from the last checkpoint" in message and "Traceback" not in message
    saved = load(path).step
    with two_processes(arguments) as both:
        assert later_checkpoint(path, saved, both) > saved >= 5


def as_if_one_of_them(monkeypatch, rank, count):
    """This process takes itself for the `rank`-th of `count`, and waits for none of the others."""
    alone = {
        "part": lambda: (rank, count),
        "average": lambda tensors: None,
        "from_first": lambda make: make(),
        "same_start": lambda model: None,
    }
    for name, value in alone.items():
        monkeypatch.setattr(distributed, name, value)


@pytest.mark.parametrize("starts, batches", [("plain", "balanced"), ("mixed", "balanced"), ("plain", "single")])
def test_losses_of_the_shares_average_to_that_of_the_batch(starts, batches, monkeypatch):
    """However a batch is dealt out, each row keeps its own noise."""
    config = dataclasses.replace(CONFIG, model="vae", starts=starts, batches=batches, batch_size=12)

    def loss(part):
        as_if_one_of_them(monkeypatch, *part)
        return Trainer(new_model(config), load_sequences(config), config).train_step()["loss"]

    assert torch.allclose((loss((0, 2)) + loss((1, 2))) / 2, loss((0, 1)), rtol=1e-6)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_share_has_the_noise_of_its_rows(rank):
    """Three factors, two processes, two rows of a batch of twelve for each; three frames a row."""
    mode = SameNoise.__new__(SameNoise)
    torch.overrides.TorchFunctionMode.__init__(mode)
    mode.factors, mode.rank, mode.count = 3, rank, 2
    rows = [[0, 1, 4, 5, 8, 9], [2, 3, 6, 7, 10, 11]][rank]
    whole = torch.randn(12, 3, 5, generator=torch.Generator().manual_seed(0))
    with mode:
        share = torch.randn((18, 5), generator=torch.Generator().manual_seed(0))
        named = torch.randn(size=(18, 5), generator=torch.Generator().manual_seed(0))
        apart = torch.randn(18, 5, generator=torch.Generator().manual_seed(0))
        plain = torch.randn(6, 5)
        single = [torch.rand(*one, generator=torch.Generator().manual_seed(1)) for one in ((1,), ((),), ((2, 4),))]
        of_size = torch.rand(size=(2, 4), generator=torch.Generator().manual_seed(1))
    assert torch.equal(share, whole[rows].flatten(0, 1)) and plain.shape == (6, 5)
    assert torch.equal(named, share) and torch.equal(apart, share)
    seeded = [torch.rand(one, generator=torch.Generator().manual_seed(1)) for one in ((1,), (), (2, 4))]
    assert all(map(torch.equal, single, seeded)) and torch.equal(of_size, seeded[2])  # what no rows can be is the same in every process


OWN = """
import sys
import numpy, torch, flowlib
from flowlib.training import distributed
from flowlib.training.checkpoint import digest

class Encoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(256, 4))
    def forward(self, images):
        return self.layer(images).chunk(2, 1)

with distributed.processes("cpu"):
    torch.manual_seed(distributed.part()[0])  # as scripts without a seed have it: every process draws weights of its own
    frames = numpy.random.default_rng(0).integers(0, 256, (24, 3, 1, 16, 16), numpy.uint8)
    source = flowlib.RecordedSequences(frames, numpy.arange(24) % 2)
    model = flowlib.train(source, encoder=Encoder(), progress=False, device="cpu", batch_size=8, latent_dim=2, width=2, potential_width=4, steps=3)
    with open(sys.argv[1] + str(distributed.part()[0]), "w") as file:
        file.write(digest(model.state_dict(), {}))
"""


def test_networks_of_ones_own_begin_and_end_alike(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", free_port()]
    found = subprocess.run([*launch, str(tmp_path / "own.py"), str(tmp_path / "digest")], capture_output=True, text=True, timeout=400)
    assert found.returncode == 0, found.stderr
    one, other = ((tmp_path / f"digest{rank}").read_text() for rank in "01")
    assert one == other


def test_a_source_that_makes_the_whole_batch_for_everybody(monkeypatch):
    as_if_one_of_them(monkeypatch, 0, 2)
    config = dataclasses.replace(CONFIG, batch_size=12)
    source = load_sequences(config)
    draw = source.draw
    monkeypatch.setattr(source, "draw", lambda batch_size, frames, generator, part, **more: draw(batch_size, frames, generator, (0, 1), **more))
    with pytest.raises(FlowlibError, match="made 12 sequences, for one of 2 processes that share 12"):
        Trainer(new_model(config), source, config).train_step()


def test_evaluation_takes_one_process(tmp_path, monkeypatch, capsys):
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert cli.main(["evaluate", str(tmp_path)]) == 2
    assert "evaluation takes one process" in capsys.readouterr().err


def test_every_step_and_process_has_global_noise_of_its_own(monkeypatch):
    """Of no step's own generator either, from which batches and ε are drawn."""
    drawn = []
    for rank in (0, 1):
        as_if_one_of_them(monkeypatch, rank, 2)
        trainer = Trainer(new_model(CONFIG), load_sequences(CONFIG), CONFIG)
        for step in range(6):
            generator = step_generator(CONFIG.seed, step)
            with trainer._global_noise(generator):
                drawn.append(torch.rand(4).tolist())
            if not rank:
                drawn.append(torch.rand(4, generator=generator).tolist())
    assert len({tuple(one) for one in drawn}) == len(drawn) == 18
