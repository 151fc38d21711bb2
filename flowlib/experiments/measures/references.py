"""M16, what equivariance errors are read beside: no motion, each frame encoded by itself, and the same code moved by other means."""

from flowlib.data import load_sequences
from flowlib.evaluation import encoded_error, equivariance_error, no_motion
from flowlib.experiments.measures.equivariance import IMAGES, mean_error
from flowlib.experiments.measures.registry import register, round_each
from flowlib.models.regression import moved_linearly, moved_on_average


@register(
    columns=[
        (kind.replace("_", " "), lambda found, kind=kind: mean_error(found[kind]), 0)
        for kind in ("no_motion", "encoded", "displaced", "linear")
    ]
)
def references(model, config):
    """Reference → factor → the error of each of the images of `equivariance`, in whole pixels.

    displaced, linear : the mean displacement, and regressions, fitted on training images, k given. They show what a flow adds to its own code
    """
    sequences, training = load_sequences(config, "test"), load_sequences(config)
    displaced, linear = moved_on_average(model, training), moved_linearly(model, training)
    errors = {
        "no_motion": no_motion,
        "encoded": lambda *rest: encoded_error(model, *rest),
        "displaced": lambda *rest: equivariance_error(displaced, *rest),
        "linear": lambda *rest: equivariance_error(linear, *rest),
    }
    return {kind: {name: round_each(error(sequences, k, IMAGES)) for k, name in enumerate(config.factors)} for kind, error in errors.items()}
