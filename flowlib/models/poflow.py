"""PoFlow: potentials under the wave equation, trained jointly with the VAE (Song, Keller, Sebe, Welling, ICML 2023)."""

import dataclasses

import torch
from torch import nn

from flowlib.config import Config
from flowlib.errors import FlowlibError
from flowlib.flows import group_by_factor, is_program
from flowlib.models.contract import check_choices
from flowlib.models.flow_vae import FlowVAE
from flowlib.models.registry import register


@register("poflow")
class PoFlow(FlowVAE):
    """z_t = z_{t−1} + ∇u^k(z_{t−1}, t) with u^k drawn to the wave equation ∂_tt u = c² ∇·∇u: nearly the flow-factorized VAE.

    What differs from it: no diffusion prior (only z_0 has a divergence from its prior, and the flow is noise-free), and the wave
    equation in place of the Hamilton–Jacobi equation. Departures from the source ("Latent traversals in generative models as
    potential flows"): K labelled transformations with a reconstruction of every frame, as in the comparison of the
    flow-factorized VAE, instead of traversals found without labels by a Jacobian term and an index classifier.

    wave_weight : weight of the penalty, in place of the configuration's hj_weight;  speed : initial c of every factor, learned
    """

    uses = ("decoded", "time_free", "agreement")

    def __init__(self, config: Config, wave_weight=1e4, speed=1.0, **networks):
        check_choices(PoFlow, dataclasses.replace(config, model="poflow"))
        if wave_weight < 0 or not speed > 0:
            raise FlowlibError(f"wave_weight = {wave_weight}, speed = {speed}: give wave_weight ≥ 0 and speed > 0")
        own = dataclasses.replace(config, prior="none", hj_penalty="none", hj_weight=wave_weight)
        super().__init__(own, **networks)
        self.penalty = WavePenalty(len(config.factors), speed)

    @property
    def capturable(self):
        """Not with programs, whose acting potentials are looked up."""
        return self.config.programs == "single"


class WavePenalty(nn.Module):
    """(1/T) Σ_t E[(∂_tt u − c² ∇·∇u)²] at (z_{t−1}, t), plus E‖∇u(z_0, 0)‖²: the motion begins at rest.

    Time 0 is before the first step here, whose label is 1 (M10); in the authors' code the first step itself has label 0.
    Of a program, the mean is over every potential where it acts, and what rests at time 0 is the sum of those that act first.
    """

    def __init__(self, factors, speed):
        super().__init__()
        self.speed = nn.Parameter(torch.full((factors,), float(speed)))

    def forward(self, potentials, trajectory, factor, mean=torch.mean):
        """The penalty of one batch, a scalar; `mean` as in `HJPenalty`, but of a program, whose sequences are equally long."""
        if is_program(factor):
            return self._of_program(potentials, trajectory.path, factor)
        starts, steps = trajectory.path[:, :-1], trajectory.path.shape[1] - 1
        here, index, back = group_by_factor(starts, factor, potentials.factors)
        times = torch.arange(1, steps + 1, dtype=starts.dtype, device=starts.device).repeat(here.shape[1])
        second, laplacian = potentials.wave_terms(here.flatten(1, 2), times, index)
        squared_speed = (self.speed if index is None else self.speed[index]).square()[:, None]
        start, first_index, _ = group_by_factor(trajectory.path[:, 0], factor, potentials.factors)
        still = potentials(start, 0, first_index).gradient.square().sum(-1).mean()
        return mean(back((second - squared_speed * laplacian).square().unflatten(1, (-1, steps)))) + still

    def _of_program(self, potentials, path, activity):
        squares = []
        for k, speed in enumerate(self.speed):
            rows, steps = activity[..., k].nonzero(as_tuple=True)
            second, laplacian = potentials.wave_terms(path[rows, steps][None], (1 + steps).to(path), [k])
            squares.append((second - speed.square() * laplacian)[0].square())
        here, index, back = group_by_factor(path[:, 0], activity[:, 0], potentials.factors)
        still = back(potentials(here, 0, index).gradient)
        return torch.cat(squares).mean() + still.square().sum(-1).mean()
