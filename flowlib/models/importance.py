"""The importance weights log w of one draw from a model's posterior, whose mean w is unbiased for a likelihood (M17)."""

from jaxtyping import Float
from torch import Tensor

from flowlib.data import Batch
from flowlib.flows import normal_log_prob


def kernel_log_weight(drift, noise, diffusion):
    """log N(z'; z, 2D I) − log N(z'; z + b, 2D I) at z' = z + b + √(2D) ε: −⟨b, ε⟩/√(2D) − ‖b‖²/(4D) (M14)."""
    return -(drift * noise).sum(-1) / (2 * diffusion).sqrt() - drift.square().sum(-1) / (4 * diffusion)


def single_frame_log_weights(model, batch: Batch, generator=None) -> Float[Tensor, "B frames"]:
    """Every frame for itself: log N(z_t; 0, I) + log p(x_t|z_t) − log q(z_t|x_t)."""
    posterior = model.encode(batch.frames.flatten(0, 1))
    z = posterior.sample(generator)
    ratio = normal_log_prob(z) - posterior.log_prob(z)
    return (ratio + model.likelihood.log_prob(model.decode(z), batch.frames.flatten(0, 1))).unflatten(0, batch.times.shape)


def marginal_log_weights(model, batch: Batch, generator=None) -> Float[Tensor, "B frames"]:
    """log p_t(z_t) + log p(x_t|z_t) − log q_t(z_t) along the noise-free flow, its log-determinants exact (M11)."""
    posterior = model.encode(batch.frames[:, 0])
    z = posterior.sample(generator)
    trajectory = model.flow(z, batch.factor, batch.steps, hessian=True)
    ratio = model.log_density_ratio(posterior, trajectory, batch.factor, trajectory.log_density_change())
    return -ratio + model.likelihood.log_prob(model.decode(trajectory.path), batch.frames)


def noisy_chain_log_weights(model, batch: Batch, generator=None) -> Float[Tensor, " B"]:
    """Whole sequences along the noisy chain (M14):

    log N(z_0; 0, I) − log q(z_0|x_0) + Σ_t [−⟨∇u, ε_t⟩/√(2D) − ‖∇u‖²/(4D)] + Σ_{t≥0} log p(x_t|z_t).
    """
    posterior = model.encode(batch.frames[:, 0])
    z = posterior.sample(generator)
    diffusion = model.diffusion(batch.factor)
    chain = model.flow(z, batch.factor, batch.steps, noise_scale=(2 * diffusion).sqrt(), generator=generator)
    steps = kernel_log_weight(chain.velocity, chain.noise, diffusion[:, None]).sum(1)
    start = normal_log_prob(z) - posterior.log_prob(z)
    return start + steps + model.likelihood.log_prob(model.decode(chain.path), batch.frames).sum(1)


def shared_flow_log_weights(model, batch: Batch, generator=None) -> tuple[Float[Tensor, " B"], Float[Tensor, "B frames"]]:
    """(log N(z_0; 0, I) − log q(z_0|x_0), log p(x_t|z_t)) of a model whose prior moves by the same noise-free flow.

    Then p_t and q_t change by the same factor, so the first term alone is log p_t(z_t) − log q_t(z_t) at every t.
    """
    posterior = model.encode(batch.frames[:, 0])
    z = posterior.sample(generator)
    path = model.transport(z, batch.factor, batch.steps)
    start = normal_log_prob(z) - posterior.log_prob(z)
    return start, model.likelihood.log_prob(model.decode(path), batch.frames)
