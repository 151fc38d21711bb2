"""What a training step asks of a GPU, asked for at once (CUDA graphs).

A step of these small networks is a few thousand operations of some microseconds each. Asked for one by one, as Python does, a GPU waits most of
the time, and is no faster than two cores of a processor. A graph holds them all, and one call starts it. What it holds must not depend on
values, so the first steps are made one by one, and the batch comes from outside: while the GPU works on one, the next is drawn.
"""

import contextlib
import dataclasses
import warnings

import torch

from flowlib.devices import is_out_of_memory

WARM_UP = 3  # steps made one by one before, in which libraries choose their algorithms and optimisers make their memories


def capturable(model, config, device, processes) -> bool:
    """Whether a model's steps may be captured: on a CUDA GPU, in one process, with this package's own networks and batches of one make, by a
    class that says so of itself (`models.protocol.Optional.capturable`), not by inheritance."""
    from flowlib.models.networks import Network  # models stand on data, and training on models

    own = all(isinstance(getattr(model, part, None), Network) for part in ("encoder", "decoder"))
    says_so = "capturable" in vars(type(model)) and model.capturable
    return device.type == "cuda" and processes == 1 and own and says_so and config.batches == "balanced"


class CapturedStep:
    """`gradients(batch, generator)` → named tensors, and `update()`, which moves the weights by the gradients left behind.

    After some calls both are graphs, for batches of the same shapes and factors; others are worked on one by one, as before. Where the
    operations of a model cannot be captured, all are, with a warning.
    """

    def __init__(self, gradients, update):
        self.one_by_one = gradients, update
        self.calls, self.graphs, self.replays, self.failed = 0, None, False, False
        self.side, self.taken = torch.cuda.Stream(), torch.cuda.Event()

    def gradients(self, batch, generator):
        """The named tensors of a batch; the parameters then have its gradients."""
        self.calls += 1
        if self.graphs is None and self.calls > WARM_UP and not self.failed:
            self._capture(batch, generator)
        self.replays = self.graphs is not None and _alike(batch, self.batch)
        if not self.replays:
            terms = self.one_by_one[0](batch, generator)
            self.taken.record()
            return terms
        for name, there in _tensors(self.batch):
            there.copy_(getattr(batch, name))
        self.taken.record()
        self.generator.set_state(generator.get_state())
        self.graphs[0].replay()
        return {name: value.clone() for name, value in self.terms.items()}

    def update(self):
        """Move the weights by those gradients."""
        self.graphs[1].replay() if self.replays else self.one_by_one[1]()

    @contextlib.contextmanager
    def meanwhile(self):
        """What is asked for in this block does not wait for the graph at work; what follows the block waits for it."""
        self.side.wait_event(self.taken)  # until then the batch before is being read, whose memory may be used again
        with torch.cuda.stream(self.side):
            yield
        torch.cuda.current_stream().wait_stream(self.side)

    def _capture(self, batch, generator):
        self.batch = dataclasses.replace(batch, **{name: one.clone() for name, one in _tensors(batch)})
        self.generator = torch.Generator(generator.device)
        self.generator.set_state(generator.get_state())
        self.one_by_one[0](self.batch, self.generator)  # what is looked at once in a batch is looked at here
        graphs = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        graphs[0].register_generator_state(self.generator)
        try:
            with torch.cuda.graph(graphs[0]):
                self.terms = self.one_by_one[0](self.batch, self.generator)
            with torch.cuda.graph(graphs[1]):
                self.one_by_one[1]()
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            self.failed = True
            reason = str(error.__context__ or error).splitlines()[0]  # the end of a capture that failed hides why
            warnings.warn(f"training goes on, but slowly: its operations cannot be captured ({reason})", stacklevel=2)
            return
        self.graphs = graphs


def _tensors(batch):
    return [(name, one) for name, one in vars(batch).items() if isinstance(one, torch.Tensor)]


def _alike(one, other):
    """Whether two batches have the same shapes, and their sequences the same factors."""
    shapes = [[(name, value.shape, value.dtype) for name, value in _tensors(batch)] for batch in (one, other)]
    return shapes[0] == shapes[1] and one.steps == other.steps and torch.equal(one.factor, other.factor)
