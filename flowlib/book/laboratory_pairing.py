"""Chapter 4: teach a potential by its goal alone, with a charge for the residual, or by pairs of starts and ends."""

import torch

from flowlib.book.laboratory_bench import bench
from flowlib.experiments.potential_fit import SOURCE, STEPS, TARGET, WIDTH, end_mismatch, measure_fit
from flowlib.experiments.tables import layout
from flowlib.flows import PotentialBank, run_flow
from flowlib.transport import optimal_coupling
from flowlib.viz import density_contours, new_figure, plane_axes, trajectories

SENTENCE = "Run this cell in Jupyter or Colab: choose what teaches the potential, and a button trains it."
TEACHERS = ("the goal", "optimal pairs", "random pairs", "swapped pairs")
COLUMNS = ("taught by", "λ", "steps", "action / W₂²", "KL")
BATCH = 128


def paired(teacher, x, y):
    """The ends y (B, 2) in the order in which the starts x (B, 2) are sent to them.

    "optimal": cheapest in all (POT);  "random": as drawn;  "swapped": the leftmost start to the rightmost end, and so on.
    """
    if teacher == "optimal pairs":
        return y[optimal_coupling(x, y)[0].argmax(1)]
    if teacher == "swapped pairs":
        return y[y[:, 0].argsort(descending=True)][x[:, 0].argsort().argsort()]
    return y


def lesson(bank, teacher, weight, generator):
    """Loss terms of one fresh batch: KL[q_T ‖ target] + λ mean r², or the pairs' straight ways, E‖∇u(z_t, t) − (y − x)/T‖²."""
    x = SOURCE.sample(BATCH, generator)
    if teacher == "the goal":
        flow = run_flow(bank, x, 0, STEPS, hessian=True)
        kl, residual = end_mismatch(flow, SOURCE, TARGET).mean(), flow.residual.square().mean()
        return {"loss": kl + weight * residual, "KL": kl, "r²": residual}
    way = (paired(teacher, x, TARGET.sample(BATCH, generator)) - x) / STEPS
    errors = [bank((x + t * way)[None], t + 1).gradient[0] - way for t in range(STEPS)]
    return {"loss": torch.stack(errors).square().sum(-1).mean()}


def pairing():
    """Controls for the teacher, λ and the seconds; each run starts from the same first weights."""
    runs = []

    def action(bench, teacher, weight, seconds):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            bank = PotentialBank(1, 2, WIDTH, horizon=STEPS).double()
        optimiser, generator = torch.optim.Adam(bank.parameters(), 1e-2), torch.Generator().manual_seed(0)

        def step():
            terms = lesson(bank, teacher, weight, generator)
            optimiser.zero_grad()
            terms["loss"].backward()
            optimiser.step()
            return terms

        count = len(bench.train(step, seconds)["loss"])
        report = measure_fit(bank)
        ratio, kl = (report.action / report.w2).item(), report.mismatch.item()
        runs.append([teacher, f"{weight:g}" if teacher == "the goal" else "", str(count), f"{ratio:.2f}", f"{kl:.2f}"])
        bench.say(layout([COLUMNS, *runs], "html"))
        bench.show(_drawn(bank))

    def controls(widgets):
        return {
            "teacher": widgets.Dropdown(options=TEACHERS, value="random pairs", description="taught by"),
            "weight": widgets.SelectionSlider(options=[0, 0.1, 1, 10, 100, 1000], value=10, description="λ (of the goal)"),
            "seconds": widgets.IntSlider(5, 2, 60, 1, description="seconds of training"),
        }

    return bench(controls, action, "train", SENTENCE)


@torch.no_grad()
def _drawn(bank):
    """The ways of some fresh particles between the two clouds."""
    path = run_flow(bank, SOURCE.sample(40, torch.Generator().manual_seed(2)), 0, STEPS).path
    figure, axes = new_figure(height=3.6, width=5.2)
    plane_axes(axes, (-4.8, 4, -2.8, 4.6))
    density_contours(axes, SOURCE.log_prob, "data", levels=2, fill=False)
    density_contours(axes, TARGET.log_prob, "target", levels=2, fill=False)
    trajectories(axes, path, width=1.2)
    return figure
