"""More than one process: `torchrun --nproc-per-node N -m flowlib train …` (torch.distributed, data-parallel).

Every process holds the whole model and makes its share of the same global batch; gradients are averaged after each step. The noise of a
row is the same however many processes there are, so that loss curves agree with those of one process, up to rounding. (Four things are
per share: the random probes of log_det series, FactorVAE's independent coordinates, the marginal KL of flow-inferred, and the sums of flow-published.)
"""

import contextlib
import os

import torch
from torch import distributed
from torch.overrides import TorchFunctionMode

from flowlib.errors import FlowlibError


def part() -> tuple[int, int]:
    """(this process's number, how many there are): (0, 1) without torchrun."""
    return (distributed.get_rank(), distributed.get_world_size()) if distributed.is_initialized() else (0, 1)


def launched() -> int:
    """How many processes torchrun has started, joined or not: 1 without it."""
    return int(os.environ.get("WORLD_SIZE", 1))


@contextlib.contextmanager
def processes(device):
    """Join the processes that torchrun started, for the length of a with-block; nothing without torchrun."""
    if launched() < 2 or distributed.is_initialized():
        yield
        return
    on_gpu = torch.device(device).type == "cuda"
    if on_gpu:
        torch.cuda.set_device(device)  # where NCCL sends objects from: each process its own
    distributed.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


@contextlib.contextmanager
def _together(what):
    try:
        yield
    except RuntimeError as error:
        raise FlowlibError(
            f"another process of this run has ended ({what} failed). Look for its message, and start the same command again: "
            "it goes on from the last checkpoint"
        ) from error


def from_first(make):
    """What `make()` returns in the first process, in all of them; or the FlowlibError that it raises there."""
    rank, count = part()
    if count == 1:
        return make()
    box = [None]
    if rank == 0:
        try:
            box = [make()]
        except FlowlibError as error:
            box = [error]
    with _together("sharing"):
        distributed.broadcast_object_list(box, 0)
    if isinstance(box[0], FlowlibError):
        raise box[0]
    return box[0]


def same_start(model):
    """Give the model of every process the weights and buffers of the first one's: networks of one's own bring random ones of their own.

    (Buffers that training changes, such as the running means of a batch norm, stay each process's own; the first one's are saved.)
    """
    if part()[1] == 1:
        return
    with torch.no_grad(), _together("sharing weights"):
        for tensor in (*model.parameters(), *model.buffers()):
            distributed.broadcast(shared := tensor.detach().contiguous(), 0)
            tensor.copy_(shared)


def average(tensors):
    """Replace tensors by their means over the processes, in one message; nothing with one process."""
    if part()[1] == 1:
        return
    flat = torch.cat([tensor.detach().flatten().float() for tensor in tensors])
    with _together("averaging gradients"):
        distributed.all_reduce(flat)
    for tensor, mean in zip(tensors, (flat / part()[1]).split([tensor.numel() for tensor in tensors])):
        tensor.detach().copy_(mean.view_as(tensor))


class SameNoise(TorchFunctionMode):
    """Normal and uniform noise of a share's rows: the whole batch's is drawn from the generator, and the share's rows are kept.

    Noise whose first axis cannot be rows (its length is no multiple of `factors`), such as a single number, is the same in all processes.

    factors : how many groups of rows a batch has, one for each factor in it; each group's rows are dealt out to the processes in order
        (`flowlib.data.source.shares`)
    """

    def __init__(self, factors):
        super().__init__()
        self.factors, (self.rank, self.count) = factors, part()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function not in (torch.randn, torch.rand) or kwargs.get("generator") is None:
            return function(*args, **kwargs)
        given = kwargs.pop("size") if "size" in kwargs else args
        shape = tuple(given[0] if given and not isinstance(given[0], int) else given)
        if not shape or shape[0] % self.factors:
            return function(shape, **kwargs)
        whole = function((self.count * shape[0], *shape[1:]), **kwargs)
        return whole.unflatten(0, (self.factors, self.count, -1))[:, self.rank].flatten(0, 1)


def same_noise(factors):
    """`SameNoise` where there are several processes."""
    return SameNoise(factors) if part()[1] > 1 else contextlib.nullcontext()
