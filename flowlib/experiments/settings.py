"""What the experiments train: the base configurations, and the settings that were searched for each method."""

import dataclasses

from flowlib.config import Config, preset

# Half of the default batch: in the same time the smaller batch reaches the lower error.
BASE = Config(batch_size=63, steps=3000, checkpoint_every=1000)


def method(model="flow", base=BASE, **changes) -> Config:
    """The base configuration with another model, its own options, or other changes."""
    known = {field.name for field in dataclasses.fields(Config)}
    options = {name: value for name, value in changes.items() if name not in known}
    settings = {name: value for name, value in changes.items() if name in known}
    return dataclasses.replace(base, model=model, options=options, **settings)


# Chosen by the experiment `search` (tests/test_catalogue.py compares with its results). Where two candidates were
# equal there within half a percent, the default is kept.
CHOSEN = {
    "flow, k given": {"model": "flow", "hj_weight": 1e4, "learning_rate": 6e-3},
    "flow, k inferred": {"model": "flow-inferred", "marginal_kl_weight": 100.0, "learning_rate": 6e-3},
    "PoFlow": {"model": "poflow", "wave_weight": 100.0, "learning_rate": 6e-3},
    "VAE": {"model": "vae", "learning_rate": 6e-3},
    "β-VAE": {"model": "vae", "beta": 2.0, "learning_rate": 6e-3},
    "FactorVAE": {"model": "factor-vae", "gamma": 2.0, "learning_rate": 6e-3},
    "SlowVAE": {"model": "slow-vae", "rate": 6.0, "learning_rate": 6e-3},
    "TVAE": {"model": "tvae", "mu": -10.0, "learning_rate": 3e-3},
    "linear motion": {"model": "linear-motion", "prior": "none", "learning_rate": 6e-3},
    "linear motion, skew": {"model": "linear-motion", "skew": True, "prior": "none", "learning_rate": 6e-3},
    "MSP": {"model": "msp", "seen": 3, "learning_rate": 6e-3},
}

# The same small search for all: two learning rates, and two values of what the method has of its own (VAE: nothing, so four rates).
RATES = (3e-3, 6e-3)
OWN = {
    "flow, k given": ("hj_weight", (1e3, 1e4)),
    "flow, k inferred": ("marginal_kl_weight", (30.0, 100.0)),
    "PoFlow": ("wave_weight", (1e2, 1e4)),
    "β-VAE": ("beta", (2.0, 4.0)),
    "FactorVAE": ("gamma", (2.0, 10.0)),
    "SlowVAE": ("rate", (2.0, 6.0)),
    "TVAE": ("mu", (-30.0, -10.0)),
    "linear motion": ("prior", ("diffusion", "none")),
    "linear motion, skew": ("prior", ("diffusion", "none")),
    "MSP": ("seen", (2, 3)),
}


def candidates(label, chosen=CHOSEN):
    """The four settings that the search tries for a method."""
    name, values = OWN.get(label, (None, ()))
    fixed = {option: value for option, value in chosen[label].items() if option not in (name, "learning_rate")}
    if not values:
        return [fixed | {"learning_rate": rate} for rate in (1.5e-3, 3e-3, 4.5e-3, 6e-3)]
    return [fixed | {name: value, "learning_rate": rate} for value in values for rate in RATES]


SEARCH_BASE = dataclasses.replace(BASE, steps=800, validation=1000)
SHORT_BASE = dataclasses.replace(BASE, steps=1000)
LONG_BASE = dataclasses.replace(BASE, steps=4 * BASE.steps)
FULL_BASE = dataclasses.replace(BASE, steps=preset("tutorial-noiseless").steps)
# Scenes: the presets at half their size, a quarter of the pixels.
SMALL = {"size": 32, "width": 16, "adam_beta2": 0.95, "steps": 2000, "checkpoint_every": 1000}
ROOMS = dataclasses.replace(preset("tutorial-shapes"), **SMALL)
STUDIO = dataclasses.replace(preset("tutorial-studio"), **SMALL | {"steps": 1000})
ROOMS_SEARCH = dataclasses.replace(ROOMS, steps=400, checkpoint_every=400, validation=100, parted="starts")
# Chosen by `rooms-search` in the same way; the studio takes the same.
SCENES = {label: CHOSEN[label] for label in ("flow, k given", "PoFlow")} | {
    "flow, k inferred": CHOSEN["flow, k inferred"] | {"logit_scale": 0.3},  # faster than for the digits: fewer steps, more factors
    "VAE": {"model": "vae", "learning_rate": 6e-3},
    "FactorVAE": {"model": "factor-vae", "gamma": 10.0, "learning_rate": 6e-3},
    "SlowVAE": CHOSEN["SlowVAE"],
}
# A flow-factorized VAE whose bound is that of the whole sequence given what moves it, without noise on the way: see chapter 11.
NOISELESS = {"prior": "none", "hj_penalty": "none", "learning_rate": 6e-3}
# Equal processor time: the step of each method in milliseconds, one thread (benchmarks/steps.json). Each takes as many steps as fit into the
# time of the flow's; Adam's memory of squares is searched for as well, because the tutorial's preset owes much to a short one.
MILLISECONDS = {
    "flow without noise": 24.2, "PoFlow": 41.8, "linear motion": 21.8, "linear motion, skew": 21.9, "VAE": 23.4, "SlowVAE": 24.2, "MSP": 34.4,
}  # fmt: skip
# The same with the logistic likelihood (benchmarks/steps-logistic.json).
IN_BITS = {"flow without noise": 27.0, "PoFlow": 49.7, "linear motion": 24.5, "linear motion, skew": 24.4, "SlowVAE": 26.6}
# The same with networks that draw more sharply in the same time (benchmarks/steps-sharp.json).
SHARP = {"network": "refined", "optimizer": "muon"}
SHARP_STEPS = {"flow without noise": 45.9, "PoFlow": 68.0, "linear motion": 43.6, "SlowVAE": 45.0}
# The flow without noise, and with a rotation beside its gradient (benchmarks/steps-turning.json); `turning` gives both as many steps.
TURNING_STEPS = {"flow without noise": 29.9, "rotation": 31.1}
# The presets for scenes, which take the same number of steps (benchmarks/steps-shapes.json and -studio.json).
SCENE_STEPS = {
    "shapes": {"tutorial-shapes": 77.7, "tutorial-sharp-shapes": 80.7}, "studio": {"tutorial-studio": 83.7, "tutorial-sharp-studio": 77.4},
}  # fmt: skip
EQUAL_TIME = {label: CHOSEN.get(label, {"model": "flow"} | NOISELESS) | {"adam_beta2": 0.95} for label in MILLISECONDS}
# With networks that draw more sharply `sharp-search` chose the same rate again, the largest that it tried.
SHARP_RATES = (3e-3, 4.5e-3, 6e-3)
SHARPENED = {label: EQUAL_TIME[label] | SHARP for label in SHARP_STEPS}
SHARP_BASE = dataclasses.replace(BASE, steps=preset("tutorial-sharp").steps)
SHARP_SEARCH_BASE = dataclasses.replace(SHARP_BASE, steps=1500, validation=1000)
# Without labels: sequences of four large steps, all of whose frames are read and decoded, so fewer sequences a step.
MIXED = {"network": "mlp", "potential_width": 32, "starts": "mixed", "horizon": 4, "checkpoint_every": 1000}
UNLABELLED = dataclasses.replace(BASE, batch_size=24, steps=1200, learning_rate=6e-3, **MIXED)
# In the rooms more factors are at work: more steps, and networks that learn faster (at the rate of the digits a run diverged).
UNLABELLED_ROOMS = dataclasses.replace(
    ROOMS, **MIXED | SHARP, batch_size=25, steps=4000, learning_rate=3e-3, adam_beta2=0.999, held_out=0.0011, parted="starts"
)


def timed(label, base, milliseconds=MILLISECONDS) -> Config:
    """`base` with as many steps of a method as fit into the time of the flow's."""
    return dataclasses.replace(base, steps=round(base.steps * milliseconds["flow without noise"] / milliseconds[label]))


def equal_time(labels, base=BASE, milliseconds=MILLISECONDS, settings=EQUAL_TIME, **changes) -> dict[str, Config]:
    """Label → configuration of methods that train for as long as the flow without noise in the steps of `base`."""
    return {label: method(**settings[label] | changes, base=timed(label, base, milliseconds)) for label in labels}
