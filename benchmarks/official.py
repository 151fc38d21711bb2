"""The training step of the published implementation, written anew from its description, with the networks that flowlib's step uses.

One factor for the whole batch; every frame transformed and decoded; the marginal form with one sample; ∇u and ∂_t u by autograd through the
potential, kept for a second derivative; row sums of the Hessian in place of its log-determinant; the two densities compared after a
softmax over the latent dimensions. Its free force, one more evaluation of a network, is left out. Only the cost is of interest here: what
these choices do to the numbers is chapter 13's question.
"""

import math

import torch


def objective(model, batch, generator):
    """The loss of a complete batch whose sequences all move by one factor."""
    k, losses = int(batch.factor[0]), []
    posterior = model.encode(batch.frames[:, 0])
    z = posterior.sample(generator)
    log_q = standard_normal(z)
    log_p, diffusion = log_q, model.prior.diffusion(k)
    losses.append(reconstruction(model, z, batch.frames[:, 0]) + posterior.kl().mean())
    for t in range(1, batch.steps + 1):
        z = z if z.requires_grad else z.requires_grad_()
        time = torch.full((1,), float(t), requires_grad=True)  # one for all: the rate comes out summed over the batch
        value = model.potentials(z[None], time, [k]).value[0]
        velocity, rate = torch.autograd.grad(value.sum(), (z, time), create_graph=True)
        row_sums = torch.autograd.grad(velocity.sum(), z, create_graph=True)[0]
        residual = rate.squeeze() + 0.5 * velocity.square().mean()
        log_q = log_q - torch.log((1 + row_sums).abs() + 1e-8)
        log_p = log_p + diffusion * (1 - z.square())  # the heat equation's change of a Gaussian's log-density, per dimension
        z = z + velocity
        soft_q, soft_p = (one.exp().log_softmax(-1) for one in (log_q, log_p))
        kl = torch.nn.functional.kl_div(soft_q, soft_p, reduction="batchmean", log_target=True)
        losses.append(reconstruction(model, z, batch.frames[:, t]) + kl + residual.square())
    return torch.stack(losses).sum()


def standard_normal(z):
    """log N(z; 0, 1) of every coordinate."""
    return -0.5 * (z.square() + math.log(2 * math.pi))


def reconstruction(model, z, frame):
    return -model.likelihood.log_prob(model.decode(z), frame).mean()


def one_factor(sequences, config, generator):
    """A complete batch of one random factor."""
    k = int(torch.randint(len(config.factors), (), generator=generator))
    rows = torch.randint(len(sequences), (config.batch,), generator=generator).tolist()
    return sequences.full_batch(rows, k)
