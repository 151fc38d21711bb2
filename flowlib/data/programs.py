"""Programs: where a training sequence begins, and which factors act in each of its steps.

A sequence begins with every factor k at some step s_k, and factor k moves on by one step wherever it acts: after t steps it stands at
s_k + Σ_{τ≤t} a_τk, with a the activity (B, T, K) of zeros and ones.
"""

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.functional import one_hot

from flowlib.data.batch import grouped_factors

# In how many sequences of their sum the own factor acts alone; one after the other; both at once.
SHARES = {"composed": (1, 1, 1), "seldom": (4, 1, 1), "switched": (1, 1, 0), "often": (1, 1, 2)}


def random_start(starts: str, batch_size: int, factors: int, steps: int, generator) -> Int[Tensor, "B K"]:
    """Every factor's step in x_0: 0 ("plain"), or in half of the sequences at random in 0 … T, of all ("anywhere"), of the own alone ("late"),
    or of all others ("moved").

    Of a batch grouped by factor.
    """
    if starts == "plain":
        return torch.zeros(batch_size, factors, dtype=torch.int64, device=generator.device)
    drawn = {"generator": generator, "device": generator.device}
    start = torch.randint(steps + 1, (batch_size, factors), **drawn) * torch.randint(2, (batch_size, 1), **drawn)
    own = one_hot(grouped_factors(batch_size, factors, generator.device), factors)
    return start * {"anywhere": 1, "late": own, "moved": 1 - own}[starts]


def random_activity(programs: str, batch_size: int, factors: int, steps: int, generator) -> Int[Tensor, "B T K"]:
    """Which factors act in each step, of a batch grouped by factor.

    programs : "single", the sequence's own throughout. "composed", with equal chances that; or its own before a random step 1 … T − 1
        and another one after it; or its own and another one in every step. "seldom", the last two with a chance of 1/6 each. "switched",
        with equal chances the first two of these. "often", both at once with a chance of 1/2, the others of 1/4 each
    """
    drawn = {"generator": generator, "device": generator.device}
    own = grouped_factors(batch_size, factors, generator.device)
    alone = one_hot(own, factors)[:, None].expand(-1, steps, -1)
    if programs == "single":
        return alone
    other = one_hot((own + torch.randint(1, factors, (batch_size,), **drawn)) % factors, factors)[:, None]
    at = torch.randint(1, max(steps, 2), (batch_size, 1), **drawn)
    later = (torch.arange(steps, device=generator.device) >= at)[..., None]
    single, switched, _ = SHARES[programs]
    ticket = torch.randint(sum(SHARES[programs]), (batch_size, 1, 1), **drawn)
    two = torch.where(ticket < single + switched, torch.where(later, other, alone), alone + other)
    return torch.where(ticket < single, alone, two)


def steps_at(start: Int[Tensor, "B K"], activity: Int[Tensor, "B T K"], times: Int[Tensor, "B F"]) -> Int[Tensor, "B F K"]:
    """The step of every factor in the frames at `times` of sequences that begin at `start`."""
    counts = torch.cat([torch.zeros_like(activity[:, :1]), activity.cumsum(1)], 1)
    return start[:, None] + counts.gather(1, times[..., None].expand(-1, -1, activity.shape[-1]))
