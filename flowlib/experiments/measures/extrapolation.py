"""M19, twice as many steps as trained, and images of another origin."""

from statistics import mean as average

from flowlib.data import Sequences, load_sequences, photo_patches, sklearn_digits
from flowlib.evaluation import equivariance_error, label_errors, no_motion, no_motion_steps, steps_error, stop_error
from flowlib.experiments.measures.registry import register, rounded_mean

IMAGES = 150


@register(columns=[("error of the last of 2 T steps", lambda found: average(row["error"][-1] for row in found.values()), 0)])
def long(model, config):
    """Factor → the mean error of each of 2 T steps; beside it stopping at T, and no motion at all. Only factors that go on for 2 T steps."""
    sequences, steps, found = load_sequences(config, "test"), 2 * config.horizon, {}
    for factor, name in enumerate(config.factors):
        if sequences.reach(factor) < steps:
            continue
        curves = {
            "error": steps_error(model, sequences, factor, steps, IMAGES),
            "stop": stop_error(model, sequences, factor, steps, IMAGES),
            "no_motion": no_motion_steps(sequences, factor, steps, IMAGES),
        }
        found[name] = {kind: [round(value, 1) for value in errors.mean(0).tolist()] for kind, errors in curves.items()}
    return found


@register()
def labels(model, config):
    """Factor → the mean errors of `label_errors`."""
    sequences = load_sequences(config, "test")
    return {
        name: {kind: rounded_mean(errors) for kind, errors in label_errors(model, sequences, k, IMAGES).items()}
        for k, name in enumerate(config.factors)
    }


@register()
def other_images(model, config):
    """Kind of image → factor → the mean equivariance error, beside no motion."""
    found = {}
    for name, images in (("scikit-learn digits", sklearn_digits()[:IMAGES]), ("photographs", photo_patches(IMAGES))):
        sequences = Sequences(images, config.factors, config.horizon)
        found[name] = {
            factor: {"error": rounded_mean(equivariance_error(model, sequences, k)), "no_motion": rounded_mean(no_motion(sequences, k))}
            for k, factor in enumerate(config.factors)
        }
    return found
