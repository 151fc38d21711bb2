"""Models behind one protocol: encode, decode, transport, objective."""

import importlib
import pkgutil

from flowlib.models.base import LatentModel
from flowlib.models.factor_classifier import straight_through_sample
from flowlib.models.flow_vae import FlowVAE
from flowlib.models.hj_penalty import HJPenalty, driven_residual
from flowlib.models.inferred import InferredFlowVAE
from flowlib.models.likelihood import Bernoulli, Gaussian, bits_per_dimension
from flowlib.models.protocol import Model, Posterior, has_potentials, weighs_sequences
from flowlib.models.registry import MODELS, build_model, own_options, register
from flowlib.models.vae import VAE

# A model is one file: whatever stands in this folder is imported, and registers itself.
for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
