"""How a latent moves in a model that learns no flow: by what its codes did on average over the training set (M16)."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.config import Config
from flowlib.data import Source
from flowlib.errors import FlowlibError
from flowlib.flows import stops
from flowlib.models.base import LatentModel, paths_of


class DisplacedModel(LatentModel):
    """z_t = z_0 + a_t + B_t z_0 for each factor k, measured by `calibrate` after training.

    affine : False: B = 0 and a_t is the mean displacement. True: the linear regression of z_t − z_0 on z_0, of which the former is the
        case of slope zero (buffers `displacement` a (K, T + 1, d), `slope` Bᵀ (K, T + 1, d, d))
    Where a motion begins at another time f, the difference of the displacements of t and f is applied to the code at hand. Between
    whole times they are interpolated linearly; beyond step T the last step is repeated. Backward the same map is inverted.
    """

    affine = False
    any_steps = True

    def __init__(self, config: Config, **networks):
        super().__init__(config, **networks)
        shape = len(config.factors), config.horizon + 1, config.latent_dim
        self.register_buffer("displacement", torch.zeros(shape))
        if self.affine:
            self.register_buffer("slope", torch.zeros(*shape, config.latent_dim))

    def transport(self, z: Float[Tensor, "B d"], factor, steps, first=1) -> Float[Tensor, "B frames d"]:
        """z plus the displacement of its factor at each time, or the way back for negative steps.

        Raises FlowlibError where a regression maps many codes to one, so that there is no way back.
        """
        times = stops(abs(steps), first)
        moved = _at(self.displacement[factor].expand(len(z), -1, -1), times)
        moved = moved - moved[:, :1]
        if not self.affine:
            return (z if steps >= 0 else z - moved[:, -1])[:, None] + (moved if steps >= 0 else moved.flip(1))
        slope = _at(self.slope[factor].expand(len(z), -1, -1, -1), times)
        slope = slope - slope[:, :1]
        start = z if steps >= 0 else _solved(slope[:, -1], z - moved[:, -1])
        path = start[:, None] + moved + torch.einsum("bi,btij->btj", start, slope)
        return path if steps >= 0 else torch.cat([z[:, None], path[:, :-1].flip(1)], 1)

    @torch.no_grad()
    def calibrate(self, sequences: Source, count: int = 1000):
        """Measure the displacements, or fit the regressions by least squares, on the first `count` images; returns the model."""
        for factor in range(len(sequences.factors)):
            codes = paths_of(self, sequences, factor, count)
            moved = codes - codes[:, :1]
            if self.affine:
                inputs = torch.cat([codes[:, 0], torch.ones_like(codes[:, 0, :1])], 1)
                ends = inputs.cpu(), moved.flatten(1).cpu()  # only the CPU has the driver that finds the least slope if images are few
                solved = torch.linalg.lstsq(*ends, driver="gelsd").solution
                solved = solved.unflatten(1, codes.shape[1:]).transpose(0, 1)
                _fill(self.slope[factor], solved[:, :-1])
                _fill(self.displacement[factor], solved[:, -1])
            else:
                _fill(self.displacement[factor], moved.mean(0))
        return self


def _fill(table, found):
    """Write what was found at each time into a table; beyond a shorter factor's own length it stays where it ended."""
    table[: len(found)] = found
    table[len(found) :] = found[-1]


def _at(table, times):
    """A table (B, T + 1, …) of whole times read at any times ≥ 0: interpolated, and beyond T continued with its last step."""
    horizon, columns = table.shape[1] - 1, []
    for time in times:
        before = min(math.floor(time), horizon if time == horizon else horizon - 1)
        here = table[:, before]
        columns.append(here if time == before else here + (time - before) * (table[:, before + 1] - here))
    return torch.stack(columns, 1)


def _solved(slope, target):
    """x with x + x·slope = target."""
    system = (slope + torch.eye(slope.shape[-1], dtype=slope.dtype, device=slope.device)).mT
    solution, info = torch.linalg.solve_ex(system, target[..., None])
    if info.any() or not solution.isfinite().all():
        raise FlowlibError("the regression maps several codes to one, so it has no way back: calibrate on more images")
    return solution[..., 0]
