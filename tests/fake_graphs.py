"""Stands in for CUDA's streams and graphs on a machine without a GPU: a graph that is started works through its operations again.

So everything around graphs can be tested anywhere: what is copied into them, the random numbers, batches that are drawn ahead, new graphs.
"""

import contextlib
import weakref

import torch

from flowlib.training import captured, trainer


class Stream:
    def __init__(self, device=None):
        pass

    def wait_event(self, event):
        assert event.recorded, "nothing was recorded that could be waited for"

    def wait_stream(self, other):
        pass


class Event:
    recorded = False

    def record(self):
        self.recorded = True


class Graph:
    """`work` fills again what it filled when it was captured."""

    def register_generator_state(self, generator):
        self.generator = generator

    def replay(self):
        self.work()


def install(patch):
    """Let every trainer capture, through pytest's `patch`; returns the class of its graphs, which counts how many were made."""
    graphs = type("Graphs", (Graph,), {"made": 0})
    for name, fake in (("Stream", Stream), ("Event", Event), ("CUDAGraph", graphs), ("current_stream", Stream)):
        patch.setattr(torch.cuda, name, fake)
    for name in ("device", "stream"):
        patch.setattr(torch.cuda, name, lambda *_: contextlib.nullcontext())
    patch.setattr(torch.cuda, "graph", lambda graph, stream: contextlib.nullcontext())
    whole = captured.CapturedStep._capture

    def capture(self, backward, update, batch, generator):
        weights = [one.detach().clone() for one in self.model.parameters()]
        memories = [(memory, name, value.clone()) for memory, name, value in memory_of(update)]
        whole(self, backward, update, batch, generator)
        with torch.no_grad():  # a capture does nothing
            for one, before in zip(self.model.parameters(), weights):
                one.copy_(before)
        for memory, name, value in memories:
            memory[name].copy_(value)
        if self.graphs is None:
            return

        step, owner = weakref.ref(self), weakref.ref(update.__self__)  # a graph holds no trainer

        def gradients():
            for name, value in owner()._backward(step().batch, step().generator).items():
                step().terms[name].copy_(value)

        self.graphs[0].work, self.graphs[1].work = gradients, lambda: owner()._update()
        graphs.made += 1

    patch.setattr(captured.CapturedStep, "_capture", capture)
    patch.setattr(
        trainer, "capturable", lambda model, config, device, processes: captured.capturable(model, config, torch.device("cuda"), processes)
    )
    return graphs


def memory_of(update):
    """(state, name, tensor) of what the optimisers behind a trainer's `_update` remember."""
    states = [state for one in update.__self__.optimizers.values() for state in one.state.values()]
    return [(state, name, value) for state in states for name, value in state.items() if isinstance(value, torch.Tensor)]
