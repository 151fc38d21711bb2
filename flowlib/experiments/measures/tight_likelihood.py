"""M17 with a proposal for each sequence by itself, annealed: log-likelihoods whose tightness is known."""

from statistics import mean

import torch

from flowlib.data import load_sequences
from flowlib.evaluation.annealed import annealed_likelihood, sandwich
from flowlib.evaluation.tight import fit_proposal, importance_likelihood
from flowlib.experiments.measures.registry import register, round_each
from flowlib.models.protocol import has_joint

# Images under every factor: whole sequences, sequences of frames by themselves, sequences drawn from the model.
SEQUENCES, FRAMES, SIMULATED = 6, 2, 1
SAMPLES, CHAINS = 100, 4


@register(needs=has_joint, unsteady=("sequence", "sequence_effective_samples", "frame", "frame_effective_samples", "gap"), columns=[
    ("per sequence, tight", lambda found: mean(found["sequence"]), 1),
    ("effective of 100", lambda found: mean(found["sequence_effective_samples"]), 1),
    ("gap", lambda found: mean(found["gap"]), 1), ("per frame, tight", lambda found: mean(found["frame"]), 1),
])  # fmt: skip
def tight_likelihood(model, config):
    """log p̂ in nats of every sequence, and the mean log p̂ of its frames: four annealed chains from a fitted Gaussian chain.

    sequence_importance, …_effective_samples : the same proposals' M = 100 importance weights alone;  sequence_elbo : their ELBO
    gap : upper − lower bound of log p of sequences that the model has drawn itself (`sandwich`)
    Where frames are independent a sequence is their sum. Nothing for a model without a joint density.
    """
    sequences, generator = load_sequences(config, "test"), torch.Generator().manual_seed(config.seed)
    names = ("sequence", "sequence_importance", "sequence_elbo", "sequence_effective_samples", "frame", "frame_effective_samples", "gap")
    found = {name: [] for name in names}
    for factor in range(len(config.factors)):
        batch = sequences.full_batch(first_images(sequences, SEQUENCES), factor)
        joint_of, count = sequences_of(model, batch)
        value, weighed = _estimates(joint_of(batch), generator)
        for name, one in (("sequence", value), ("sequence_importance", weighed.value), ("sequence_elbo", weighed.elbo)):
            found[name] += of_sequences(one, count)
        found["sequence_effective_samples"].append(round(weighed.effective_samples.mean().item(), 2))
        few = batch.take(rows=slice(FRAMES))
        value, weighed = _estimates(model.frame_joint(few), generator)
        found["frame"] += round_each(value.unflatten(0, (len(few), -1)).mean(1), 2)
        found["frame_effective_samples"].append(round(weighed.effective_samples.mean().item(), 2))
        found["gap"] += gaps(joint_of, batch, count, generator)
    return found | {"samples": SAMPLES, "chains": CHAINS}


def first_images(sequences, count):
    """Indices of the first `count` images, of a few images alone a sixth."""
    return list(range(max(1, min(count, len(sequences) // 6))))


def of_sequences(values, count):
    """Rounded values of sequences, each the sum of `count` that stand one after the other."""
    return round_each(values.unflatten(0, (-1, count)).sum(1), 2)


def gaps(joint_of, batch, count, generator, **options):
    """Upper − lower bound of sequences that the model draws itself, for the first of a batch (`sandwich`)."""
    bounds = sandwich(joint_of, batch.take(rows=slice(SIMULATED)), CHAINS, generator=generator, **options)
    return of_sequences(bounds.upper - bounds.lower, count)


def sequences_of(model, batch):
    """(batch → joint density of its sequences, 1), or (… of its frames, how many of them make a sequence) where these are independent."""
    if hasattr(model, "sequence_joint"):
        return model.sequence_joint, 1
    return model.frame_joint, batch.times.shape[1]


def _estimates(joint, generator):
    """(annealed log p̂ (B,), the importance weights' `TightLikelihood`) of one fitted proposal."""
    proposal = fit_proposal(joint, generator)
    return annealed_likelihood(proposal, CHAINS, generator=generator).value, importance_likelihood(proposal, SAMPLES, generator)
