"""What a training step asks of a GPU, asked for at once (CUDA graphs).

A step of these small networks is a few thousand operations of some microseconds each. Asked for one by one, as Python does, a GPU waits most of
the time. A graph holds them all, and one call starts it. What it holds must not depend on values, so the first steps are made one by one, and
the batch comes from outside: while the GPU works on one, the next is drawn.
"""

import contextlib
import dataclasses
import warnings

import torch

from flowlib.models.networks import Network

WARM_UP = 3  # steps made one by one before, in which libraries choose their algorithms and optimisers make their memories


def capturable(model, config, device, processes) -> bool:
    """Whether a model's steps may be captured: on a CUDA GPU, in one process, with this package's own networks and batches of one make, by a
    class that says so of itself (`models.protocol.Extras.capturable`), not by inheritance."""
    own = all(isinstance(getattr(model, part, None), Network) for part in ("encoder", "decoder"))
    says_so = "capturable" in vars(type(model)) and model.capturable
    return device.type == "cuda" and processes == 1 and own and says_so and config.batches == "balanced"


class CapturedStep:
    """The steps of one trainer: `backward(batch, generator)` → named tensors, with the gradients that it leaves in the parameters of `model`,
    and `update()`, which moves the weights by them.

    After some calls both are graphs, for batches of the same shapes and factors; others are worked on one by one, as before. Where parameters
    have other places, are frozen or thawed, or networks have another precision, new graphs are made. Where the operations of a model cannot
    be captured, all steps are made one by one, with a warning. (A parameter's `grad` is that of its last step that was made one by one.)
    """

    def __init__(self, model, device):
        self.model, self.device = model, torch.device(device)
        self.calls, self.failed, self.replays = 0, False, False
        # A stream of its own to capture on: libraries keep one scratch memory for each, which two graphs at work at once must not share.
        self.capturing, self.side = torch.cuda.Stream(self.device), torch.cuda.Stream(self.device)
        self.taken = torch.cuda.Event()
        self.release()

    def release(self):
        """Give the graphs' memory back; the next call makes new ones."""
        self.graphs = self.batch = self.terms = self.generator = self.made_of = None

    def gradients(self, backward, update, batch, generator):
        """The named tensors of a batch, and then its gradients for `update`."""
        with torch.cuda.device(self.device):
            self.calls += 1
            if self.graphs is not None and self.made_of != _made_of(self.model):
                self.release()
            if self.graphs is None and self.calls > WARM_UP and not self.failed:
                self._capture(backward, update, batch, generator)
            self.replays = self.graphs is not None and _alike(batch, self.batch)
            if not self.replays:
                terms = backward(batch, generator)
                self.taken.record()
                return terms
            for name, there in _tensors(self.batch):
                there.copy_(getattr(batch, name))
            self.taken.record()
            self.generator.set_state(generator.get_state())
            self.graphs[0].replay()
            return {name: value.clone() for name, value in self.terms.items()}

    def update(self, update):
        """Move the weights by those gradients."""
        if not self.replays:
            return update()
        with torch.cuda.device(self.device):
            self.graphs[1].replay()

    @contextlib.contextmanager
    def meanwhile(self):
        """What is asked for in this block does not wait for the graph at work; what follows the block waits for it."""
        with torch.cuda.device(self.device):
            self.side.wait_event(self.taken)  # memory of the batch before, which was drawn here, is read no more and may be used again
            with torch.cuda.stream(self.side):
                yield
            torch.cuda.current_stream().wait_stream(self.side)

    def _capture(self, backward, update, batch, generator):
        self.batch = dataclasses.replace(batch, **{name: one.clone() for name, one in _tensors(batch)})
        self.generator = torch.Generator(generator.device)
        self.generator.set_state(generator.get_state())
        backward(self.batch, self.generator)  # what is looked at once in a batch is looked at here
        graphs = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        graphs[0].register_generator_state(self.generator)
        try:
            with torch.cuda.graph(graphs[0], stream=self.capturing):
                self.terms = backward(self.batch, self.generator)
            with torch.cuda.graph(graphs[1], stream=self.capturing):
                update()
        except RuntimeError as error:  # also where memory suffices for single operations alone
            self.release()
            self.failed = True
            reason = str(error.__context__ or error).splitlines()[0]  # the end of a capture that failed hides why
            warnings.warn(f"training goes on, but slowly: its operations cannot be captured ({reason})", stacklevel=2)
        else:
            self.graphs, self.made_of = graphs, _made_of(self.model)


def _made_of(model):
    """Where a model's parameters are, which of them learn, and the precision of its networks: what a graph takes for given."""
    learned = [(one.data_ptr(), one.requires_grad) for one in model.parameters()]
    return learned, [one.precision for one in model.modules() if isinstance(one, Network)]


def _tensors(batch):
    return [(name, one) for name, one in vars(batch).items() if isinstance(one, torch.Tensor)]


def _alike(one, other):
    """Whether two batches have the same shapes, and their sequences the same factors."""
    shapes = [[(name, value.shape, value.dtype) for name, value in _tensors(batch)] for batch in (one, other)]
    return shapes[0] == shapes[1] and one.steps == other.steps and torch.equal(one.factor, other.factor)
