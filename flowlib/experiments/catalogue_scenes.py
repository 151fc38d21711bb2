"""The experiments on rendered scenes (chapter 12)."""

from flowlib.experiments.experiment import Experiment
from flowlib.experiments.settings import ROOMS, ROOMS_SEARCH, SCENES, STUDIO, method
from flowlib.experiments.variants import CORNER, search, sharp_scenes, still

SCENE_EXPERIMENTS = {
    "rooms-search": Experiment(
        "hyper-parameters on rooms, the same small search for every method", search(SCENES, ROOMS_SEARCH), ("validation",), (0,)
    ),
    "rooms": Experiment(
        "rendered rooms: five factors, three of them cyclic; each code also moved by mean displacements and by linear regressions",
        {label: method(**settings, base=ROOMS) for label, settings in SCENES.items()},
        ("chosen", "disentanglement", "equivariance", "likelihood", "long", "pairs", "recognition", "references"),
    ),
    "rooms-spare": Experiment(
        "rooms, k inferred with eight potentials for five factors",
        {"k inferred, eight potentials": method(**SCENES["flow, k inferred"], potentials=8, base=ROOMS)},
        ("chosen", "equivariance", "recognition"),
    ),
    "combinations": Experiment(
        "rooms in which no training frame has all three hues in the upper half of the circle; `rooms` is the same with nothing left out",
        {label: method(**SCENES[label], base=ROOMS, corner=CORNER) for label in ("flow, k given", "SlowVAE")}, ("equivariance",),
    ),
    "studio": Experiment(
        "the small studio: seven factors, with shadows and parallax; each code also moved by mean displacements and by linear regressions",
        {label: method(**settings, base=STUDIO) for label, settings in SCENES.items()},
        ("chosen", "disentanglement", "equivariance", "likelihood", "pairs", "recognition", "references"),
    ),
    "rooms-noiseless": Experiment(
        "rooms, as `rooms`: motion without noise and penalty, by six kinds of fields",
        still(ROOMS), ("equivariance", "likelihood", "long", "pairs", "references"),
    ),
    "studio-noiseless": Experiment(
        "the small studio, as `studio`: motion without noise and penalty, by six kinds of fields",
        still(STUDIO), ("equivariance", "likelihood", "pairs", "references"),
    ),
    "sharp-shapes": Experiment(
        "the presets for rooms, as they are: chapter 8's model, one that turns and draws more sharply, and the same without the turning",
        sharp_scenes("shapes", **{"… as a gradient": {"velocity": "gradient"}}), ("equivariance", "references"),
    ),
    "sharp-studio": Experiment(
        "the presets for the small studio, in the same way", sharp_scenes("studio"), ("equivariance", "references")
    ),
}  # fmt: skip
