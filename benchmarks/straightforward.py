"""The training step written the obvious way, as the yardstick: same networks, same batch, same objective.

Autograd through the potential for ∇u and ∂_t u (and once more for the Hessian's rows in the marginal form), a Python loop over
factors and steps, every frame transformed and decoded.
"""

import torch


def derivatives(bank, k, z, t, hessian=False):
    """∇u, ∂_t u and the Hessian of potential k at (B, d) points, by automatic differentiation of its value."""
    z = z if z.requires_grad else z.requires_grad_()
    time = torch.full((len(z),), float(t), requires_grad=True)
    value = bank(z[None], time, [k]).value[0]
    gradient, rate = torch.autograd.grad(value.sum(), (z, time), create_graph=True)
    rows = None
    if hessian:
        rows = [torch.autograd.grad(gradient[:, i].sum(), z, create_graph=True)[0] for i in range(z.shape[1])]
        rows = torch.stack(rows, 1)
    return gradient, rate, rows


def objective(model, batch, generator):
    """`FlowVAE.objective` of a complete batch (all frames present), one factor and one step at a time."""
    config, total = model.config, 0.0
    marginal = config.objective == "marginal"
    for k in range(len(config.factors)):
        mine = batch.factor == k
        frames = batch.frames[mine]
        posterior = model.encode(frames[:, 0])
        z = posterior.sample(generator)
        diffusion = model.prior.diffusion(k)
        loss = -model.likelihood.log_prob(model.decode(z), frames[:, 0])
        log_q = posterior.log_prob(z)
        loss = loss + (log_q - model.prior.log_prob(z[:, None], k, torch.zeros(1))[:, 0] if marginal else posterior.kl())
        for t in range(1, batch.steps + 1):
            velocity, rate, hessian = derivatives(model.potentials, k, z, t, marginal)
            residual = rate + 0.5 * velocity.square().sum(-1)
            z = z + velocity
            if marginal:
                log_q = log_q - torch.linalg.slogdet(torch.eye(z.shape[1]) + hessian).logabsdet
                loss = loss + log_q - model.prior.log_prob(z[:, None], k, torch.tensor([float(t)]))[:, 0]
            else:
                loss = loss + velocity.square().sum(-1) / (4 * diffusion)
                z = z + (2 * diffusion).sqrt() * torch.randn(z.shape, generator=generator)
            loss = loss - model.likelihood.log_prob(model.decode(z), frames[:, t])
            loss = loss + config.hj_weight * residual.square() / batch.steps
        total = total + loss.sum()
    return total / len(batch)
