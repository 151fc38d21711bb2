"""The spike and slab against quadrature, frequencies and the gradients of closed forms."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from flowlib.models.spike_slab import SpikeSlab


def one(mean=0.7, std=0.4, gate=0.3, activity=0.2, shape=()):
    filled = [torch.full(shape, value, dtype=torch.float64, requires_grad=True) for value in (mean, math.log(std), math.log(gate / (1 - gate)))]
    return SpikeSlab(*filled, activity)


CASES = [(0.7, 0.4, 0.3, 0.2), (-1.5, 1.3, 0.95, 0.1), (0.0, 1.0, 0.2, 0.2), (2.0, 0.05, 0.01, 0.5)]


@pytest.mark.parametrize("mean, std, gate, activity", CASES)
def test_kl_is_the_sum_over_the_spike_and_the_integral_over_the_slab(mean, std, gate, activity):
    def integrand(g):
        q, p = gate * stats.norm.pdf(g, mean, std), activity * stats.norm.pdf(g)
        return q * (np.log(q) - np.log(p)) if q > 0 else 0.0

    slab = integrate.quad(integrand, mean - 12 * std, mean + 12 * std, points=[mean], limit=200)[0]
    spike = (1 - gate) * math.log((1 - gate) / (1 - activity))
    assert one(mean, std, gate, activity).kl().item() == pytest.approx(slab + spike, abs=1e-8)


def test_kl_is_zero_at_the_prior_alone():
    assert one(0.0, 1.0, 0.2, 0.2).kl().item() == pytest.approx(0, abs=1e-12)
    for other in ((0.1, 1.0, 0.2, 0.2), (0.0, 0.9, 0.2, 0.2), (0.0, 1.0, 0.3, 0.2), (0.0, 1.0, 0.1, 0.2)):
        assert one(*other).kl().item() > 1e-4


def test_the_gate_has_a_gradient_in_the_kl():
    """d KL / d logit = γ (1 − γ) [log γ/(1−γ) − log π/(1−π) + KL of the slab], by hand."""
    q = one()
    (found,) = torch.autograd.grad(q.kl(), q.logit)
    slab = 0.5 * (0.49 + 0.16 - 1) - math.log(0.4)
    assert found.item() == pytest.approx(0.3 * 0.7 * (math.log(0.3 / 0.7) - math.log(0.2 / 0.8) + slab))


def test_without_a_spike_it_is_a_gaussian():
    q = one(0.7, 0.4, 0.3, 1.0)
    normal = torch.distributions.Normal(q.mean, q.log_std.exp())
    assert q.kl().item() == pytest.approx(torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)).item())
    g = q.sample(generator=torch.Generator().manual_seed(0))
    standard = torch.distributions.Normal(torch.zeros(()).double(), torch.ones(()).double())
    assert q.log_ratio(g).item() == pytest.approx((standard.log_prob(g) - normal.log_prob(g)).item())
    assert q.gate.item() == 1 and q.likely().item() == pytest.approx(0.7)


class TestSamples:
    n = 200_000

    def draws(self, **options):
        q = one(shape=(self.n,), **options)
        return q, q.sample(0.5, torch.Generator().manual_seed(0))

    def test_frequencies_and_moments(self):
        _, g = self.draws()
        on = g[g != 0]
        assert len(on) / self.n == pytest.approx(0.3, abs=5 * math.sqrt(0.21 / self.n))
        assert stats.kstest(on.detach().numpy(), "norm", args=(0.7, 0.4)).pvalue > 1e-3

    def test_the_mean_log_ratio_is_minus_the_kl(self):
        for options in ({}, {"mean": -1.5, "std": 1.3, "gate": 0.9, "activity": 0.1}):
            q, g = self.draws(**options)
            ratio = q.log_ratio(g).detach()
            assert ratio.mean().item() == pytest.approx(-q.kl()[0].item(), abs=5 * ratio.std().item() / math.sqrt(self.n))

    def test_weights_average_to_one(self):
        q, g = self.draws(std=1.2, mean=0.2)
        weight = q.log_ratio(g).exp().detach()
        assert weight.mean().item() == pytest.approx(1, abs=5 * weight.std().item() / math.sqrt(self.n))

    def test_a_linear_function_has_an_unbiased_gradient_for_the_gate_when_it_is_cold(self):
        """E g = γ m: its derivative in the logit is γ(1 − γ) m. The straight-through one is biased, less so the colder it is."""
        exact, found = 0.3 * 0.7 * 0.7, {}
        for temperature in (1.0, 0.1):
            q = one(shape=(self.n,))
            (gradient,) = torch.autograd.grad(q.sample(temperature, torch.Generator().manual_seed(1)).sum(), q.logit)
            found[temperature] = gradient.mean().item()
        assert found[0.1] == pytest.approx(exact, rel=0.05)
        assert abs(found[1.0] - exact) > abs(found[0.1] - exact)
        assert found[1.0] > 0


def test_likely_is_the_mean_where_the_gate_is_open():
    q = SpikeSlab(torch.tensor([1.0, -2.0]), torch.zeros(2), torch.tensor([0.1, -0.1]), 0.2)
    assert q.likely().tolist() == [1.0, 0.0]


def test_extreme_logits_stay_finite():
    q = SpikeSlab(torch.zeros(2), torch.zeros(2), torch.tensor([200.0, -200.0], requires_grad=True), 0.2)
    assert q.kl().tolist() == pytest.approx([-math.log(0.2), -math.log(0.8)])
    q.kl().sum().backward()
    assert q.logit.grad.isfinite().all()
