"""A linear operator for models without a flow, or in place of one: how much of an error is the code's, and how much its motion's?"""

import dataclasses

from flowlib.data import Source
from flowlib.models.registry import register
from flowlib.models.slow_vae import SlowVAE
from flowlib.models.vae import VAE


@register("vae-regression")
class RegressionVAE(VAE):
    """The VAE, its codes moved by linear regressions of z_t − z_0 on z_0 (`DisplacedModel`); training is untouched."""

    affine = capturable = True


@register("slow-vae-regression")
class RegressionSlowVAE(SlowVAE):
    """SlowVAE, its codes moved by linear regressions."""

    affine = capturable = True


def moved_linearly(model, sequences: Source, count: int = 300) -> RegressionVAE:
    """The encoder and decoder of any model, its codes moved by linear regressions that are fitted here; the model stays as it is.

    sequences : of the training set, of which the first `count` images are used. The factor is given, also where the model infers it.
    """
    return _twin(RegressionVAE, model, sequences, count)


def moved_on_average(model, sequences: Source, count: int = 300) -> VAE:
    """The same with the mean displacement of each factor in place of a regression: one vector for every code."""
    return _twin(VAE, model, sequences, count)


def _twin(kind, model, sequences, count):
    config = dataclasses.replace(model.config, model="vae-regression" if kind.affine else "vae", options={})
    twin = kind(config, encoder=model.encoder, decoder=model.decoder)
    # A model's codes are what its `encode` gives and its `decode` takes: a TVAE's come from two encoders.
    twin.encode, twin.decode, twin.likelihood = model.encode, model.decode, model.likelihood
    return twin.to(sequences.device).eval().calibrate(sequences, count)
