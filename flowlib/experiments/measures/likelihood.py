"""M17, log-likelihoods of frames and of sequences."""

from statistics import mean

import torch

from flowlib.data import load_sequences
from flowlib.evaluation import frame_log_weights, log_likelihood, sequence_log_likelihood
from flowlib.evaluation.report import fewer
from flowlib.experiments.measures.registry import register
from flowlib.models.protocol import has_density

SAMPLES, IMAGES = 100, 40


@register(needs=has_density, columns=[
    ("per frame", lambda found: mean(found["frame"]), 1), ("per sequence", lambda found: mean(found["sequence"]), 1),
])  # fmt: skip
def likelihood(model, config):
    """log p̂ in nats of every sequence (the first 40 images under every factor, fewer of images larger than 28 × 28), and the mean log p̂ of its frames.

    Nothing for a model without a density.
    """
    sequences, generator = load_sequences(config, "test"), torch.Generator().manual_seed(config.seed)
    found = {"frame": [], "sequence": [], "frame_effective_samples": [], "sequence_effective_samples": []}
    for factor in range(len(config.factors)):
        batch = sequences.full_batch(list(range(min(fewer(IMAGES, sequences), len(sequences)))), factor)
        frame = log_likelihood(frame_log_weights, model, batch, SAMPLES, generator)
        sequence = sequence_log_likelihood(model, batch, SAMPLES, generator)
        for kind, one in (("frame", frame), ("sequence", sequence)):
            values, effective = (x.reshape(len(batch), -1).mean(1) for x in (one.value, one.effective_samples))
            found[kind] += [round(value, 2) for value in values.tolist()]
            found[f"{kind}_effective_samples"].append(round(effective.mean().item(), 2))
    return found | {"samples": SAMPLES}
