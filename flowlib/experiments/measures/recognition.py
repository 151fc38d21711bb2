"""M15, the accuracy of k, and sequences continued from their first frames."""

from flowlib.data import load_sequences
from flowlib.evaluation import continuation_error, factor_accuracy
from flowlib.experiments.measures.registry import mean, register

SEEN, IMAGES = 4, 500


@register(columns=[("accuracy of k", lambda found: found["accuracy"], 3)])
def recognition(model, config):
    """The share of held-out sequences whose factor is named rightly (1 where it is given), and the error of continuing
    a sequence after its first frames x_0 … x_4 (or half of it)."""
    sequences = load_sequences(config, "test")
    seen = min(SEEN, config.horizon // 2)
    continued = {name: mean(continuation_error(model, sequences, k, seen, IMAGES)) for k, name in enumerate(config.factors)}
    return {"accuracy": round(factor_accuracy(model, sequences, IMAGES).mean, 4), "continued": continued, "seen": seen}
