"""Which factors did fields find? Strengths that a model reads from mixed sequences, beside the true ones that made them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flowlib.data import MixedSequences, over_chunks
from flowlib.errors import FlowlibError


@dataclass(frozen=True)
class ReadStrengths:
    """Of n mixed sequences: the places of their factors, the strengths that a model reads, and what each of its fields adds, ‖g_tf v_f(z_{t−1})‖²."""

    places: Float[Tensor, "n frames K"]
    read: Float[Tensor, "n T F"]
    added: Float[Tensor, "n T F"]

    @property
    def true(self) -> Float[Tensor, "n T K"]:
        """The true strengths: how far each factor goes in each step."""
        return self.places.diff(dim=1)


@torch.no_grad()
def read_strengths(model, sequences: MixedSequences, count: int = 300, seed: int = 0) -> ReadStrengths:
    """Read the first `count` images, mixed by places of this seed (the same for every model)."""
    count = min(count, len(sequences))
    places = sequences.places(count, torch.Generator(sequences.device).manual_seed(seed))

    def chunk(indices):
        batch = sequences.mixed(indices, places[indices])
        return torch.cat([model.motion(batch), model.contributions(batch)], -1)

    return ReadStrengths(places, *over_chunks(sequences, count, chunk).chunk(2, -1))


def correlations(true: Float[Tensor, "n K"], read: Float[Tensor, "n F"]) -> Float[Tensor, "K F"]:
    """The correlation of every true column with every read one, in [−1, 1]; 0 for a column that does not vary."""
    true, read = (x - x.mean(0) for x in (true, read))
    lengths = true.norm(dim=0)[:, None] * read.norm(dim=0)
    return torch.where(lengths > 1e-6, true.T @ read / lengths.clamp(min=1e-6), 0.0)


def matched_fields(correlation: Float[Tensor, "K F"]) -> Int[Tensor, " K"]:
    """The field of each factor: the one-to-one matching with the largest sum of |correlation| (Hungarian assignment; Kuhn, 1955)."""
    from scipy.optimize import linear_sum_assignment

    if correlation.shape[0] > correlation.shape[1]:
        raise FlowlibError(f"{correlation.shape[0]} factors, {correlation.shape[1]} fields: give each factor a field, or more")
    return torch.as_tensor(linear_sum_assignment(correlation.abs().cpu().numpy(), maximize=True)[1])


def explained(true: Float[Tensor, "n K"], read: Float[Tensor, "n F"]) -> Float[Tensor, " K"]:
    """R² of each true column regressed on all read ones and a constant: is it there at all, in whatever mixture?"""
    inputs = torch.cat([read, torch.ones_like(read[:, :1])], 1).cpu().double()  # not every device has double precision
    target = true.cpu().double()
    residual = target - inputs @ torch.linalg.lstsq(inputs, target, driver="gelsd").solution
    return 1 - residual.square().sum(0) / (target - target.mean(0)).square().sum(0)


def explained_in_place(true: Float[Tensor, "n K"], read: Float[Tensor, "n F"], place: Int[Tensor, "n K"]) -> Float[Tensor, " K"]:
    """As `explained`, with a regression of its own for every value that a factor has where the step begins.

    Adjusted for the many coefficients: numbers that tell nothing explain 0 on average, or, where some of them are always 0, less. High where
    `explained` is not: the strengths know the step, but what a strength means depends on the place, as directions of the compass do on a ring.
    Places with no more steps than there are coefficients tell nothing, and are left out.
    Raises FlowlibError where no place has more steps than there are coefficients.
    """
    return torch.stack([_explained_in_place(*one, read) for one in zip(true.T[..., None], place.T)])


def step_directions(true: Float[Tensor, " n"], read: Float[Tensor, "n F"], place: Int[Tensor, " n"]) -> Float[Tensor, "V F"]:
    """Half the difference between the mean strengths of steps forward and of steps back, for every place 0 … V − 1 where one factor's step begins.

    0 where no step goes forward, or none back.
    """
    found = read.new_zeros(int(place.max()) + 1, read.shape[1])
    for value in place.unique().tolist():
        forward, back = (read[(place == value) & one] for one in (true > 0, true < 0))
        if len(forward) and len(back):
            found[value] = (forward.mean(0) - back.mean(0)) / 2
    return found


def _explained_in_place(true, place, read):
    coefficients = read.shape[1] + 1
    known = [here for here in (place == value for value in place.unique()) if int(here.sum()) > coefficients]
    if not known:
        raise FlowlibError(f"{len(true)} steps, {len(place.unique())} places, {read.shape[1]} strengths: give more steps than coefficients")
    left = total = 0.0
    for here in known:
        squares = (true[here] - true[here].mean()).cpu().double().square().sum()
        left = left + ((1 - explained(true[here], read[here])[0]) * squares if squares else 0.0)
        total = total + squares
    steps = sum(int(here.sum()) for here in known)
    return 1 - (left / (steps - coefficients * len(known))) / (total / (steps - len(known)))


def number_of_fields_in_use(added: Float[Tensor, "n F"]) -> float:
    """exp of the entropy of the fields' shares of all squared displacement: 1 if one field does everything, F if all do alike; 0 if none."""
    share = added.sum(0) / added.sum().clamp(min=1e-12)
    return float(torch.special.entr(share).sum().exp()) if share.any() else 0.0
