"""Steps that a GPU makes from one graph: here, that nothing in them looks at a value. (That graphs do what single operations do: test_gpu.py.)"""

import dataclasses
import gc
import weakref

import fake_graphs
import pytest
import torch
from test_devices import VARIANTS, built, named, sources
from tiny import digits
from torch.utils._python_dispatch import TorchDispatchMode

from flowlib.data import Sequences
from flowlib.devices import set_precision
from flowlib.errors import FlowlibError
from flowlib.models import FlowVAE
from flowlib.training import Trainer
from flowlib.training.captured import capturable

LOOKS = (
    "_local_scalar_dense equal is_nonzero nonzero masked_select _unique2 unique_dim lift_fresh".split()
)  # the last brings values from outside


class NoLook(TorchDispatchMode):
    """Fails where an operation's result, or what follows it, depends on values that a GPU would have to be waited for."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        masked = name.startswith("index") and any(getattr(one, "dtype", None) == torch.bool for one in args[1] or ())
        if name in LOOKS or masked:
            raise AssertionError(f"{name} looks at values")
        return function(*args, **kwargs or {})


def says_so(name, change):
    return capturable(*built(name, change), torch.device("cuda"), 1)


def prepared(name, change):
    """A trainer after a step, a batch and a generator."""
    model, config = built(name, change)
    trainer = Trainer(model, sources()["programs" if "programs" in change else "moved"], config)
    trainer.train_step()
    return trainer, *trainer._draw(1)


def test_the_watch_sees():
    values = torch.tensor([1.0, 0.0])
    looks = (
        lambda: bool(values[0]),
        lambda: values.sum().item(),
        lambda: values[values > 0],
        lambda: values.nonzero(),
        lambda: torch.tensor([1.0]),
    )
    for look in looks:
        with pytest.raises(AssertionError, match="looks at values"), NoLook():
            look()
    with NoLook():
        values[1:].add(1).where(values[0] > 0, values[1])


@pytest.mark.parametrize("name, change", [one for one in VARIANTS if says_so(*one)], ids=named)
def test_what_says_so_of_itself_looks_at_nothing(name, change):
    trainer, batch, generator = prepared(name, change)
    trainer._backward(batch, generator)  # labels are looked at once in a batch
    with NoLook():
        trainer._backward(batch, generator)


@pytest.mark.parametrize("name", ["flow", "poflow"])
def test_one_factor_alone_is_looked_at_no_more(name):
    model, config = built(name, {"factors": ("hue",)})
    trainer = Trainer(model, Sequences(digits(5), ("hue",), 2), config)
    trainer.train_step()
    batch, generator = trainer._draw(1)
    trainer._backward(batch, generator)
    with NoLook():
        trainer._backward(batch, generator)


@pytest.mark.parametrize("name", ["flow-inferred", "sparse", "msp"])
def test_what_looks_does_not_say_so(name):
    trainer, batch, generator = prepared(name, {})
    trainer._backward(batch, generator)
    assert not says_so(name, {})
    with pytest.raises(AssertionError, match="looks at values"), NoLook():
        trainer._backward(batch, generator)


def test_who_may_be_captured():
    class Own(FlowVAE):
        """A subclass could count its calls, in Python."""

    gpu = torch.device("cuda")
    model, config = built("flow", {})
    assert capturable(model, config, gpu, 1)
    assert not capturable(model, config, torch.device("cpu"), 1) and not capturable(model, config, gpu, 2)
    assert not capturable(Own(config), config, gpu, 1)
    assert not capturable(
        FlowVAE(config, encoder=type("Encoder", (torch.nn.Module,), {"forward": lambda _, x: model.encoder(x)})()), config, gpu, 1
    )
    single, config = built("flow", {"batches": "single"})
    assert not capturable(single, config, gpu, 1)


class TestAround:
    """What is around the graphs, with graphs that work through their operations again (fake_graphs.py)."""

    @pytest.fixture(autouse=True)
    def graphs(self, monkeypatch):
        return fake_graphs.install(monkeypatch)

    def trained(self, steps=12, graphs=True, folder=None, name="flow", change=None, data="moved", **more):
        model, config = built(name, change or {}, **more)
        trainer = Trainer(model, sources()[data], dataclasses.replace(config, steps=steps), folder)
        if not graphs:
            trainer.captured = None
        return trainer

    def weights(self, trainer):
        return [one.detach().clone() for one in trainer.model.parameters()]

    @pytest.mark.parametrize("optimizer", ["adam", "muon"])
    @pytest.mark.parametrize("name", ["flow", "poflow", "slow-vae", "factor-vae"])
    def test_the_same_steps(self, name, optimizer, graphs):
        """Random numbers, batches and rates are those of single operations, to the last bit."""
        one, other = (self.trained(name=name, optimizer=optimizer, graphs=way) for way in (True, False))
        losses = [[trainer.train_step()["loss"].item() for _ in range(12)] for trainer in (one, other)]
        assert one.captured.replays and graphs.made == 1 and losses[0] == losses[1]
        assert all(torch.equal(a, b) for a, b in zip(self.weights(one), self.weights(other)))

    def test_a_run_in_two_parts(self, tmp_path, graphs):
        whole, first = self.trained(20), self.trained(20, folder=tmp_path)
        whole.run(progress=False)
        first.run(steps=8, progress=False)
        resumed = self.trained(20, folder=tmp_path)
        resumed.run(progress=False)
        assert resumed.captured.replays and graphs.made == 3 and resumed.captured.graphs is None  # their memory is given back
        assert all(torch.equal(a, b) for a, b in zip(self.weights(whole), self.weights(resumed)))

    def test_batches_of_another_make(self, graphs):
        one, other = self.trained(20), self.trained(20, graphs=False)
        for step in range(12):
            for trainer in (one, other):
                trainer.config = dataclasses.replace(trainer.config, frames_per_step=2 if step in (6, 7) else 1)
                trainer._ahead = {}
                trainer.train_step()
            assert one.captured.replays == (step >= 3 and step not in (6, 7))
        assert graphs.made == 1 and all(torch.equal(a, b) for a, b in zip(self.weights(one), self.weights(other)))

    def test_frozen_parameters_and_another_precision_make_new_graphs(self, graphs):
        trainer = self.trained(40)
        for made, change in (
            (1, lambda: None),
            (2, lambda: trainer.model.encoder.requires_grad_(False)),
            (3, lambda: set_precision(trainer.model, "bf16")),
        ):
            change()
            for _ in range(5):
                trainer.train_step()
            assert graphs.made == made and trainer.captured.replays

    def test_a_batch_that_fails_does_so_in_its_own_step(self, monkeypatch):
        trainer, draw = self.trained(20), Trainer._draw
        for _ in range(5):
            trainer.train_step()

        def failing(self, step=None):
            if (self.step if step is None else step) == 7:
                raise FlowlibError("a corrupt image")
            return draw(self, step)

        monkeypatch.setattr(Trainer, "_draw", failing)
        trainer.train_step()
        trainer.train_step()
        assert trainer.step == 7
        with pytest.raises(FlowlibError, match="a corrupt image"):
            trainer.train_step()

    def test_no_batch_is_drawn_beyond_the_last_step(self, monkeypatch):
        trainer, drawn, draw = self.trained(40), [], Trainer._draw
        monkeypatch.setattr(Trainer, "_draw", lambda self, step=None: (drawn.append(self.step if step is None else step), draw(self, step))[1])
        trainer.run(steps=9, progress=False)
        assert max(drawn) == 8 and trainer.captured.graphs is not None

    def test_a_trainer_goes_when_nobody_has_it(self):
        """A circle of references would keep a GPU's memory until Python looks for circles."""
        trainer = self.trained()
        for _ in range(5):
            trainer.train_step()
        there = weakref.ref(trainer)
        gc.disable()
        del trainer
        gc.enable()
        assert there() is None

    def test_memory_that_does_not_suffice_for_a_graph(self, monkeypatch):
        def full(graph, stream):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

        monkeypatch.setattr(torch.cuda, "graph", full)
        trainer = self.trained(20)
        with pytest.warns(UserWarning, match="cannot be captured .CUDA out of memory"):
            for _ in range(6):
                trainer.train_step()
        assert trainer.captured.failed and trainer.step == 6
