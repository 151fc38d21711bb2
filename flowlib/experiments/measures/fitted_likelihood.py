"""M17 with a proposal for each sequence by itself, not annealed: of more sequences than annealing has time for."""

from statistics import mean

import torch

from flowlib.data import load_sequences
from flowlib.evaluation.tight import fit_proposal, importance_likelihood
from flowlib.experiments.measures.registry import register
from flowlib.experiments.measures.tight_likelihood import SAMPLES, of_sequences, sequences_of
from flowlib.models.protocol import has_joint

SEQUENCES = 80  # images under every factor


@register(needs=has_joint, unsteady=("sequence", "effective_samples"), columns=[
    ("per sequence, fitted", lambda found: mean(found["sequence"]), 1),
    ("effective of 100", lambda found: mean(found["effective_samples"]), 1),
])  # fmt: skip
def fitted_likelihood(model, config):
    """log p̂ in nats of every sequence, M = 100 draws from a Gaussian chain that is fitted to it, and their effective samples by factor.

    A lower bound on average, as tight as the effective samples are many. Nothing for a model without a joint density.
    """
    sequences, generator = load_sequences(config, "test"), torch.Generator().manual_seed(config.seed)
    indices, found = list(range(min(SEQUENCES, len(sequences)))), {"sequence": [], "effective_samples": []}
    for factor in range(len(config.factors)):
        batch = sequences.full_batch(indices, factor)
        joint_of, count = sequences_of(model, batch)
        weighed = importance_likelihood(fit_proposal(joint_of(batch), generator), SAMPLES, generator)
        found["sequence"] += of_sequences(weighed.value, count)
        found["effective_samples"].append(round(weighed.effective_samples.mean().item(), 2))
    return found | {"samples": SAMPLES}
