"""Flows backward and by parts of a step: round trips, a field in closed form, torchdiffeq, and what cannot be undone."""

import math
from fractions import Fraction

import linear_gaussian as lg
import pytest
import torch
from torchdiffeq import odeint

from flowlib.config import Config
from flowlib.errors import FlowlibError
from flowlib.flows import stops, travel, undo
from flowlib.models import VAE, build_model

pytestmark = pytest.mark.usefixtures("double")


def flow_model(model="flow", head=0.3, **changes):
    torch.manual_seed(0)
    made = build_model(Config(model=model, latent_dim=4, width=2, potential_width=8, horizon=4, **changes)).double()
    if hasattr(made, "potentials") and hasattr(made.potentials, "head"):
        made.potentials.head.data.normal_().mul_(head)
    return made


@pytest.mark.parametrize(
    "steps, first, times",
    [
        (3, 1, [0, 1, 2, 3]), (0, 1, [0]), (2.5, 1, [0, 1, 2, 2.5]), (0.5, 3, [2, 2.5]), (0.5, 2.25, [1.25, 1.75]), (1, 1.5, [0.5, 1, 1.5]),
        (-2.5, 1, [2.5, 2, 1, 0]), (-1, 4, [4, 3]), (0.1 + 0.2 + 0.7, 1, [0, 1]),
    ],
)  # fmt: skip
def test_stops_are_the_ends_and_the_whole_times_between(steps, first, times):
    assert stops(steps, first) == pytest.approx(times)
    assert stops(torch.tensor(steps), torch.tensor(first)) == pytest.approx(times)
    assert stops(Fraction(steps), Fraction(first)) == pytest.approx(times)


@pytest.mark.parametrize("steps", ["2", None, torch.tensor([2]), math.nan])
def test_steps_that_are_no_number(steps):
    with pytest.raises(FlowlibError, match="give finite numbers"):
        stops(steps)


@pytest.mark.parametrize(
    "model, changes",
    [
        ("flow", {}),
        ("flow", {"velocity": "turning", "hj_penalty": "none"}),
        ("flow", {"velocity": "rotating", "hj_penalty": "none"}),
        ("flow", {"velocity": "free", "hj_penalty": "none"}),
        ("flow-inferred", {}),
    ],
)
@pytest.mark.parametrize("steps, first", [(4, 1), (1, 3), (2.5, 1), (0.3, 2), (1.5, 1.75)])
def test_there_and_back(model, changes, steps, first, generator):
    """Every code of the path is met again, for one factor and for a label of each sample."""
    made, z = flow_model(model, **changes), torch.randn(5, 4, generator=generator)
    for factor in (1, torch.tensor([2, 0, 1, 1, 0])):
        there = made.transport(z, factor, steps, first)
        back = made.transport(there[:, -1], factor, -steps, first)
        assert (there[:, -1] - z).abs().max() > 0.01
        assert torch.allclose(back, there.flip(1), atol=1e-9)


def test_single_precision_comes_back_to_five_digits(generator):
    made, z = flow_model().float(), torch.randn(20, 4, generator=generator).float()
    back = made.transport(made.transport(z, 0, 4)[:, -1], 0, -4)[:, -1]
    assert torch.allclose(back, z, atol=1e-5)


def test_parts_of_a_step_add_up_and_lie_on_a_straight_line(generator):
    made, z = flow_model(), torch.randn(3, 4, generator=generator)
    whole = made.transport(z, 1, 2)
    part = made.transport(z, 1, 0.25)[:, -1]
    assert torch.allclose(part, z + 0.25 * (whole[:, 1] - z))
    assert torch.allclose(made.transport(part, 1, 1.75, first=1.25)[:, -1], whole[:, -1])
    assert torch.allclose(made.transport(made.transport(z, 1, 1.5)[:, -1], 1, 0.5, first=2.5)[:, -1], whole[:, -1])


def test_parts_of_a_step_forward_carry_gradients(generator):
    model, z = flow_model(), torch.randn(2, 4, generator=generator, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: model.transport(z, 1, 1.5, first=1)[:, -1], (z,))


def test_a_linear_field_in_closed_form(generator):
    """∇u = t (A z + b): back over steps 2 and 1, and over the last half of step 2, by matrix inverses."""
    made, _ = lg.build("marginal")
    a, b = 4 * made.potentials.matrices[1], made.potentials.offsets[1]
    made.potentials.matrices.mul_(4)
    z, eye = torch.randn(6, lg.DIM, generator=generator), torch.eye(lg.DIM)
    begun_two = (z - 2 * b) @ torch.linalg.inv(eye + 2 * a).T
    begun_one = (begun_two - b) @ torch.linalg.inv(eye + a).T
    assert torch.allclose(made.transport(z, 1, -2), torch.stack([z, begun_two, begun_one], 1))
    half = (z - b) @ torch.linalg.inv(eye + a).T  # z = y + ½·2 (A y + b)
    assert torch.allclose(made.transport(z, 1, -0.5, first=2)[:, -1], half)


def linear(size, generator):
    """The steps of dz/dt = A z with a symmetric A, each of a small duration."""
    a = torch.randn(3, 3, generator=generator)
    a = 0.3 * (a + a.mT)
    return a, lambda z, t, hessian: (size * z @ a.T, size * a.expand(len(z), -1, -1))


def test_small_steps_backward_follow_the_differential_equation(generator):
    """An autonomous linear potential, against torchdiffeq run from time 1 to 0; the error is of first order in a step."""
    errors = []
    for count in (40, 80):
        a, step = linear(1 / count, torch.Generator().manual_seed(1))
        z = torch.tensor([[1.0, -0.5, 0.3], [0.2, 0.4, -1.0]])
        exact = odeint(lambda t, x: x @ a.T, z, torch.tensor([1.0, 0.0]), rtol=1e-10, atol=1e-12)[-1]
        errors.append((travel(step, z, stops(-count))[:, -1] - exact).norm().item())
    assert errors[1] < 0.2 and errors[0] / errors[1] == pytest.approx(2, rel=0.1)


def test_newton_goes_on_where_the_fixed_point_does_not_contract():
    """v(y) = 3 y + y³: the iteration y ← z − v(y) diverges, the solution of 4 y + y³ = z is found all the same."""
    z = torch.tensor([[0.1], [-30.0], [1000.0]])
    y = undo(lambda y, t, hessian: (3 * y + y**3, (3 + 3 * y**2)[..., None]), z, 1)
    assert torch.allclose(4 * y + y**3, z, rtol=1e-12)


def test_what_no_step_reaches_is_refused():
    """y + v(y) = y² ≥ 0: no code arrives at −1, and none is made up."""
    with pytest.raises(FlowlibError, match=r"step 3 cannot be undone for 1 of 2 codes: what is left .* is 1.*smallest_eigenvalue"):
        undo(lambda y, t, hessian: (y**2 - y, (2 * y - 1)[..., None]), torch.tensor([[-1.0], [4.0]]), 3)


class TestWithoutAFlow:
    @pytest.mark.parametrize("name", ["vae", "vae-regression"])
    @pytest.mark.parametrize("steps, first", [(3, 1), (6, 2), (1.5, 1), (0.5, 1.5)])
    def test_displacements_and_regressions(self, name, steps, first, generator):
        made = flow_model(name).requires_grad_(False)
        for buffer in made.buffers():
            buffer.normal_(std=0.1, generator=generator)
        z, factor = torch.randn(3, 4, generator=generator), torch.tensor([2, 0, 1])
        there = made.transport(z, factor, steps, first)
        assert torch.allclose(made.transport(there[:, -1], factor, -steps, first), there.flip(1))

    def test_a_part_of_a_displacement(self):
        made = VAE(Config(latent_dim=2, width=2))
        made.displacement = torch.arange(9.0)[None, :, None].expand(3, -1, 2) ** 2
        assert made.transport(torch.zeros(1, 2), 0, 2.5)[0, :, 0].tolist() == [0, 1, 4, 6.5]
        assert made.transport(torch.zeros(1, 2), 0, 9.5)[0, -1, 0] == 64 + 1.5 * (64 - 49)

    def test_a_regression_that_forgets_has_no_way_back(self):
        made = flow_model("vae-regression")
        made.slope[0, 4] = -torch.eye(4)  # z_4 = z_0 − z_0
        with pytest.raises(FlowlibError, match="several codes to one"):
            made.transport(torch.ones(1, 4), 0, -4)

    def test_a_roll_turns_back_by_whole_places(self, generator):
        made = build_model(Config(model="tvae", latent_dim=9, width=2, horizon=2))
        z, factor = torch.randn(2, 9, generator=generator), torch.tensor([2, 0])
        there = made.transport(z, factor, 2)
        assert torch.equal(made.transport(there[:, -1], factor, -2), there.flip(1))
        with pytest.raises(FlowlibError, match="steps = 0.5.*whole places"):
            made.transport(z, factor, 0.5)


def test_the_objectives_path_is_the_transported_one(generator):
    """Forward by whole steps nothing is solved, and gradients flow."""
    made, z = flow_model(), torch.randn(2, 4, generator=generator).requires_grad_()
    made.transport(z, 0, 3)[:, -1].sum().backward()
    assert z.grad.abs().sum() > 0
    assert math.isclose(made.transport(z, 0, 3.0).sum().item(), made.transport(z, 0, 3).sum().item())
