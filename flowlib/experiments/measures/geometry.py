"""M5, M12: how straight the flows are, how fast, and which Hamilton–Jacobi equation their potentials come near."""

from statistics import fmean as average

from flowlib.data import load_sequences
from flowlib.evaluation import flow_geometry
from flowlib.experiments.measures.registry import register, rounded_mean
from flowlib.models.protocol import has_potentials

IMAGES = 200


def over_factors(name):
    """The mean over factors of one number."""
    return lambda found: average(one[name] for one in found.values())


@register(needs=has_potentials, columns=[
    ("straightness", over_factors("straightness"), 3), ("action", over_factors("action"), 2), ("rms r", over_factors("residual"), 4),
    ("rms viscous r", over_factors("viscous_residual"), 4),
])  # fmt: skip
def geometry(model, config):
    """Factor → straightness; action Σ_t E‖∇u‖²; D; root mean squares of r = ∂_t u + ½‖∇u‖² and of r + D tr ∇²u on the noise-free flow.

    Nothing for a model without potentials.
    """
    sequences, found = load_sequences(config, "test"), {}
    for factor, name in enumerate(config.factors):
        flat = flow_geometry(model, sequences, factor, IMAGES)
        diffusion = model.diffusion(factor)
        found[name] = {
            "straightness": rounded_mean(flat.straightness, 4), "action": rounded_mean(flat.speed.square().sum(1), 4),
            "diffusion": round(diffusion.item(), 5),
            "residual": _rms(flat.residual), "viscous_residual": _rms(flat.residual + diffusion * flat.laplacian),
        }  # fmt: skip
    return found


def _rms(values):
    return round(values.square().mean().sqrt().item(), 5)
