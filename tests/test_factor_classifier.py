"""q(k|x̄) and its straight-through sample (M15): frequencies, the relaxed gradient, logits by hand."""

import torch
from torch import nn
from torch.func import jacrev

from flowlib.data import Batch
from flowlib.models.factor_classifier import FactorClassifier, straight_through_sample


class TestStraightThrough:
    logits = torch.tensor([[0.5, -1.0, 1.2]]).double()

    def test_one_hot_with_the_right_frequencies(self, generator):
        count = 40_000
        drawn = straight_through_sample(self.logits.expand(count, -1), 0.7, generator)
        assert torch.equal(drawn.sort(-1).values.round(decimals=6), torch.tensor([0.0, 0.0, 1.0]).double().expand(count, 3))
        expected = self.logits[0].softmax(-1)
        error = (expected * (1 - expected) / count).sqrt()
        assert ((drawn.mean(0) - expected).abs() < 4 * error).all()

    def test_gradient_is_that_of_the_relaxed_sample(self):
        """∂softmax((l + g) / τ) / ∂l = (diag p − p pᵀ) / τ, whatever the noise g; from torch's own softmax."""
        temperature = 0.5
        noise = -torch.rand(1, 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64).log()
        p = ((self.logits - noise.log()) / temperature).softmax(-1)[0]
        jacobian = jacrev(lambda l: straight_through_sample(l, temperature, torch.Generator().manual_seed(4)))(self.logits)
        assert torch.allclose(jacobian[0, :, 0], (torch.diag(p) - torch.outer(p, p)) / temperature, atol=1e-6)


class Sums(nn.Module):
    """An encoder of pairs that adds up the pixels of both images."""

    def forward(self, pairs):
        return pairs.sum((2, 3)), None


def test_the_recogniser_by_hand():
    """`logit_scale` times the mean over the pairs (x_0, x_t): ½ ((2, 4) + (2, 8)) / 2 of images of 16 pixels."""
    made = FactorClassifier("mlp", 1, 4, 2, 1, logit_scale=0.5)
    made.pair_encoder = Sums()
    frames = torch.tensor([1.0, 2.0, 4.0]).reshape(1, 3, 1, 1, 1).expand(-1, -1, 1, 4, 4) / 8
    found = made(Batch(frames, torch.tensor([[0, 1, 2]]), torch.tensor([0]), 2))
    assert torch.allclose(found, torch.tensor([[1.0, 3.0]]))
