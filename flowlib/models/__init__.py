"""Models behind one protocol: encode, decode, transport, objective."""

from flowlib.models.flow_vae import FlowVAE
from flowlib.models.hj_penalty import HJPenalty, driven_residual
from flowlib.models.likelihood import Bernoulli, Gaussian
from flowlib.models.protocol import Model, Posterior
from flowlib.models.vae import VAE

__all__ = ["Bernoulli", "FlowVAE", "Gaussian", "HJPenalty", "Model", "Posterior", "VAE", "build_model", "driven_residual"]


def build_model(config, channels=3, size=28):
    """The model that a configuration describes, with freshly drawn weights (torch's global seed)."""
    return FlowVAE(config, channels, size)
