"""Numbers taken from one run's metrics: the errors and nats that verdicts and tables compare."""

from statistics import fmean as mean

from flowlib.experiments import tables
from flowlib.experiments.measures.patient_likelihood import SEQUENCES

PRIOR_FREE, SLOW, LINEAR, TURN, OWN_MATRIX = "PoFlow", "SlowVAE", "linear motion", "linear motion, skew", "MSP"
LAST = 16  # steps of the longest sequences measured, twice the trained ones


def per_image(metrics):
    """M16 of every image, averaged over the factors."""
    return [mean(one) for one in zip(*metrics["equivariance"].values(), strict=True)]


def pixels(metrics):
    """M16, averaged over images and factors."""
    return mean(per_image(metrics))


def nats(kind):
    """log p̂ of every image per "frame" or "sequence", averaged over the factors."""
    return lambda metrics: _over_factors(metrics["likelihood"][kind], len(metrics["likelihood"][f"{kind}_effective_samples"]))


def tight(kind):
    """The annealed log p̂ of every image per "frame" or "sequence", averaged over the factors."""
    return lambda metrics: _over_factors(metrics["tight_likelihood"][kind], len(metrics["tight_likelihood"]["sequence_effective_samples"]))


def fitted(metrics):
    """log p̂ of every image's sequence with a fitted proposal alone, averaged over the factors."""
    found = metrics["fitted_likelihood"]
    return _over_factors(found["sequence"], len(found["effective_samples"]))


def searched(metrics):
    """The annealed log p̂ of every image's sequence, from modes looked for at length, averaged over the factors."""
    found = metrics["searched_likelihood"]["sequence"]
    return _over_factors(found, len(found) // SEQUENCES)


def _over_factors(values, factors):
    images = len(values) // factors
    return [mean(values[image::images]) for image in range(images)]


def rung(name):
    """The error of every image of a code moved by one rung of the ladder, averaged over the factors."""
    return lambda metrics: [mean(one) for one in zip(*metrics["ladder"][name].values(), strict=True)]


def draws(kind):
    """Effective draws behind log p̂, averaged over the factors."""
    return lambda metrics: mean(metrics["likelihood"][f"{kind}_effective_samples"])


def composed(kind, labels="restart"):
    """The mean error of two flows after each other ("switch", with these time labels) or at once ("superpose"), in pixels (M18)."""

    def value(metrics):
        rows = [row[kind] for row in metrics["composition"] if kind in row]
        return mean(row[labels] if kind == "switch" else row for row in rows)

    return value


def beyond(kind, metrics):
    """Factor → the errors of the steps after the trained ones ("error", or "no_motion"), in pixels (M19)."""
    return {name: curves[kind][LAST // 2 :] for name, curves in metrics["long"].items()}


def of_factor(name):
    """M16 of every image under one factor."""
    return lambda metrics: metrics["equivariance"][name]


def below_on_every_factor(ours, theirs):
    """Whether the mean of M16 over images and seeds is smaller for each factor."""

    def error(rows, name):
        return tables.average(rows, lambda metrics: mean(metrics["equivariance"][name]))

    return all(error(ours, name) < error(theirs, name) for name in ours[0]["metrics"]["equivariance"])


def steps(runs):
    """The training steps of the first method, as text."""
    return f"{next(iter(runs.values()))[0]['config']['steps']:,}".replace(",", " ")
