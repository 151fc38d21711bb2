"""A gradient and a rotation together: torch.func is the oracle for the Jacobian, a circle for what a gradient alone cannot do."""

import dataclasses

import pytest
import torch
from tiny import CONFIG, sequences
from torch.func import hessian, jacrev, vmap

from flowlib.errors import FlowlibError
from flowlib.flows import PotentialBank, TurningBank, run_flow
from flowlib.models import build_model, has_potentials
from flowlib.viz.weights import pack_potentials


@pytest.fixture(params=["all", "symmetric", "antisymmetric"])
def bank(double, request):
    torch.manual_seed(0)
    bank = TurningBank(2, 3, 5, part=request.param)
    for parameter in bank.parameters():
        parameter.data.normal_()
    return bank


def field(bank, k):
    return lambda point: bank(point[None, None], 2.0, [k]).gradient[0, 0]


@pytest.mark.parametrize("k", [0, 1])
def test_the_jacobian_is_its_own_and_its_symmetric_part_the_hessian_of_the_value(bank, k, generator):
    z = torch.randn(7, 3, generator=generator)
    jacobian = vmap(jacrev(field(bank, k)))(z)
    curvature = vmap(hessian(lambda point: bank(point[None, None], 2.0, [k]).value[0, 0]))(z)
    assert torch.allclose(bank(z[None], 2.0, [k], hessian=True).hessian[0], jacobian)
    assert torch.allclose((jacobian + jacobian.mT) / 2, curvature)
    for ask in (lambda: bank.hessian_product(z[None], 2.0, z[None], [k]), lambda: bank.laplacian(z[None], 2.0, [k])):
        with pytest.raises(FlowlibError, match="TurningBank is no gradient"):
            ask()


def test_it_is_a_gradient_and_a_rotation_that_is_the_same_everywhere(bank, generator, request):
    z = torch.randn(7, 3, generator=generator)
    slope = vmap(jacrev(lambda point: bank(point[None, None], 2.0, [1]).value[0, 0]))(z)
    jacobian = vmap(jacrev(field(bank, 1)))(z)
    turn = (jacobian - jacobian.mT)[0] / 2
    assert torch.allclose(bank(z[None], 2.0, [1]).gradient[0], slope + z @ turn.mT)
    rotates = request.node.callspec.params["bank"] != "symmetric"
    assert turn.norm() > 1 if rotates else turn.norm() < 1e-9


def test_each_part_of_the_matrix_adds_what_its_name_says(double, generator):
    z = torch.randn(1, 7, 3, generator=generator)
    fields = {}
    for part in ("all", "symmetric", "antisymmetric"):
        torch.manual_seed(0)
        fields[part] = TurningBank(1, 3, 5, part=part)
        fields[part].matrix.data = torch.tensor([[[1.0, 2.0, 0.0], [4.0, -1.0, 6.0], [2.0, 0.0, 3.0]]])
    torch.manual_seed(0)
    alone = PotentialBank(1, 3, 5)(z, 1.0).gradient
    added = {part: (one(z, 1.0).gradient - alone)[0] for part, one in fields.items()}
    symmetric = torch.tensor([[1.0, 3.0, 1.0], [3.0, -1.0, 3.0], [1.0, 3.0, 3.0]])
    turning = torch.tensor([[0.0, -1.0, -1.0], [1.0, 0.0, 3.0], [1.0, -3.0, 0.0]])
    assert torch.allclose(added["symmetric"], z[0] @ symmetric.mT)
    assert torch.allclose(added["antisymmetric"], z[0] @ turning.mT)
    assert torch.allclose(added["all"], added["symmetric"] + added["antisymmetric"])
    with pytest.raises(FlowlibError, match="part = 'half'"):
        TurningBank(1, 3, 5, part="half")


def test_all_fields_at_once_are_each_by_itself(bank, generator):
    z = torch.randn(2, 4, 3, generator=generator)
    together = bank(z, 3.0, hessian=True)
    for k in range(2):
        alone = bank(z[k : k + 1], 3.0, [k], hessian=True)
        for name in ("value", "gradient", "hessian"):
            assert torch.allclose(getattr(together, name)[k], getattr(alone, name)[0])


def test_it_begins_as_the_potential_of_the_same_seed(double, generator):
    fields = []
    for kind in (PotentialBank, TurningBank):
        torch.manual_seed(1)
        fields.append(kind(2, 3, 5))
    z = torch.randn(2, 4, 3, generator=generator)
    assert torch.equal(*(one(z, 1.0).gradient for one in fields))


def test_a_circle_of_codes_is_carried_around_itself(double):
    """u = 0 and I + A a rotation by 45°: after eight steps every code is where it began, and no gradient could do that."""
    bank = TurningBank(1, 2, 4)
    bank.head.data.zero_()
    angle = torch.tensor(torch.pi / 4)
    bank.matrix.data = torch.stack([angle.cos() - 1, -angle.sin(), angle.sin(), angle.cos() - 1]).view(1, 2, 2)
    path = run_flow(bank, torch.tensor([[1.0, 0.0]]), 0, 8).path[0]
    turned = angle * torch.arange(9)
    assert torch.allclose(path, torch.stack([turned.cos(), turned.sin()], -1))


class TestModel:
    config = dataclasses.replace(CONFIG, velocity="turning", hj_penalty="none", prior="none")

    def test_it_learns_to_turn_and_says_that_it_has_no_potential(self):
        torch.manual_seed(0)
        model = build_model(self.config)
        batch = sequences().training_batch(6, 1, torch.Generator().manual_seed(2))
        model.objective(batch, torch.Generator().manual_seed(0))["loss"].backward()
        assert model.potentials.matrix.grad.abs().sum() > 0 and not has_potentials(model)

    @pytest.mark.parametrize("changes", [{"hj_penalty": "zero"}, {"prior": "diffusion", "objective": "marginal"}])
    def test_what_asks_for_a_potential_is_refused(self, changes):
        with pytest.raises(FlowlibError, match="velocity = 'turning' is not ∇u"):
            dataclasses.replace(self.config, **changes)

    def test_a_page_that_would_follow_the_gradient_alone_is_refused(self):
        with pytest.raises(FlowlibError, match="TurningBank moves by more than ∇u"):
            pack_potentials(build_model(self.config).potentials)
