"""Steps that a GPU makes from one graph: here, that nothing in them looks at a value. (That graphs do what single operations do: test_gpu.py.)"""

import pytest
import torch
from test_devices import VARIANTS, built, named, sources
from torch.utils._python_dispatch import TorchDispatchMode

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
