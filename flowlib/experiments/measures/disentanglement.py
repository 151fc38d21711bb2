"""M20, can one tell which factor acted, and does each coordinate describe one factor?"""

from flowlib.data import load_sequences
from flowlib.evaluation import composed_codes, dci, mig, vp_score
from flowlib.experiments.measures.registry import register


# (results without a vp are those of scenes, where it was taken out)
@register(
    columns=[(name.upper(), lambda found, name=name: found.get(name, float("nan")), 2) for name in ("vp", "mig", "dci")], unsteady=("vp",)
)
def disentanglement(model, config):
    """VP on generated pairs; MIG and DCI on composed images whose factors are known, from the posterior means."""
    sequences = load_sequences(config, "test")
    codes, factors = composed_codes(model, sequences)
    scores = dci(codes, factors)
    found = {
        "vp": vp_score(model, sequences), "mig": mig(codes, factors), "dci": scores.disentanglement,
        "dci_completeness": scores.completeness, "dci_informativeness": scores.informativeness,
    }  # fmt: skip
    return {name: round(value, 4) for name, value in found.items()}
