"""Fields without divergence: torch.func is the oracle for the field, its Jacobian and its divergence, whatever the weights."""

import pytest
import torch
from torch.func import jacrev, vmap

from flowlib.errors import FlowlibError
from flowlib.flows import PotentialBank, SolenoidalBank


@pytest.fixture
def bank(double):
    torch.manual_seed(0)
    bank = SolenoidalBank(2, 5, 7)
    for parameter in bank.parameters():
        parameter.data.normal_()
    return bank.double()


@pytest.fixture
def z(double, generator):
    return torch.randn(11, 5, generator=generator)


def field(bank, k):
    return lambda point: bank(point[None, None], 0.0, [k]).gradient[0, 0]


@pytest.mark.parametrize("k", [0, 1])
def test_divergence_is_zero_and_the_jacobian_is_its_own(bank, z, k):
    jacobian = vmap(jacrev(field(bank, k)))(z)
    assert jacobian.diagonal(dim1=1, dim2=2).sum(1).abs().max() < 1e-12
    assert jacobian.norm(dim=(1, 2)).min() > 1e-2  # not for want of a field
    assert torch.allclose(bank(z[None], 0.0, [k], hessian=True).hessian[0], jacobian)
    for ask in (lambda: bank.hessian_product(z[None], 0.0, z[None], [k]), lambda: bank.laplacian(z[None], 0.0, [k])):
        with pytest.raises(FlowlibError, match="SolenoidalBank is no gradient"):
            ask()


def test_a_gradient_of_the_same_weights_has_a_divergence(bank, z):
    potential = PotentialBank(2, 5, 7).double()
    potential.load_state_dict({name: value for name, value in bank.state_dict().items() if name != "weight"})
    jacobian = vmap(jacrev(field(potential, 0)))(z)
    assert jacobian.diagonal(dim1=1, dim2=2).sum(1).abs().min() > 1e-6
    assert torch.allclose(jacobian, jacobian.mT)


def test_the_field_is_an_antisymmetric_matrix_times_the_gradient_of_what_it_conserves(bank, z):
    stream = lambda point: bank(point[None, None], 0.0, [1]).value[0, 0]  # noqa: E731
    slope = vmap(jacrev(stream))(z)
    weight = bank.weight[1]
    w = bank(z[None], 0.0, [1]).gradient[0]
    assert torch.allclose(w, slope @ (weight - weight.mT).mT)
    assert (w * slope).sum(1).abs().max() < 1e-12  # ẇ stays on the level sets of h


def test_all_fields_at_once_are_each_by_itself(bank, z):
    together = bank(z.expand(2, -1, -1), 0.0, hessian=True)
    for k in range(2):
        alone = bank(z[None], 0.0, [k], hessian=True)
        assert torch.allclose(together.gradient[k], alone.gradient[0]) and torch.allclose(together.hessian[k], alone.hessian[0])
