"""A flow of 32 dimensions whose decoder is linear and Gaussian, and log p of its frames and sequences by numpy alone."""

import dataclasses

import linear_gaussian as lg
import numpy as np
import torch
from torch import nn

from flowlib.config import Config
from flowlib.data import Batch
from flowlib.models import FlowVAE, Gaussian

DIM, PIXELS, STEPS, STD, DIFFUSION = 32, 48, 3, 0.7, 0.1


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class Linear(nn.Module):
    """z ↦ C z as a 1 × 6 × 8 image."""

    def __init__(self, matrix):
        super().__init__()
        self.matrix = matrix

    def forward(self, z):
        return (z @ self.matrix.mT).reshape(-1, 1, 6, 8)


def linear_model(prior="diffusion"):
    """(a flow with d = 32 whose decoder is linear and Gaussian, in double precision; two sequences drawn at random)."""
    random = np.random.RandomState(0)
    config = Config(
        factors=("scale", "rotation"), horizon=STEPS, latent_dim=DIM, diffusion=DIFFUSION, prior=prior, hj_penalty="none", network="mlp", width=1,
    )  # fmt: skip
    model = FlowVAE(dataclasses.replace(config, channels=1, size=8)).double()
    model.encoder = lg.FixedEncoder(torch.zeros(DIM).double(), torch.ones(DIM).double())
    model.decoder = Linear(torch.tensor(random.randn(PIXELS, DIM) / 3))
    matrices = random.randn(2, DIM, DIM) * 0.05
    model.potentials = lg.LinearPotentials(torch.tensor(matrices + matrices.transpose(0, 2, 1)), torch.tensor(random.randn(2, DIM) * 0.1))
    model.likelihood = Gaussian(STD)
    frames = torch.tensor(random.randn(2, STEPS + 1, 1, 6, 8))
    return model.requires_grad_(False), Batch(frames, torch.arange(STEPS + 1).expand(2, -1), torch.tensor([1, 1]), STEPS)


def truth(model, batch, kind):
    """log p of every frame, or of every sequence, from one Gaussian of all pixels; numpy alone."""
    c = model.decoder.matrix.numpy()
    if model.config.prior == "diffusion":
        times = np.arange(STEPS + 1)
        latent, mean = np.kron(1 + 2 * DIFFUSION * np.minimum.outer(times, times), np.eye(DIM)), np.zeros((STEPS + 1, DIM))
    else:
        a, b = model.potentials.matrices[1].numpy(), model.potentials.offsets[1].numpy()
        maps, mean = [np.eye(DIM)], [np.zeros(DIM)]
        for t in range(1, STEPS + 1):
            step = np.eye(DIM) + t * a
            maps, mean = maps + [step @ maps[-1]], mean + [step @ mean[-1] + t * b]
        maps = np.concatenate(maps)
        latent, mean = maps @ maps.T, np.array(mean)
    decode = np.kron(np.eye(STEPS + 1), c)
    mean, covariance = decode @ mean.reshape(-1), decode @ latent @ decode.T + STD**2 * np.eye((STEPS + 1) * PIXELS)
    found = []
    for x in batch.frames.flatten(2).numpy():
        if kind == "sequence":
            found.append(lg.normal_log_prob(x.reshape(-1), mean, covariance))
        else:
            spans = [slice(t * PIXELS, (t + 1) * PIXELS) for t in range(STEPS + 1)]
            found += [lg.normal_log_prob(x[t], mean[span], covariance[span, span]) for t, span in enumerate(spans)]
    return np.array(found)
