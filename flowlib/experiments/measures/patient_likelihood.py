"""M17 of whole sequences, annealed as slowly as a kinked prior asks for; and the same from modes that were looked for at length."""

from statistics import mean

import torch

from flowlib.data import load_sequences
from flowlib.evaluation.annealed import Schedule, annealed_likelihood
from flowlib.evaluation.tight import fit_proposal
from flowlib.experiments.measures.registry import register
from flowlib.experiments.measures.tight_likelihood import CHAINS, first_images, gaps, of_sequences, sequences_of
from flowlib.models.protocol import has_joint

SEARCH = 480  # steps to a mode
SEQUENCES = 4  # images under every factor, the first ones of `tight_likelihood`
TEMPERATURES = 500  # with 40, sandwiches of SlowVAE's Laplace steps stay open by twenty nats, with 160 by ten


LISTED = {
    "needs": has_joint,
    "unsteady": ("sequence", "gap"),
    "columns": [
        ("per sequence, annealed slowly", lambda found: mean(found["sequence"]), 1),
        ("gap", lambda found: mean(found["gap"]), 1),
    ],
}


@register(**LISTED)
def patient_likelihood(model, config):
    """log p̂ in nats of every sequence, from four chains of 500 temperatures that begin at a fitted Gaussian chain, and gaps as in `tight_likelihood`.

    Nothing for a model without a joint density. (A data set of few images is a test's: it gets few temperatures.)
    """
    return _annealed_slowly(model, config)


@register(**LISTED)
def searched_likelihood(model, config):
    """`patient_likelihood`, the chains fitted after a thorough search for the mode (`fit_proposal`)."""
    return _annealed_slowly(model, config, search=SEARCH)


def _annealed_slowly(model, config, **fitting):
    sequences, generator = load_sequences(config, "test"), torch.Generator().manual_seed(config.seed)
    schedule, found = Schedule(min(TEMPERATURES, len(sequences))), {"sequence": [], "gap": []}
    for factor in range(len(config.factors)):
        batch = sequences.full_batch(first_images(sequences, SEQUENCES), factor)
        joint_of, count = sequences_of(model, batch)
        value = annealed_likelihood(fit_proposal(joint_of(batch), generator, **fitting), CHAINS, schedule, generator).value
        found["sequence"] += of_sequences(value, count)
        found["gap"] += gaps(joint_of, batch, count, generator, schedule=schedule, **fitting)
    return found | {"temperatures": schedule.temperatures, "chains": CHAINS}
