"""Bad input is named with its remedy; importing the floor stays cheap; every name is re-exported."""

import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest
import torch
from transport_cases import jaxtyping_off

from flowlib import transport as tr
from flowlib.errors import FlowlibError
from flowlib.transport import checks

Z, LINE, EYE = torch.zeros(4, 2), torch.zeros(4), torch.eye(2)
TIMES = torch.tensor([0.0, 1.0])
NORMAL = tr.Gaussian(torch.zeros(2), EYE)
THREE = tr.Gaussian(torch.zeros(3), torch.eye(3))
RAMP = torch.arange(4.0)[:, None]
BELL = torch.tensor([0.5, 0.5])


def still(z, t):
    return torch.zeros_like(z)


def flat(z, t):
    return z.new_zeros(len(z))


CALLS = {
    "points in one row": (lambda: tr.integrate(still, LINE, TIMES), r"z has shape \(4,\).*\(B, d\)"),
    "integer points": (lambda: tr.gradient_of(flat)(Z.long(), 0), "int64.*floating"),
    "times fall": (lambda: tr.integrate(still, Z, TIMES.flip(0)), r"\[1.0, 0.0\].*-v\(z, e - s\)"),
    "times repeat": (lambda: tr.integrate(still, Z, torch.zeros(2)), "increase"),
    "times with nan": (lambda: tr.integrate(still, Z, TIMES * torch.nan), "increase"),
    "one time": (lambda: tr.kinetic_action(Z[:, None], TIMES[:1]), "two or more"),
    "unknown method": (lambda: tr.integrate(still, Z, TIMES, method="heun"), "'heun'.*euler, rk4, dopri5"),
    "negative step": (lambda: tr.integrate(still, Z, TIMES, method="rk4", step_size=-1), "step_size is -1"),
    "step for dopri5": (lambda: tr.integrate(still, Z, TIMES, step_size=0.1), "step_size 0.1 .*rk4"),
    "nan at the start": (lambda: tr.integrate(still, Z * torch.nan, TIMES), "z has 8 non-finite"),
    "nan velocity": (lambda: tr.integrate(lambda z, t: z / 0, Z, TIMES), "velocity has 8 non-finite.*t = 0"),
    "nan divergence": (
        lambda: tr.integrate(lambda z, t: z.clamp_min(0).sqrt(), Z, TIMES, log_density=LINE),
        "divergence has 4 non-finite",
    ),
    "velocity's shape": (lambda: tr.integrate(lambda z, t: z[:, :1], Z, TIMES), r"\(4, 1\).*\(4, 2\)"),
    "divergence's shape": (lambda: tr.divergence(lambda z, t: z[:, :1], Z, 0), r"\(1, 1\).*\(1, 2\)"),
    "log-density's shape": (
        lambda: tr.integrate(still, Z, TIMES, log_density=LINE[:1]),
        r"log_density.*\(4,\)",
    ),
    "explosion": (
        lambda: tr.integrate(lambda z, t: z**2 + 1, Z, TIMES * 3, rtol=1e-3),
        "dopri5 stopped .*loosen rtol",
    ),
    "potential's shape": (lambda: tr.gradient_of(lambda z, t: z)(Z, 0), r"potential's result.*\(4,\)"),
    "pushed log-density": (lambda: tr.push_forward_log_density(lambda z: z, Z, LINE[:2]), "log_density"),
    "not symmetric": (
        lambda: tr.Gaussian(LINE[:2], EYE + torch.tensor([[0, 0.1], [0, 0]])),
        "not symmetric.*0.1",
    ),
    "not positive": (
        lambda: tr.Gaussian(LINE[:2], EYE - 2 * torch.diag(LINE[:2] + 1)),
        "smallest eigenvalue -1",
    ),
    "singular": (lambda: tr.Gaussian(LINE[:2], 0 * EYE), "smallest eigenvalue 0"),
    "nan mean": (lambda: tr.Gaussian(LINE[:2] * torch.nan, EYE), "mean has 2 non-finite"),
    "nan covariance": (lambda: tr.Gaussian(LINE[:2], EYE * torch.nan), "not symmetric"),
    "covariance's shape": (lambda: tr.Gaussian(LINE[:2], torch.eye(3)), r"covariance has shape \(3, 3\)"),
    "not square": (lambda: tr.Gaussian(LINE[:2], torch.ones(2, 3)), r"\(2, 3\)"),
    "mean's dtype": (lambda: tr.Gaussian(LINE[:2].double(), EYE), "float64"),
    "points of another size": (lambda: THREE.log_prob(Z), r"z has shape \(4, 2\).*\(4, 3\)"),
    "two dimensions": (lambda: tr.gaussian_map(NORMAL, THREE), r"target's mean.*\(2,\)"),
    "s outside": (lambda: tr.interpolate(NORMAL, NORMAL, 1.5), "s is 1.5"),
    "no steps": (lambda: tr.GaussianPotential(NORMAL, NORMAL, 0), "steps is 0"),
    "path and times": (lambda: tr.kinetic_action(torch.zeros(2, 4, 2), TIMES), r"times has shape \(2,\); it has to be \(4,\)"),
    "residual's shapes": (lambda: tr.hamilton_jacobi_residual(LINE[:1], Z), "time_derivative"),
    "straightness of points": (lambda: tr.straightness(Z), r"\(B, S, d\)"),
    "symmetric generator": (lambda: tr.density_preserving_field(flat, EYE), "not antisymmetric.*M - M.T"),
    "rotation": (lambda: tr.rotation_field(EYE), "not antisymmetric"),
    "splitting": (lambda: tr.linear_helmholtz(EYE, -EYE), "smallest eigenvalue -1"),
    "clouds of two sizes": (lambda: tr.optimal_coupling(Z, torch.zeros(4, 3)), r"y has shape \(4, 3\)"),
    "nan in a cloud": (lambda: tr.optimal_coupling(Z * torch.nan, Z), "x has 8 non-finite"),
    "no points": (lambda: tr.optimal_coupling(Z[:0], Z), r"\(0, 2\).*at least one"),
    "no points at all": (lambda: tr.dual_potentials(Z, Z[:0]), r"\(0, 2\).*at least one"),
    "no points on a line": (lambda: tr.w2_1d(LINE[:0], LINE), "number of points in x is 0"),
    "no images on a line": (lambda: tr.quantile_map_1d(LINE, LINE[:0]), "number of points in y is 0"),
    "numpy points": (lambda: tr.optimal_coupling(Z.numpy(), Z), "x is a ndarray; .*torch.as_tensor"),
    "numpy line": (lambda: tr.w2_1d(LINE, LINE.numpy()), "y is a ndarray; .*torch.as_tensor"),
    "weights": (lambda: tr.optimal_coupling(Z, Z, LINE + 1), "a has sum 4"),
    "negative weights": (lambda: tr.dual_potentials(Z, Z, None, torch.tensor([2.0, -1, 0, 0])), "minimum -1"),
    "epsilon": (lambda: tr.sinkhorn_coupling(Z, Z, 0), "epsilon is 0"),
    "infinite epsilon": (lambda: tr.sinkhorn_coupling(Z, Z, float("inf")), "epsilon is inf; .*finite"),
    "soft prices' weights": (lambda: tr.soft_c_transform(Z, Z, LINE, 1.0, LINE + 1), "b has sum 4"),
    "no iterations": (lambda: tr.sinkhorn_coupling(Z, Z, 1, max_iterations=0), "max_iterations is 0"),
    "no convergence": (
        lambda: tr.sinkhorn_coupling(RAMP, 1 - RAMP**2, 1e-3, max_iterations=1),
        "raise epsilon",
    ),
    "zero weight": (lambda: tr.sinkhorn_coupling(Z, Z, 1, torch.tensor([1.0, 0, 0, 0])), "smallest weight"),
    "plan's shape": (lambda: tr.barycentric_map(EYE, Z), "plan"),
    "empty row": (lambda: tr.barycentric_map(0 * EYE, EYE), "row sum"),
    "line with columns": (lambda: tr.w2_1d(Z, Z), r"x has shape \(4, 2\)"),
    "unequal mass": (lambda: tr.benamou_brenier_1d(BELL, 2 * BELL, 1.0), "target has mass 2"),
    "a sunken density": (lambda: tr.w2_density_1d(BELL, torch.tensor([1.5, -0.5]), 1.0), "minimum -0.5.*clamp_min"),
    "a film of one row": (lambda: tr.momentum_1d(BELL, 1.0), "the film has shape"),
    "no spacing": (lambda: tr.benamou_brenier_1d(BELL, BELL, 0.0), "spacing is 0"),
    "time zero": (lambda: tr.hopf_lax(lambda z: LINE, Z, 0, Z), "t is 0"),
    "heat backwards": (lambda: tr.heat_marginal(NORMAL, 1.0, -1.0), "t is -1"),
    "no diffusion": (lambda: tr.heat_marginal(NORMAL, 0, 1.0), "diffusion is 0"),
    "numpy weights": (lambda: tr.optimal_coupling(Z, Z, (LINE / 6).numpy()), "a is a ndarray; .*torch.as_tensor"),
    "a listed mean": (lambda: tr.Gaussian([0.0, 0.0], EYE[:2, :2]), "mean is a list; .*torch.as_tensor"),
    "a listed covariance": (lambda: tr.Gaussian(LINE[:2], [[1.0, 0.0], [0.0, 1.0]]), "covariance is a list; .*torch.as_tensor"),
    "listed times": (lambda: tr.integrate(flat, Z, [0.0, 1.0]), "times is a list; .*torch.as_tensor"),
    "listed times of frames": (lambda: tr.displacement_frames(torch.ones(3, 3), torch.ones(3, 3), [0.0]), "times is a list; .*torch.as_tensor"),
    "two precisions": (
        lambda: tr.gaussian_w2(NORMAL, tr.Gaussian(NORMAL.mean.double(), NORMAL.covariance.double())),
        "source is of torch.float32, target is of torch.float64; make them alike",
    ),
    "densities of two precisions": (
        lambda: tr.benamou_brenier_1d(BELL, BELL.double(), 1.0),
        "source is of torch.float32, target is of torch.float64",
    ),
    "no iterations on the way": (lambda: tr.benamou_brenier_1d(BELL, BELL, 1.0, iterations=0), "iterations is 0"),
    "a word": (lambda: tr.sinkhorn_coupling(Z, Z, "a"), "epsilon is 'a'; pass a number"),
    "no generator": (lambda: tr.brownian_path(Z, 1, TIMES, None), "generator is None; pass a seeded one"),
    "drift's shape": (lambda: tr.brownian_path(Z, 1, TIMES, torch.Generator(), drift=flat), "drift's result"),
    "drift and times": (lambda: tr.path_kl(torch.zeros(1, 4, 2), TIMES, 1), r"drift has shape \(1, 4, 2\): 4 steps between 2 times"),
    "drift of one step": (lambda: tr.path_kl(torch.ones(3, 1, 2), torch.linspace(0, 1, 5), 1), "1 steps between 5 times"),
    "half a bridge": (
        lambda: tr.GaussianBridge(NORMAL, NORMAL, 1.0).sample(3, torch.linspace(0, 0.5, 5), torch.Generator()),
        "the bridge needs them from 0 to 1",
    ),
    "a thousandth too heavy": (lambda: checks.check_density(1.001 * BELL, 1.0, "p"), "p has mass 1.001"),
    "weights a twentieth too heavy": (lambda: checks.check_weights(1.05 * BELL, RAMP[:2], "a"), "a has sum 1.05"),
    "weights and times": (lambda: tr.path_log_weight(*torch.zeros(2, 1, 4, 2), TIMES, 1), r"4 steps between 2 times.*\(B, S − 1, d\)"),
}


@pytest.mark.parametrize("call, message", CALLS.values(), ids=CALLS)
def test_bad_input_is_named_with_its_remedy(call, message):
    with jaxtyping_off(), pytest.raises(FlowlibError, match=message):
        call()


def test_import_is_cheap():
    heavy = "{'scipy', 'matplotlib', 'ot', 'torchdiffeq', 'sklearn'}"
    code = f"import sys, flowlib.transport; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_every_public_name_is_reexported():
    helpers = {"checks", "types"}
    for module in pkgutil.iter_modules(tr.__path__):
        if module.name in helpers:
            continue
        members = vars(importlib.import_module(f"flowlib.transport.{module.name}"))
        for name, value in members.items():
            own = inspect.isfunction(value) or inspect.isclass(value)
            if own and not name.startswith("_") and value.__module__ == f"flowlib.transport.{module.name}":
                assert getattr(tr, name) is value
