"""Steps undone, and parts of steps: where a code stands between any two times of its flow (M10).

Step t takes a code from time t − 1 to time t, on a straight line at constant speed: at time t − 1 + α it stands at y + α v(y, t),
y where the step began and v = ∇u. Backwards, y is found from z = y + α v(y, t).

What is found flows to z again, to rounding. That it is the place from which z came needs two things more: that the step is injective
(λ_min(I + H) > 0 everywhere), and digits enough. A direction that the flow squeezes by a factor is stretched by it on the way back, with
its rounding errors; eight steps of the trained flows in data/checkpoints squeeze some direction by 10⁻⁷ or less. So go forward and
backward in double precision: `model.double()`.
"""

import math
from numbers import Integral, Rational, Real

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.errors import FlowlibError

FIXED_POINT, NEWTON, HALVINGS = 60, 30, 12  # the most iterations of each kind
WHOLE = 1e-9  # times closer than that to a whole number are that number


def stops(steps, first=1) -> list:
    """The times at which a path of `steps` steps is given: its start, the whole times between, its end.

    Forward from time first − 1 to first − 1 + steps. Negative steps undo the same: from first − 1 + |steps| back to first − 1.
    """
    steps, first = plain(steps), plain(first)
    if not all(isinstance(one, Real) and math.isfinite(one) for one in (steps, first)):
        raise FlowlibError(f"steps = {steps!r}, first = {first!r}: give finite numbers")
    low, high = (_whole(time) for time in (first - 1, first - 1 + abs(steps)))
    between = [low, *range(math.floor(low) + 1, math.ceil(high)), high] if high > low else [low]
    return between if steps >= 0 else between[::-1]


def are_whole(times) -> bool:
    """Whether `stops` are whole times: the path is one of whole steps."""
    return all(isinstance(time, int) for time in times)


def plain(number):
    """A number of numpy's or torch's, or a fraction, as one of Python's own; anything else as it is."""
    if isinstance(number, Rational) and not isinstance(number, Integral):
        return float(number)
    return number.item() if getattr(number, "shape", None) == () else number


def _whole(time):
    return round(time) if abs(time - round(time)) < WHOLE else time


def travel(step, z: Float[Tensor, "B d"], times) -> Float[Tensor, "B frames d"]:
    """The codes at each of `times` (see `stops`), of which z stands at the first. Forward or backward, whole steps or parts.

    step : (z, t, hessian) → what step t adds to z, (B, d), and where asked for its Jacobian (B, d, d), otherwise None
    No gradient flows back through a step that is undone. Raises FlowlibError where a step cannot be undone (`undo`).
    """
    path = [z]
    for here, there in zip(times, times[1:]):
        before = math.floor(min(here, there))  # the step from `before` to `before` + 1 holds both
        begin = path[-1] if here == before else undo(step, path[-1], before + 1, here - before)
        path.append(begin if there == before else begin + (there - before) * step(begin, before + 1, False)[0])
    return torch.stack(path, 1)


@torch.no_grad()
def undo(step, z: Float[Tensor, "B d"], t: int, part=1.0) -> Float[Tensor, "B d"]:
    """Where the codes that stand at z after the part α of step t began: y with y + α v(y, t) = z, to rounding.

    y ← z − α v(y, t) contracts where α‖∂v/∂z‖ < 1. Where it does not settle, Newton's method with halved steps goes on; if v = ∇u
    and I + αH is positive definite, y minimises the strictly convex ½‖y − z‖² + α u(y), and is the only solution. Elsewhere a step may
    fold, and y is one of several places, near z. Raises FlowlibError, naming the residual, where none is found.
    """

    def residual(y):
        return z - y - part * step(y, t, False)[0]

    tolerance = 16 * torch.finfo(z.dtype).eps * (1 + z.norm(dim=-1))
    y, left = z, residual(z)
    for _ in range(FIXED_POINT):
        if (left.norm(dim=-1) <= tolerance).all():
            return y
        y, left = _better(y, left, y + left, residual(y + left))
    for _ in range(NEWTON):
        if (left.norm(dim=-1) <= tolerance).all():
            return y
        y, left = _newton(step, residual, y, left, t, part)
    bad = ~(left.norm(dim=-1) <= tolerance)
    if bad.any():
        raise FlowlibError(
            f"step {t} cannot be undone for {int(bad.sum())} of {len(z)} codes: what is left of z − y − {part:g}·v(y) is "
            f"{left.norm(dim=-1).max():.2g}. Where flows.smallest_eigenvalue is not positive the step folds: no code may lead there, or the search "
            "for one stops short (a larger hj_weight, or more and smaller steps, keeps it positive; so may double precision)"
        )
    return y


def _better(y, left, other, other_left):
    """Sample by sample the one of two candidates with the smaller residual."""
    better = (other_left.norm(dim=-1) < left.norm(dim=-1))[:, None]
    return torch.where(better, other, y), torch.where(better, other_left, left)


def _newton(step, residual, y, left, t, part):
    """One Newton step (I + α ∂v/∂y) δ = residual, halved for each sample until its residual falls."""
    jacobian = part * step(y, t, True)[1] + torch.eye(y.shape[1], dtype=y.dtype, device=y.device)
    delta = torch.linalg.solve_ex(jacobian, left[..., None]).result[..., 0]
    best, best_left = y, left
    for halvings in range(HALVINGS):
        waiting = best_left.norm(dim=-1) >= left.norm(dim=-1)
        if not waiting.any():
            break
        trial = torch.where(waiting[:, None], y + delta / 2**halvings, best)
        best, best_left = _better(best, best_left, trial, residual(trial))
    return best, best_left
