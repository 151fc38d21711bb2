"""M16, the equivariance error of held-out images, of validation images, and of digits left out of training (M19)."""

from statistics import mean

from flowlib.data import load_sequences
from flowlib.evaluation import equivariance_error
from flowlib.experiments.measures.registry import register, round_each

IMAGES = 1000


def mean_error(errors: dict[str, list]) -> float:
    """The error averaged over images and factors."""
    return mean(mean(values) for values in errors.values())


def errors_on(split, model, config):
    """Factor → the error of each of the first images of a part of the data, in whole pixels."""
    sequences = load_sequences(config, split)
    return {name: round_each(equivariance_error(model, sequences, k, IMAGES)) for k, name in enumerate(config.factors)}


@register(columns=[("equivariance error", mean_error, 0)])
def equivariance(model, config):
    """On held-out images."""
    return errors_on("test", model, config)


@register(columns=[("validation error", mean_error, 0)])
def validation(model, config):
    """On the validation images: what hyper-parameters are chosen by."""
    return errors_on("validation", model, config)


@register(columns=[
    ("unseen digits", lambda found: mean_error(found["left out"]), 0), ("other digits", lambda found: mean_error(found["kept"]), 0),
])  # fmt: skip
def unseen(model, config):
    """On held-out digits of the kinds that training never saw, and on the others; beside them the mean of no motion."""
    from flowlib.evaluation import no_motion

    found = {split: errors_on(split, model, config) for split in ("left out", "kept")}
    left_out = load_sequences(config, "left out")
    still = {name: round(no_motion(left_out, k).mean().item(), 2) for k, name in enumerate(config.factors)}
    return found | {"no_motion": still}
