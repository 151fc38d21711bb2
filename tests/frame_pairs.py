"""Sequences with all frames, and every batch that training could draw of them: x_0 and one later frame."""

import torch
from tiny import digits
from torch import nn

from flowlib.data import Batch, Sequences

FACTORS, STEPS = ("scale", "rotation", "hue"), 2


class Quiet(nn.Module):
    """An encoder without spread, so that batches of different shapes get the same codes."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, images):
        mean = self.encoder(images)[0]
        return mean, torch.full_like(mean, -12.0)


def full(factor="scale", size=28):
    """Four complete sequences x_0 … x_T of one factor."""
    return Sequences(digits(4, size), FACTORS, STEPS).full_batch(slice(None), factor)


def chosen(batch, times):
    """The frames of a complete batch at these times, in this order."""
    times = torch.tensor(times)
    return Batch(batch.frames[:, times], times.expand(len(batch), -1), batch.factor, batch.steps)


def mean_of_pairs(model, batch):
    """The terms' mean over the batches (x_0, x_t), t = 1 … T: their expectation in training."""
    pairs = [model.objective(chosen(batch, [0, t]), torch.Generator().manual_seed(0)) for t in range(1, STEPS + 1)]
    return {name: sum(pair[name] for pair in pairs).item() / len(pairs) for name in pairs[0]}


def values(model, batch, seed=0):
    """The objective's terms as numbers."""
    terms = model.objective(batch, torch.Generator().manual_seed(seed))
    return {name: value.item() for name, value in terms.items()}


def values_whatever_the_global_seed(model, batch):
    """The terms under two global seeds, and whether the global generator stayed where it was."""
    results, untouched = [], True
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        results.append(values(model, batch))
        untouched &= torch.equal(before, torch.get_rng_state())
    return (*results, untouched)
