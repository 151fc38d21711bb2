"""A linear operator for models without a flow: how much of their error is the code, and how much the mean displacement?"""

from flowlib.models.registry import register
from flowlib.models.slow_vae import SlowVAE
from flowlib.models.vae import VAE


@register("vae-regression")
class RegressionVAE(VAE):
    """The VAE, its codes moved by linear regressions of z_t − z_0 on z_0 (`DisplacedModel`); training is untouched."""

    affine = True


@register("slow-vae-regression")
class RegressionSlowVAE(SlowVAE):
    """SlowVAE, its codes moved by linear regressions."""

    affine = True
