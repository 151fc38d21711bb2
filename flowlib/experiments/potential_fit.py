"""Teach a potential u(z, t) to carry one Gaussian to another, with and without a Hamilton–Jacobi penalty (M12).

The flow takes T unit steps z_t = z_{t−1} + ∇u(z_{t−1}, t) (M10). The loss is KL[q_T ‖ target], through the exact
log-determinant (M11), plus weight · penalty. A bank of R potentials makes R independent repeats in one call.

`python -m flowlib.experiments.potential_fit` trains over weights and repeats, and writes
data/results/potential_fit.json.
"""

import time
from dataclasses import dataclass
from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor, nn

from flowlib.config import Config
from flowlib.experiments.provenance import provenance
from flowlib.experiments.results import make_row, read_results, results_path, write_results
from flowlib.flows import PotentialBank, Trajectory, run_flow
from flowlib.models import HJPenalty, driven_residual
from flowlib.transport import Gaussian, kinetic_action, optimal_coupling

SOURCE = Gaussian(torch.tensor([-1.0, -0.5]).double(), torch.diag(torch.tensor([2.0, 0.5])).double())
TARGET = Gaussian(torch.tensor([1.5, 1.0]).double(), torch.diag(torch.tensor([0.5, 2.0])).double())
STEPS, WIDTH = 6, 24


class PositivePart(nn.Module):
    """E[max(r − C, 0)²]: what (r + f²)² leaves when f is free, of the potential u − C t, whose flow is u's (M12)."""

    def __init__(self, slope=0.0):
        super().__init__()
        self.slope = slope

    def forward(self, potentials, trajectory: Trajectory, factor) -> Float[Tensor, ""]:
        """The penalty of one batch, a scalar."""
        return (trajectory.residual - self.slope).relu().square().mean()


class DrivenResidual(nn.Module):
    """E[(r + f²)²], f a network: the first term of the paper's penalty alone (M12)."""

    def __init__(self, repeats):
        super().__init__()
        self.force = PotentialBank(repeats, 2, WIDTH, horizon=STEPS)

    def forward(self, potentials, trajectory: Trajectory, factor) -> Float[Tensor, ""]:
        """The penalty of one batch, a scalar."""
        return driven_residual(self.force, trajectory, factor)


def make_penalty(kind: str | nn.Module, repeats: int) -> nn.Module:
    """`HJPenalty` ("zero", "paper", "none") for the potentials of this experiment, its parts, or one's own.

    "driven" : `DrivenResidual`;  "positive" : `PositivePart`, the same with the best f.
    """
    if isinstance(kind, nn.Module):
        return kind
    if kind in ("driven", "positive"):
        return DrivenResidual(repeats) if kind == "driven" else PositivePart()
    return HJPenalty(kind, repeats, 2, Config(potential_width=WIDTH, horizon=STEPS))


def end_mismatch(trajectory: Trajectory, source: Gaussian, target: Gaussian) -> Float[Tensor, " B"]:
    """log q_T(z_T) − log target(z_T), whose mean estimates KL[q_T ‖ target]; q_T by the log-determinants (M11)."""
    log_density = source.log_prob(trajectory.path[:, 0]) + trajectory.log_density_change()[:, -1]
    return log_density - target.log_prob(trajectory.path[:, -1])


def fit_potential(
    kind: str | nn.Module, weight: int | float = 10.0, *, source=SOURCE, target=TARGET, repeats=4, samples=64, iterations=300, seed=0
) -> PotentialBank:
    """`repeats` potentials, each trained on its own fresh `samples` per iteration by Adam with a cosine decay.

    kind : as in `make_penalty`; a module of one's own is called as penalty(bank, trajectory, factor) -> ()
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        bank = PotentialBank(repeats, 2, WIDTH, horizon=STEPS).to(source.mean)
        penalty = make_penalty(kind, repeats).to(source.mean)
    optimiser = torch.optim.Adam([*bank.parameters(), *penalty.parameters()], 1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, iterations)
    generator = torch.Generator().manual_seed(seed)
    factor = torch.arange(repeats).repeat_interleave(samples)
    for _ in range(iterations):
        trajectory = run_flow(bank, source.sample(len(factor), generator), factor, STEPS, hessian=True)
        loss = end_mismatch(trajectory, source, target).mean() + weight * penalty(bank, trajectory, factor)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return bank


@dataclass(frozen=True)
class FitReport:
    """R repeats measured on the same particles, in unit time (T steps last 1).

    action ≥ displacement = E‖z_T − z_0‖² ≥ w2 = W₂² between the particles' first and last positions (POT);
    mismatch : KL[q_T ‖ target];  speed : root mean square of T‖∇u‖ at each step;  residual : T² r.
    """

    action: Float[Tensor, " R"]
    displacement: Float[Tensor, " R"]
    w2: Float[Tensor, " R"]
    mismatch: Float[Tensor, " R"]
    speed: Float[Tensor, "R T"]
    residual: Float[Tensor, "R B T"]


def measure_fit(bank: PotentialBank, *, source=SOURCE, target=TARGET, particles=512, seed=1) -> FitReport:
    """Let fresh particles flow along each of the bank's potentials."""
    z = source.sample(particles, torch.Generator().manual_seed(seed))
    times = torch.linspace(0, 1, STEPS + 1).to(z)
    rows = []
    for repeat in range(bank.factors):
        with torch.no_grad():
            trajectory = run_flow(bank, z, repeat, STEPS, hessian=True)
        path, velocity = trajectory.path, STEPS * trajectory.velocity
        rows.append(
            (
                kinetic_action(path, times),
                (path[:, -1] - z).square().sum(-1).mean(),
                optimal_coupling(z, path[:, -1])[1],
                end_mismatch(trajectory, source, target).mean(),
                velocity.square().sum(-1).mean(0).sqrt(),
                STEPS**2 * trajectory.residual,
            )
        )
    return FitReport(*(torch.stack(column) for column in zip(*rows, strict=True)))


ABOUT = "a potential between two Gaussians, by the Hamilton–Jacobi penalty and its weight; repeats in a row"
KINDS = ("zero", "paper", "driven", "positive")
WEIGHTS = (0.1, 1.0, 10.0, 100.0, 1000.0)


def sweep(kinds=KINDS, weights=WEIGHTS, repeats=8, **options) -> list[dict]:
    """One row for no penalty, and one for each kind and weight: action / W₂² and the mismatch of every repeat, and the seconds it took."""
    rows = []
    for kind, weight in [("none", 0.0), *product(kinds, weights)]:
        started = time.perf_counter()
        report = measure_fit(fit_potential(kind, weight, repeats=repeats, **options))
        excess = [round(ratio, 4) for ratio in (report.action / report.w2).tolist()]
        found = {"action_over_w2": excess, "mismatch": [round(value, 4) for value in report.mismatch.tolist()]}
        rows.append({"kind": kind, "weight": weight, **found, "seconds": round(time.perf_counter() - started, 1)})
    return rows


def read_sweep() -> list[dict]:
    """The stored rows of `sweep`."""
    return [row["config"] | row["metrics"] for row in read_results("potential_fit")["rows"]]


def as_results(rows, trained) -> dict:
    """Rows of `sweep` in the form of all results (`flowlib.experiments.results`)."""
    return {"about": ABOUT, "rows": [_as_row(trained, **row) for row in rows]}


def _as_row(trained, kind, weight, seconds, **found):
    config = {"kind": kind, "weight": weight}
    return make_row(f"{kind}, weight {weight:g}", 0, config, found, trained | {"seconds": seconds})


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    write_results(as_results(sweep(), provenance()), results_path("potential_fit"))
