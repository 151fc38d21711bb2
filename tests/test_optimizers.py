"""Which optimiser moves what, and Muon against a decomposition and torch's own."""

import dataclasses

import pytest
import torch
from tiny import CONFIG, trained

from flowlib.training import new_model
from flowlib.training.optimizers import ITERATIONS, A, B, C, Muon, build_optimizers, orthogonalised


def matrix(rows, columns, seed=0, decades=2.0):
    """A random matrix, the scales of whose rows span some decades."""
    scale = torch.logspace(0, -decades, rows)[:, None]
    return scale * torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


class TestOrthogonalised:
    @pytest.mark.parametrize("shape", [(5, 12), (12, 5), (7, 7), (1, 4)])
    def test_is_the_polynomial_of_the_singular_values(self, shape):
        """U f(σ/‖X‖) Vᵀ, f the odd polynomial applied as often as iterated, by a singular value decomposition in double precision."""
        given = matrix(*shape)
        u, values, v = torch.linalg.svd(given.double(), full_matrices=False)
        values = values / values.norm()
        for _ in range(ITERATIONS):
            values = A * values + B * values**3 + C * values**5
        assert torch.allclose(orthogonalised(given).double(), u @ torch.diag(values) @ v, atol=1e-4)

    def test_large_singular_values_become_nearly_one(self):
        values = torch.linalg.svdvals(orthogonalised(matrix(8, 30, decades=1.0), 6))
        assert 0.6 < values.min() and values.max() < 1.3

    def test_direction_alone_counts(self):
        given = matrix(4, 9)
        assert torch.allclose(orthogonalised(given), orthogonalised(1000 * given), atol=1e-5)
        assert torch.allclose(orthogonalised(given), -orthogonalised(-given), atol=1e-6)

    def test_zero_stays_zero(self):
        assert not orthogonalised(torch.zeros(3, 5)).any()


class TestMuon:
    @pytest.mark.parametrize("shape", [(6, 20), (20, 6)])
    def test_agrees_with_torchs(self, shape):
        """Three steps with changing gradients; torch's iterates in bfloat16, whose numbers have three digits."""
        start, gradients = matrix(*shape), [matrix(*shape, seed, decades=0.5) for seed in (1, 2, 3)]
        ends = []
        for make in (
            lambda given: Muon(given, 0.1),
            lambda given: torch.optim.Muon(given, 0.1, weight_decay=0.0, adjust_lr_fn="match_rms_adamw", ns_steps=ITERATIONS),
        ):
            weight = torch.nn.Parameter(start.clone())
            optimizer = make([weight])
            for gradient in gradients:
                weight.grad = gradient.clone()
                optimizer.step()
            ends.append(weight.detach() - start)
        difference = (ends[0] - ends[1]).norm() / ends[1].norm()
        assert difference < 0.03

    def test_a_step_is_as_long_as_one_of_adams(self):
        """Root mean square of an update 0.2 η, where the singular values are near 1."""
        weight = torch.nn.Parameter(torch.zeros(30, 40))
        weight.grad = torch.randn(30, 40, generator=torch.Generator().manual_seed(0))
        Muon([weight], 0.5).step()
        assert 0.6 < weight.square().mean().sqrt().item() / (0.5 * 0.2 * 30**0.5 * 40**0.5 / (30 * 40) ** 0.5) < 1.3

    def test_what_has_no_gradient_stays(self):
        weight = torch.nn.Parameter(torch.ones(2, 3))
        Muon([weight], 0.5).step()
        assert torch.equal(weight, torch.ones(2, 3))


class TestWhatMovesWhat:
    @pytest.mark.parametrize("name", ["adam", "muon"])
    def test_every_parameter_once(self, name):
        model = new_model(dataclasses.replace(CONFIG, optimizer=name))
        model.decoder.net[0].bias.requires_grad_(False)
        optimizers = build_optimizers(model, model.config)
        moved = [parameter for optimizer in optimizers.values() for group in optimizer.param_groups for parameter in group["params"]]
        assert len(set(map(id, moved))) == len(moved)
        assert set(map(id, moved)) == {id(one) for one in model.parameters() if one.requires_grad}
        assert list(optimizers) == (["optimizer"] if name == "adam" else ["optimizer", "muon"])

    def test_muon_has_the_matrices_of_the_networks(self):
        model = new_model(dataclasses.replace(CONFIG, optimizer="muon"))
        moved = build_optimizers(model, model.config)["muon"].param_groups[0]["params"]
        layers = [layer for network in (model.encoder, model.decoder) for layer in network.net if isinstance(layer, torch.nn.Linear)]
        assert [id(one) for one in moved] == [id(layer.weight) for layer in layers]

    @pytest.mark.parametrize("stop", [1, 4])
    def test_a_run_goes_on_bit_by_bit(self, tmp_path, stop):
        config = dataclasses.replace(CONFIG, optimizer="muon")
        whole, first = trained(config=config), trained(tmp_path, config)
        whole.run(progress=False)
        first.run(stop, progress=False)
        again = trained(tmp_path, config)
        again.run(progress=False)
        ends, others = whole.model.state_dict(), again.model.state_dict()
        assert all(torch.equal(ends[name], others[name]) for name in ends)
        start = new_model(config).state_dict()
        assert not any(torch.equal(ends[name], start[name]) for name in ends if name.endswith("weight"))

    def test_the_schedule_moves_both_rates(self):
        run = trained(config=dataclasses.replace(CONFIG, optimizer="muon"))
        run.train_step()
        rates = {group["lr"] for optimizer in run.optimizers.values() for group in optimizer.param_groups}
        assert len(rates) == 1


def test_adams_memory_is_that_of_the_configuration():
    config = dataclasses.replace(CONFIG, adam_beta2=0.9)
    assert build_optimizers(new_model(config), config)["optimizer"].param_groups[0]["betas"] == (0.9, 0.9)
