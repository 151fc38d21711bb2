"""A flow-factorized VAE in which everything is linear and Gaussian, so that every expectation has a closed form.

z_0 ~ N(0, I), z_t | z_{t−1} ~ N(z_{t−1}, 2D I), x_t | z_t ~ N(C z_t, s² I); q(z_0|x_0) = N(μ, diag σ²); ∇u(z, t) = A_t z + b_t.
The closed forms below use numpy alone and share no code with flowlib.
"""

import dataclasses

import numpy as np
import torch
from torch import nn

from flowlib.config import Config
from flowlib.data import Batch
from flowlib.flows import Derivatives
from flowlib.models import FlowVAE, Gaussian

D, STD, T, DIM, PIXELS = 0.1, 2.0, 3, 2, 3


class LinearPotentials(nn.Module):
    """K quadratic potentials u^k = ½ zᵀ A_t z + b_t·z with the interface of PotentialBank; A_t = t·A, b_t = t·b."""

    def __init__(self, matrices, offsets):
        super().__init__()
        self.matrices, self.offsets, self.factors = matrices, offsets, len(matrices)

    def forward(self, z, t, factor=None, hessian=False):
        pick = slice(None) if factor is None else factor
        t = torch.as_tensor(t, dtype=z.dtype)[..., None]  # of all points, or (G, N) of each
        a, b = t[..., None] * self.matrices[pick][:, None], t * self.offsets[pick][:, None]
        gradient = (a @ z[..., None]).squeeze(-1) + b
        value = 0.5 * (z * (gradient - b)).sum(-1) + (b * z).sum(-1)
        curvature = a.expand(*z.shape, z.shape[-1]) if hessian else None
        return Derivatives(value, gradient, value / t.squeeze(-1).clamp_min(1e-9), curvature)


class FixedEncoder(nn.Module):
    """The same q(z_0|x_0) for every image."""

    def __init__(self, mean, std):
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, images):
        return self.mean.expand(len(images), -1), self.std.log().expand(len(images), -1)


class LinearDecoder(nn.Module):
    """z ↦ C z as a 1 × 1 × PIXELS image."""

    def __init__(self, matrix):
        super().__init__()
        self.matrix = matrix

    def forward(self, z):
        return (z @ self.matrix.mT).reshape(-1, 1, 1, PIXELS)


def build(objective, seed=0, mean=None, std=None):
    """(model, x (T+1, PIXELS)) with random matrices, in double precision."""
    random = np.random.RandomState(seed)
    matrices = random.randn(2, DIM, DIM) * 0.03
    matrices = matrices + matrices.transpose(0, 2, 1)
    offsets, decoder = random.randn(2, DIM) * 0.05, random.randn(PIXELS, DIM)
    frames = random.randn(T + 1, PIXELS)
    config = Config(
        factors=("scale", "rotation"), horizon=T, latent_dim=DIM, objective=objective, diffusion=D, hj_penalty="none",
        network="mlp", width=1, batch_size=2, frames_per_step=T,
    )  # fmt: skip
    model = FlowVAE(dataclasses.replace(config, channels=1, size=4)).double()
    mean = torch.tensor([0.2, -0.1]) if mean is None else mean
    std = torch.tensor([0.9, 0.8]) if std is None else std
    model.encoder, model.decoder = FixedEncoder(mean.double(), std.double()), LinearDecoder(torch.tensor(decoder))
    model.potentials = LinearPotentials(torch.tensor(matrices), torch.tensor(offsets))
    model.prior.log_diffusion.data = model.prior.log_diffusion.data.double()
    model.likelihood = Gaussian(STD)
    return model, frames


def batch_of(frames, copies, factor=1):
    """`copies` times the same complete sequence, all under one factor."""
    count = len(frames)
    images = torch.tensor(frames).reshape(1, count, 1, 1, -1).expand(copies, -1, -1, -1, -1)
    return Batch(images, torch.arange(count).expand(copies, -1), torch.full((copies,), factor), count - 1)


def normal_log_prob(x, mean, covariance):
    """log N(x; mean, covariance)."""
    difference = x - mean
    return -0.5 * (
        difference @ np.linalg.solve(covariance, difference)
        + np.linalg.slogdet(covariance)[1] + len(x) * np.log(2 * np.pi)
    )  # fmt: skip


def normal_kl(m0, s0, m1, s1):
    """KL[N(m0, s0) ‖ N(m1, s1)]."""
    inverse, difference = np.linalg.inv(s1), m1 - m0
    return 0.5 * (
        np.trace(inverse @ s0) + difference @ inverse @ difference - len(m0)
        + np.linalg.slogdet(s1)[1] - np.linalg.slogdet(s0)[1]
    )  # fmt: skip


def parts(model, factor):
    """(A, b, C, μ, Σ_0) as numpy arrays."""
    return (
        model.potentials.matrices[factor].numpy(), model.potentials.offsets[factor].numpy(),
        model.decoder.matrix.numpy(), model.encoder.mean.numpy(), np.diag(model.encoder.std.numpy() ** 2),
    )  # fmt: skip


def frame_truth(model, frames, factor=1):
    """log p(x_t|k) of every frame, and the frame's exact ELBO under the noise-free flow, both (T+1,)."""
    a, b, c, mean, covariance = parts(model, factor)
    truth, elbo = [], []
    for t, x in enumerate(frames):
        if t:
            step = np.eye(DIM) + t * a
            mean, covariance = step @ mean + t * b, step @ covariance @ step.T
        prior = (1 + 2 * D * t) * np.eye(DIM)
        truth.append(normal_log_prob(x, np.zeros(PIXELS), c @ prior @ c.T + STD**2 * np.eye(PIXELS)))
        elbo.append(expected_log_prob(x, c, mean, covariance) - normal_kl(mean, covariance, np.zeros(DIM), prior))
    return np.array(truth), np.array(elbo)


def expected_log_prob(x, c, mean, covariance):
    """E log N(x; C z, s² I) for z ~ N(mean, covariance)."""
    return normal_log_prob(x, c @ mean, STD**2 * np.eye(len(x))) - 0.5 * np.trace(c @ covariance @ c.T) / STD**2


def sequence_truth(model, frames, factor=1):
    """log p(x̄|k) and the exact ELBO of the noisy posterior chain, from the joint Gaussians of (z_0 … z_T)."""
    a, b, c, mean, covariance = parts(model, factor)
    count = len(frames)
    prior = np.kron(1 + 2 * D * np.minimum.outer(np.arange(count), np.arange(count)), np.eye(DIM))
    means, joint = [mean], covariance
    for t in range(1, count):
        step = np.eye(DIM) + t * a
        means.append(step @ means[-1] + t * b)
        cross = step @ joint[-DIM:]
        last = step @ joint[-DIM:, -DIM:] @ step.T + 2 * D * np.eye(DIM)
        joint = np.block([[joint, cross.T], [cross, last]])
    decoder = np.kron(np.eye(count), c)
    x, mean = frames.reshape(-1), np.concatenate(means)
    truth = normal_log_prob(x, np.zeros(len(x)), decoder @ prior @ decoder.T + STD**2 * np.eye(len(x)))
    return truth, expected_log_prob(x, decoder, mean, joint) - normal_kl(mean, joint, np.zeros(len(mean)), prior)


def exact_posterior(frames, c):
    """Mean and covariance of p(z_0|x_0)."""
    precision = np.eye(DIM) + c.T @ c / STD**2
    covariance = np.linalg.inv(precision)
    return covariance @ c.T @ frames[0] / STD**2, covariance
