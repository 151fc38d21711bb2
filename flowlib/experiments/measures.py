"""What an experiment measures about a trained model: name → function(model, config) → plain numbers for its JSON file.

Values of single images are kept, rounded, where methods are compared image by image (paired standard errors).
"""

import torch

from flowlib.data import Sequences, load_sequences, photo_patches, sklearn_digits
from flowlib.evaluation import (
    commutator,
    composed_codes,
    composed_no_motion,
    continuation_error,
    dci,
    equivariance_error,
    factor_accuracy,
    frame_log_weights,
    log_likelihood,
    mig,
    no_motion,
    no_motion_steps,
    sequence_log_likelihood,
    steps_error,
    stop_error,
    superposition_error,
    switch_error,
    vp_score,
)

SAMPLES, LIKELIHOOD_IMAGES = 100, 50
COMPOSED_IMAGES, LONG_IMAGES, LONG_STEPS = 200, 300, 16
SWITCH_AT = 4


def measure(name, model, config):
    """The result of one named measure as plain numbers."""
    with torch.no_grad():
        return MEASURES[name](model, config)


def equivariance(model, config, split="test", count=None):
    """M16 per factor: the error of every held-out image, in whole pixels."""
    sequences = load_sequences(config, split)
    return {name: _whole(equivariance_error(model, sequences, k, count)) for k, name in enumerate(config.factors)}


def validation(model, config):
    """M16 on the validation images: what hyper-parameters are chosen by."""
    return equivariance(model, config, "validation")


def unseen(model, config):
    """M19: digits left out of training, beside held-out digits of the kinds that were not."""
    return {split: equivariance(model, config, split) for split in ("left out", "kept")}


def still(model, config):
    """The reference of M16 that no model is needed for."""
    sequences = load_sequences(config, "test")
    return {name: _whole(no_motion(sequences, k)) for k, name in enumerate(config.factors)}


def likelihood(model, config):
    """M17 in nats: log p̂ of every sequence, and the mean log p̂ of its frames."""
    sequences, generator = load_sequences(config, "test"), torch.Generator().manual_seed(config.seed)
    found = {"frame": [], "sequence": [], "frame_effective_samples": [], "sequence_effective_samples": []}
    for factor in range(len(config.factors)):
        batch = sequences.full_batch(list(range(LIKELIHOOD_IMAGES)), factor)
        frame = log_likelihood(frame_log_weights, model, batch, SAMPLES, generator)
        sequence = sequence_log_likelihood(model, batch, SAMPLES, generator)
        for kind, one in (("frame", frame), ("sequence", sequence)):
            values, effective = (x.reshape(len(batch), -1).mean(1) for x in (one.value, one.effective_samples))
            found[kind] += [round(value, 2) for value in values.tolist()]
            found[f"{kind}_effective_samples"].append(round(effective.mean().item(), 2))
    return found | {"samples": SAMPLES}


def composition(model, config):
    """M18 in M16's units, per pair of factors: the mean error of switching (both time labels) and of superposing, the two
    flows' own errors over as many steps, no motion, and the commutator."""
    sequences = load_sequences(config, "test")
    names, own = config.factors, [_mean(equivariance_error(model, sequences, k, COMPOSED_IMAGES)) for k in range(len(config.factors))]
    rows = []
    for first, second in ((a, b) for a in range(len(names)) for b in range(len(names)) if a != b):
        switch = {
            labels: _mean(switch_error(model, sequences, first, second, SWITCH_AT, labels, COMPOSED_IMAGES))
            for labels in ("restart", "continue")
        }
        row = {"first": names[first], "second": names[second], "switch": switch, "own": (own[first] + own[second]) / 2}
        if first < second:
            row["superpose"] = _mean(superposition_error(model, sequences, (first, second), COMPOSED_IMAGES))
            row["no_motion"] = _mean(composed_no_motion(sequences, (first, second), COMPOSED_IMAGES))
            row["commutator"] = round(commutator(model, sequences, first, second, SWITCH_AT, COMPOSED_IMAGES).mean().item(), 4)
        rows.append(row)
    return rows


def long(model, config):
    """M19: 16 steps after training on 8, the mean error of each step; beside it stopping at T, and no motion at all."""
    sequences, found = load_sequences(config, "test"), {}
    for factor, name in enumerate(config.factors):
        curves = {
            "error": steps_error(model, sequences, factor, LONG_STEPS, LONG_IMAGES),
            "stop": stop_error(model, sequences, factor, LONG_STEPS, LONG_IMAGES),
            "no_motion": no_motion_steps(sequences, factor, LONG_STEPS, LONG_IMAGES),
        }
        found[name] = {kind: [round(value, 1) for value in errors.mean(0).tolist()] for kind, errors in curves.items()}
    return found


def other_images(model, config):
    """M19: images of another origin, the same measure; the mean over images, beside no motion."""
    found = {}
    for name, images in (("scikit-learn digits", sklearn_digits()[:LONG_IMAGES]), ("photographs", photo_patches(LONG_IMAGES))):
        sequences = Sequences(images, config.factors, config.horizon)
        found[name] = {
            factor: {"error": _mean(equivariance_error(model, sequences, k)), "no_motion": _mean(no_motion(sequences, k))}
            for k, factor in enumerate(config.factors)
        }
    return found


def recognition(model, config):
    """M15: the share of held-out sequences whose factor is named rightly, and the error of continuing from x_0 … x_4."""
    sequences = load_sequences(config, "test")
    continued = {name: _mean(continuation_error(model, sequences, k, 4, LONG_IMAGES)) for k, name in enumerate(config.factors)}
    return {"accuracy": round(factor_accuracy(model, sequences).mean, 4), "continued": continued}


def disentanglement(model, config):
    """M20: VP, and MIG and DCI on composed images whose factors are known."""
    sequences = load_sequences(config, "test")
    codes, factors = composed_codes(model, sequences)
    scores = dci(codes, factors)
    return {
        "vp": round(vp_score(model, sequences), 4), "mig": round(mig(codes, factors), 4),
        "dci_disentanglement": round(scores.disentanglement, 4), "dci_completeness": round(scores.completeness, 4),
        "dci_informativeness": round(scores.informativeness, 4),
    }  # fmt: skip


def _whole(values):
    return [round(value) for value in values.tolist()]


def _mean(values):
    return round(values.mean().item(), 2)


MEASURES = {
    function.__name__: function
    for function in (
        equivariance, validation, unseen, still, likelihood, composition, long, other_images, recognition, disentanglement,
    )
}  # fmt: skip
