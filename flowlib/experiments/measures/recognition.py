"""M15, the accuracy of k, and sequences continued from their first frames."""

import torch

from flowlib.data import load_sequences
from flowlib.data.factorial import FactorialSequences
from flowlib.evaluation import continuation_error, factor_accuracy
from flowlib.experiments.measures.registry import register, rounded_mean

SEEN, IMAGES = 4, 500


@register(columns=[("accuracy of k", lambda found: found["accuracy"], 3)])
def recognition(model, config):
    """The share of held-out sequences whose factor is named rightly (1 where it is given), and the error of continuing
    a sequence after its first frames x_0 … x_4 (or half of it)."""
    sequences = load_sequences(config, "test")
    seen = min(SEEN, config.horizon // 2)
    continued = {name: rounded_mean(continuation_error(model, sequences, k, seen, IMAGES)) for k, name in enumerate(config.factors)}
    return {"accuracy": round(factor_accuracy(model, sequences, IMAGES).mean, 4), "continued": continued, "seen": seen}


@register()
def chosen(model, config):
    """Factor → for each value that sequences begin at, how often each potential is named (`infer_potential`): a table (values, potentials).

    Where data are no full factorial, one row for all. Nothing for a model that infers no potential.
    """
    if not hasattr(model, "infer_potential"):
        return {}
    sequences = load_sequences(config, "test")
    indices, found = list(range(min(IMAGES, len(sequences)))), {}
    begin = _first_values(sequences, indices)
    for k, name in enumerate(sequences.factors):
        named = model.infer_potential(sequences.full_batch(indices, k)).cpu()
        counts = torch.zeros(int(begin[:, k].max()) + 1, model.count, dtype=torch.int64, device="cpu")
        counts.index_put_((begin[:, k], named), torch.ones_like(named), accumulate=True)
        found[name] = counts.tolist()
    return found


def _first_values(sequences, indices):
    """(n, K) the value that each factor begins at; zeros where data are no full factorial of equally long sequences."""
    still = torch.zeros(len(indices), len(sequences.factors), dtype=torch.int64, device="cpu")
    factorial = isinstance(sequences, FactorialSequences) and sequences.composable
    return sequences.composed_values(indices, still) if factorial else still
