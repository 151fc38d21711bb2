"""Flow matching against closed forms: the loss of a known field, the field that is best for Gaussians, and where it arrives (M4)."""

from types import SimpleNamespace

import pytest
import torch

from flowlib import transport
from flowlib.flows import VelocityBank, matched_path, matching_loss

pytestmark = pytest.mark.usefixtures("double")


def field(velocity):
    return lambda z, t: SimpleNamespace(gradient=velocity(z, t))


def test_loss_is_the_mean_square_over_each_group(generator):
    x, y = torch.randn(2, 5, 3, generator=generator), torch.randn(2, 5, 3, generator=generator)
    zero = matching_loss(field(lambda z, t: torch.zeros_like(z)), x, y, generator)
    assert torch.allclose(zero, (y - x).square().sum(-1).mean(-1))
    half = matching_loss(field(lambda z, t: 0.5 * (y - x)), x, y, generator)
    assert torch.allclose(half, zero / 4)


def test_points_stand_where_their_time_says(generator):
    """With x = 0 and y = 1 a point on the segment tells its time, which is uniform."""
    x, y, seen = torch.zeros(1, 20_000, 1), torch.ones(1, 20_000, 1), {}

    def velocity(z, t):
        seen["same"] = torch.allclose(z[0, :, 0], t)
        seen["mean"], seen["var"] = t.mean().item(), t.var().item()
        return z

    assert matching_loss(field(velocity), x, y, generator)[0].item() == pytest.approx(1 / 3, abs=0.01)  # E(1 − t)²
    assert seen["same"] and seen["mean"] == pytest.approx(0.5, abs=0.01) and seen["var"] == pytest.approx(1 / 12, abs=0.003)


def best_of_independent_pairs(z, t):
    """E[y − x | z_t = z] for independent x ~ N(0, 1), y ~ N(3, 1/4): a regression of normals."""
    spread = (1 - t) ** 2 + 0.25 * t**2
    slope = (0.25 * t - (1 - t)) / spread
    return 3 + slope[..., None] * (z - 3 * t[..., None])


def test_best_field_of_independent_pairs_has_the_least_loss(generator):
    x = torch.randn(1, 200_000, 1, generator=generator)
    y = 3 + 0.5 * torch.randn(1, 200_000, 1, generator=generator)
    losses = []
    for wrong in (0.0, 0.3, -0.3):
        same = torch.Generator().manual_seed(5)
        losses.append(matching_loss(field(lambda z, t, w=wrong: best_of_independent_pairs(z, t) + w * (z - 3 * t[:, None])), x, y, same).item())
    assert losses[0] < min(losses[1:]) - 0.005


def test_best_field_arrives_in_the_target_whatever_the_pairing(generator):
    z = torch.randn(1, 4000, 1, generator=generator)

    def velocity(z, t):
        return best_of_independent_pairs(z, torch.full(z.shape[:-1], t))

    end = matched_path(field(velocity), z, frames=4, substeps=200)[:, :, -1]
    assert torch.allclose(end, 3 + 0.5 * z, atol=0.02)  # on the line a flow keeps the order: the increasing map


def test_path_has_the_frames_asked_for_and_is_euler():
    z = torch.tensor([[[1.0]]])
    path = matched_path(field(lambda z, t: t + z), z, frames=2, substeps=1)
    assert path[0, 0, :, 0].tolist() == [1.0, 1.5, 1.5 + 0.5 * 2.0]


def test_a_bank_learns_the_gaussian_optimum_from_optimal_pairs(generator):
    """On the line sorting pairs; the learned movement costs W₂² up to a few per cent, with independent pairs too, but on bent paths."""
    torch.manual_seed(0)
    bank = VelocityBank(2, 1, 32, horizon=1)
    optimiser = torch.optim.Adam(bank.parameters(), 0.01)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1, 0.02, 400)
    for _ in range(400):
        x, y = torch.randn(256, 1, generator=generator).sort(0).values, 2 + 2 * torch.randn(256, 1, generator=generator)
        both = torch.stack([y.sort(0).values, y])
        loss = matching_loss(bank, x.expand(2, -1, -1), both, generator).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    z = torch.randn(500, 1, generator=generator)
    optimal, independent = matched_path(bank, z.expand(2, -1, -1), 8, 8)
    times = torch.linspace(0, 1, 9)
    assert (optimal[:, -1] - 2 - 2 * z).abs().mean() < 0.2
    own = (optimal[:, -1] - optimal[:, 0]).square().mean()
    assert transport.kinetic_action(optimal, times) < 1.02 * own
    assert transport.kinetic_action(independent, times) > 1.05 * (independent[:, -1] - independent[:, 0]).square().mean()
