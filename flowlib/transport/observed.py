"""Brownian motion that is observed at whole times: the optimal path measure of the path objective in closed form (M14).

The prior is z_0 ~ N(0, v₀ I), then Brownian motion of variance 2Dt; frames x_n = z_n + noise of variance s², n = 0 … T. Of all path
measures, the one that maximises E log p(x̄|z̄) − KL[· ‖ prior] is the posterior, and the maximum is log p(x̄) (Gibbs' variational
principle). It is a diffusion with the drift ∇u,

    u(z, t) = 2D log h(z, t),      h(z, t) = p(x_n, n > t | z_t = z),

and h obeys the heat equation backwards in time. So between observations ∂_t u + ½‖∇u‖² + D tr ∇²u = 0, the viscous Hamilton–Jacobi
equation (M12), and at t = n, going back in time, u gains the kick 2D log p(x_n|z). Source: Särkkä and Solin, *Applied Stochastic
Differential Equations*, 2019, chapters 7 and 10.
"""

from dataclasses import dataclass
from math import floor, log, pi

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.errors import FlowlibError
from flowlib.transport.checks import check_dimension, check_points, check_positive
from flowlib.transport.gaussian import Gaussian
from flowlib.transport.types import Number, Time, as_time


@dataclass(frozen=True, eq=False)
class ObservedBrownian:
    """Brownian motion of diffusion D from N(0, start·I), seen at t = 0 … T as observations (T+1, d) of a variance s²."""

    observations: Float[Tensor, "frames d"]
    variance: Number
    diffusion: Number
    start: Number = 1.0

    def __post_init__(self):
        check_points(self.observations, "observations", "frames d")
        for name in ("variance", "diffusion", "start"):
            check_positive(getattr(self, name), name)

    def potential(self, z: Float[Tensor, "B d"], t: Time) -> Float[Tensor, " B"]:
        """u(z, t) = 2D log h(z, t), of the observations after t."""
        check_dimension(z, self.observations, "observations")
        precision, centre, constant = self._ahead(as_time(t, z))
        return 2 * self.diffusion * (constant - 0.5 * precision * (z - centre).square().sum(-1))

    def drift(self, z: Float[Tensor, "B d"], t: Time) -> Float[Tensor, "B d"]:
        """∇u(z, t): the drift that `brownian_path` takes; 0 from the last observation on."""
        check_dimension(z, self.observations, "observations")
        precision, centre, _ = self._ahead(as_time(t, z))
        return -2 * self.diffusion * precision * (z - centre)

    def marginal(self, t: Time) -> Gaussian:
        """The law of z_t given all observations, 0 ≤ t ≤ T."""
        last = len(self.observations) - 1
        if not 0 <= t <= last:
            raise FlowlibError(f"t is {t}; the observations are those of the times 0 ≤ t ≤ {last}.")
        mean, spread, _ = self._filtered(t)
        precision, centre, _ = self._ahead(as_time(t, self.observations))
        both = 1 / spread + precision
        return Gaussian((mean / spread + precision * centre) / both, torch.eye(len(mean)).to(mean) / both)

    def log_evidence(self) -> Float[Tensor, ""]:
        """log p(x̄), the maximum of the path objective."""
        return self._filtered(len(self.observations) - 1)[2]

    def _ahead(self, t: Tensor):
        """log h(z, t) = constant − ½ precision ‖z − centre‖², backwards from the last observation."""
        dim = self.observations.shape[1]
        precision, centre, constant = torch.zeros_like(t), torch.zeros_like(self.observations[0]), torch.zeros_like(t)
        for n in range(len(self.observations) - 1, 0, -1):
            counts = (n > t).to(t)  # 0 for an observation that lies behind: nothing changes then
            seen, x = counts / self.variance, self.observations[n]
            total = precision + seen
            share = seen / total.clamp_min(torch.finfo(t.dtype).tiny)
            constant = constant - 0.5 * counts * dim * log(2 * pi * self.variance)
            constant = constant - 0.5 * precision * share * (x - centre).square().sum()
            precision, centre = total, centre + share * (x - centre)
            between = torch.where(n > t, (n - t).clamp(max=1), 0.0)  # at t = n, too, its slope is that of what lies ahead
            widened = 1 + 2 * self.diffusion * between * precision
            precision, constant = precision / widened, constant - 0.5 * dim * widened.log()
        return precision, centre, constant

    def _filtered(self, t: Time):
        """p(z_t | x_n, n ≤ t): mean (d,) and variance, a number; and log p(x_n, n ≤ t). Kalman's filter."""
        mean, spread, evidence = torch.zeros_like(self.observations[0]), self.start, 0.0
        for n, x in enumerate(self.observations[: floor(t) + 1]):
            spread = spread + 2 * self.diffusion * (n > 0)
            total = spread + self.variance
            evidence = evidence - 0.5 * ((x - mean).square().sum() / total + len(x) * log(2 * pi * total))
            mean, spread = mean + spread / total * (x - mean), spread * self.variance / total
        return mean, spread + 2 * self.diffusion * (t - floor(t)), evidence
