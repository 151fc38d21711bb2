"""Diffusion as a potential flow (M9), as steepest descent, as noise; the kinetic energy in a KL of paths (M14)."""

from dataclasses import dataclass
from math import log, pi

import torch
from jaxtyping import Float
from torch import Generator, Tensor

from flowlib.errors import FlowlibError
from flowlib.transport.checks import check_dimension, check_generator, check_points, check_positive, check_shape, check_times
from flowlib.transport.continuity import gradient_of
from flowlib.transport.gaussian import Gaussian
from flowlib.transport.roots import square_root
from flowlib.transport.types import Number, Potential, Time, Velocity

Diffusion = int | float | Tensor  # D > 0


@dataclass(frozen=True)
class BrownianPath:
    """z (B, S, d) at times (S,), with the drift b and the standard noise ε (B, S−1, d) of each step."""

    times: Float[Tensor, " S"]
    z: Float[Tensor, "B S d"]
    drift: Float[Tensor, "B steps d"]
    noise: Float[Tensor, "B steps d"]


def heat_marginal(source: Gaussian, diffusion: Diffusion, t: Time) -> Gaussian:
    """p_t of the heat equation ∂_t p = D ∇·∇p from p_0 = N(m, Σ): N(m, Σ + 2Dt I), t ≥ 0 (M9)."""
    check_positive(diffusion, "diffusion")
    if not t >= 0:
        raise FlowlibError(f"t is {t}; the heat equation runs forwards, t ≥ 0.")
    spread = 2 * diffusion * t * torch.eye(len(source.mean)).to(source.mean)
    return Gaussian(source.mean, source.covariance + spread)


def heat_log_density(centres: Float[Tensor, "N d"], diffusion: Diffusion, *, variance: Number = 0.0) -> Potential:
    """log p(z, t) of the heat equation from a cloud of N points, each a Gaussian of this variance at t = 0:

        p(z, t) = (1/N) Σ_i N(z; c_i, s² I),        s² = variance + 2Dt > 0.

    Every density on the plane is a limit of such clouds. Raises FlowlibError at a time where s² ≤ 0.
    """
    check_points(centres, "centres", "N d")
    check_positive(diffusion, "diffusion")

    def log_density(z: Float[Tensor, "B d"], t: Time) -> Float[Tensor, " B"]:
        check_dimension(z, centres, "centres")
        spread = torch.as_tensor(variance + 2 * diffusion * t, dtype=z.dtype, device=z.device)
        check_positive(spread, "variance + 2Dt")
        distances = (z[:, None] - centres).square().sum(-1)
        log_normaliser = 0.5 * z.shape[1] * (2 * pi * spread).log() + log(len(centres))
        return (-distances / (2 * spread)).logsumexp(1) - log_normaliser

    return log_density


def jko_step(source: Gaussian, diffusion: Diffusion, step: Number | Tensor) -> Gaussian:
    """The density p that minimises W₂²(source, p) / (2·step) + D ∫ p log p, in closed form from a Gaussian.

    Each principal standard deviation s becomes (s + √(s² + 4D·step)) / 2, the implicit Euler step of
    ds/dt = D/s; the mean stays. The minimiser over *all* densities: at a given mean and covariance a Gaussian
    has the least ∫ p log p, and the least W₂² to a Gaussian (Gelbrich's bound).
    Source: Jordan, Kinderlehrer and Otto, *SIAM J. Math. Anal.* 29, 1998.
    """
    check_positive(diffusion, "diffusion")
    check_positive(step, "step")
    grown = source.covariance + 4 * diffusion * step * torch.eye(len(source.mean)).to(source.mean)
    deviations = (square_root(source.covariance) + square_root(grown)) / 2
    covariance = deviations @ deviations
    return Gaussian(source.mean, (covariance + covariance.mT) / 2)


def probability_flow_velocity(log_density: Potential, diffusion: Diffusion) -> Velocity:
    """v = −D ∇log p, the potential flow that moves p exactly as the heat equation does (M9).

    log_density(z, t) -> (B,) is the moving density's own, p_t = `heat_marginal` from a Gaussian.
    """
    check_positive(diffusion, "diffusion")
    score = gradient_of(log_density)
    return lambda z, t: -diffusion * score(z, t)


def brownian_path(
    z: Float[Tensor, "B d"],
    diffusion: Diffusion,
    times: Float[Tensor, " S"],
    generator: Generator,
    *,
    drift: Velocity | None = None,
) -> BrownianPath:
    """z_{s+1} = z_s + b(z_s, t_s) Δt + √(2DΔt) ε_s (M14's noisy chain; Brownian motion without a drift).

    times (S,) increase strictly; drift(z, t) -> (B, d) is taken at the start of each step. Without a drift
    the marginals are exact for any Δt. A generator for z's device or the CPU.
    """
    check_points(z)
    check_positive(diffusion, "diffusion")
    check_times(times)
    check_generator(generator)
    path, drifts, noises = [z], [], []
    for t, length in zip(times[:-1], times.diff(), strict=True):
        b = torch.zeros_like(z) if drift is None else drift(path[-1], t)
        check_shape(b, z.shape, "the drift's result")
        noise = torch.randn(z.shape, generator=generator, dtype=z.dtype, device=generator.device).to(z.device)
        path.append(path[-1] + b * length + (2 * diffusion * length) ** 0.5 * noise)
        drifts.append(b)
        noises.append(noise)
    return BrownianPath(times, torch.stack(path, 1), torch.stack(drifts, 1), torch.stack(noises, 1))


def path_kl(drift: Float[Tensor, "B steps d"], times: Float[Tensor, " S"], diffusion: Diffusion) -> Float[Tensor, ""]:
    """KL of the chain with drift b from the one without, same noise: Σ_s E‖b_s‖² Δt / (4D) (M14).

    A kinetic action. E is the mean over B particles of the chain *with* drift.
    """
    lengths = _step_lengths(drift, times, diffusion)
    return (drift.square().sum(-1).mean(0) * lengths).sum() / (4 * diffusion)


def path_log_weight(
    drift: Float[Tensor, "B steps d"],
    noise: Float[Tensor, "B steps d"],
    times: Float[Tensor, " S"],
    diffusion: Diffusion,
) -> Float[Tensor, " B"]:
    """log of (density without drift / density with drift) at each path drawn with drift (M17):

    log w = Σ_s −⟨b_s, ε_s⟩ √(Δt/2D) − ‖b_s‖² Δt/(4D),     E w = 1,  E log w = −KL.
    """
    check_shape(noise, drift.shape, "noise")
    lengths = _step_lengths(drift, times, diffusion)
    scaled = drift * (lengths / (2 * diffusion)).sqrt()[:, None]
    return -(scaled * noise + 0.5 * scaled.square()).sum((1, 2))


def _step_lengths(drift: Tensor, times: Tensor, diffusion: Diffusion) -> Tensor:
    check_points(drift, "drift", "B steps d")
    check_times(times)
    check_positive(diffusion, "diffusion")
    if drift.shape[1] != len(times) - 1:
        raise FlowlibError(
            f"drift has shape {tuple(drift.shape)}: {drift.shape[1]} steps between {len(times)} times; "
            "it has the particles first, (B, S − 1, d), and times has shape (S,)."
        )
    return times.diff().to(drift)
