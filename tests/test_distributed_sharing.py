"""What two gloo processes share: the first one's answer or error, its weights and buffers, and means of gradients of any layout."""

import socket

import pytest
import torch
from torch import distributed as torch_distributed
from torch import multiprocessing, nn

from flowlib.errors import FlowlibError
from flowlib.training import distributed


class Network(nn.Module):
    """Random weights, one of them not contiguous (a transposed one), and a random buffer."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 2).mT)
        self.register_buffer("directions", torch.randn(4))


def one_of_two(rank, port, found):
    torch_distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    torch.manual_seed(rank)
    model = Network()
    distributed.same_start(model)
    gradients = [torch.arange(6.0).view(3, 2).mT * (rank + 1), torch.tensor([2.0 - 2 * rank], dtype=torch.float64)]
    distributed.average(gradients)
    answer = distributed.from_first(lambda: f"of process {rank}")
    try:
        distributed.from_first(refuse)
        error = None
    except FlowlibError as raised:
        error = str(raised)
    torch.save([model.weight.detach(), model.directions, gradients, answer, error], found / f"{rank}.pt")
    torch_distributed.destroy_process_group()


def refuse():
    raise FlowlibError(f"no such folder, says process {torch_distributed.get_rank()}")


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What each of the two ended with."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    found = tmp_path_factory.mktemp("found")
    multiprocessing.spawn(one_of_two, (port, found), nprocs=2)
    return [torch.load(found / f"{rank}.pt") for rank in range(2)]


def test_weights_and_buffers_are_those_of_the_first(both):
    torch.manual_seed(0)
    first = Network()
    for weight, directions, *_ in both:
        assert torch.equal(weight, first.weight) and torch.equal(directions, first.directions)


def test_gradients_are_means_whatever_their_layout_and_type(both):
    for _, _, (gradient, single), *_ in both:
        assert torch.equal(gradient, torch.arange(6.0).view(3, 2).mT * 1.5)
        assert single.dtype == torch.float64 and single.item() == 1.0


def test_the_first_ones_answer_and_error_are_everybodys(both):
    assert [answer for *_, answer, _ in both] == ["of process 0"] * 2
    assert [error for *_, error in both] == ["no such folder, says process 0"] * 2
