"""Label → configuration of methods that differ in one thing, or in a few: what the catalogue's experiments compare."""

import dataclasses

from flowlib.config import preset
from flowlib.experiments.settings import (
    BASE,
    CHOSEN,
    EQUAL_TIME,
    NOISELESS,
    RATES,
    SEARCH_BASE,
    SHARP_RATES,
    SHARP_SEARCH_BASE,
    SHARP_STEPS,
    SHARPENED,
    SHORT_BASE,
    UNLABELLED,
    candidates,
    method,
    timed,
)

CORNER = ("floor_hue", "wall_hue", "object_hue")  # no training frame has all three hues in the upper half of the circle
SLOWER = {"learning_rate": 3e-3}
NO_POTENTIAL = {"velocity": "free", "hj_penalty": "none"}
LONG = {"VAE": {"learning_rate": 3e-3}}  # at 6e-3 one of three runs of this length diverged
COMPOSING = NOISELESS | {"time_free": True, "starts": "late", "programs": "composed"}


def still(base):
    """Motions without noise, by a gradient, by a matrix, by any field, by a gradient and a matrix, or the matrix's symmetric or antisymmetric part."""
    flow = EQUAL_TIME["flow without noise"]
    settings = {
        "flow without noise": flow,
        "linear motion": EQUAL_TIME["linear motion"],
        "any field": flow | {"velocity": "free"},
        "flow that turns": flow | {"velocity": "turning"},
        "gradient and quadratic": flow | {"velocity": "quadratic"},
        "gradient and rotation": flow | {"velocity": "rotating"},
    }
    return {label: method(**setting, base=base) for label, setting in settings.items()}


def sharp_scenes(scene, **controls):
    """The two presets of a scene; and, label → changes, the sharper one with these."""
    names = f"tutorial-{scene}", f"tutorial-sharp-{scene}"
    return {name: preset(name) for name in names} | {
        label: dataclasses.replace(preset(names[1]), **change) for label, change in controls.items()
    }


def programs(base, also=("seldom",), **changes):
    """Programs of factors and nothing else that makes flows compose, with a short memory of Adam's: in two thirds of the sequences, and with
    other shares."""
    alone = COMPOSING | {"starts": "plain", "time_free": False, "adam_beta2": 0.95} | changes
    return {"programs alone": method(**alone, base=base)} | {
        f"programs, {share}": method(**alone | {"programs": share}, base=base) for share in also
    }


def search(chosen, base):
    return {
        f"{label} {number}": method(**setting, base=base)
        for label in chosen for number, setting in enumerate(candidates(label, chosen))
    }  # fmt: skip


def equal_time_search():
    return {
        f"{label} {number}": method(**setting | {"learning_rate": rate, "adam_beta2": memory}, base=timed(label, SEARCH_BASE))
        for label, setting in EQUAL_TIME.items()
        for number, (memory, rate) in enumerate((memory, rate) for memory in (0.95, 0.999) for rate in RATES)
    }  # fmt: skip


def sharp_search():
    return {
        f"{label} {number}": method(**SHARPENED[label] | {"learning_rate": rate}, base=timed(label, SHARP_SEARCH_BASE, SHARP_STEPS))
        for label in SHARP_STEPS for number, rate in enumerate(SHARP_RATES)
    }  # fmt: skip


def ablations():
    changes = {
        "path objective": {}, "without HJ": {"hj_penalty": "none"}, "HJ of the paper": {"hj_penalty": "paper", "hj_weight": 1.0},
        "without the prior": {"prior": "none"}, "free velocity": NO_POTENTIAL,
        "marginal objective": {"objective": "marginal"},
        "marginal, trace": {"objective": "marginal", "log_det": "trace"},
        "marginal, no log-det": {"objective": "marginal", "log_det": "none"},
    }  # fmt: skip
    return {label: method(base=SHORT_BASE, **CHOSEN["flow, k given"] | change) for label, change in changes.items()}


def variants():
    published = {"model": "flow-published"}
    changes = {
        "row sums": {"objective": "marginal", "log_det": "rows"}, "softmaxed KL": published, "one k per batch": {"batches": "single"},
        "free force": {"hj_penalty": "paper"},
        "all of them": published | {"batches": "single", "hj_penalty": "paper", "hj_weight": 1.0, "mixed_residual": True},
    }  # fmt: skip
    return {label: method(base=SHORT_BASE, **CHOSEN["flow, k given"] | change) for label, change in changes.items()}


def settings_apart():
    """The preset of `make train` in an eighth of its steps, and with one setting of the paper's code, or some that belong together, in place of its own."""
    slow = {"learning_rate": 1e-4, "schedule": "constant", "adam_beta2": 0.999}
    changes = {
        "make train, shorter": {}, "plain networks": {"network": "conv"}, "Adam": {"optimizer": "adam"},
        "Muon, constant 1e-4": slow, "Adam, constant 1e-4": slow | {"optimizer": "adam"}, "every frame decoded": {"frames_per_step": 8},
        "marginal form": {"prior": "diffusion", "objective": "marginal"}, "output tanh": {"bounded_potential": True},
        "d = 324": {"latent_dim": 324, "potential_width": 324}, "penalty with a force": {"hj_penalty": "paper", "hj_weight": 1.0},
    }  # fmt: skip
    base = dataclasses.replace(preset("tutorial-sharp"), steps=SHORT_BASE.steps)
    return {label: dataclasses.replace(base, **change) for label, change in changes.items()}


def estimators():
    """What a step may leave out without bias: the second frame, for a fifth more steps in about the same time, and all log-determinants but one."""
    sharp = preset("tutorial-sharp")
    marginal = dataclasses.replace(sharp, steps=SHORT_BASE.steps, prior="diffusion", objective="marginal")
    return {
        "two frames decoded": dataclasses.replace(sharp, steps=2600), "one frame decoded": dataclasses.replace(sharp, steps=3100, decoded="one"),
        "every log-determinant": marginal, "one log-determinant": dataclasses.replace(marginal, log_det_steps=1),
    }  # fmt: skip


def penalties():
    changes = {"r = 0": {}, "viscous": {"hj_penalty": "viscous"}, "the paper's": {"hj_penalty": "paper"}, "none": {"hj_penalty": "none"}}
    return {label: method(base=SHORT_BASE, **CHOSEN["flow, k given"] | change) for label, change in changes.items()}


def apart():
    free, of_hj, wave = {"prior": "none"}, CHOSEN["flow, k given"], CHOSEN["PoFlow"]
    changes = {
        "no noise, weak HJ": of_hj | free | {"hj_weight": wave["wave_weight"]},
        "no noise, no penalty": of_hj | free | {"hj_penalty": "none"},
        "PoFlow": wave,
    }  # fmt: skip
    return {label: method(base=SHORT_BASE, **change) for label, change in changes.items()}


def composing_apart():
    """A motion without noise with none of the three changes that make it compose, and with all but one."""
    plain = {"time-free": ("time_free", False), "programs": ("programs", "single"), "late starts": ("starts", "plain")}
    changes = {"none of the three": dict(plain.values())} | {f"without {name}": dict([change]) for name, change in plain.items()}
    return {label: method(base=SHORT_BASE, **COMPOSING | change) for label, change in changes.items()}


def agreement():
    """Codes drawn to the encoder's, without anything else that makes a motion compose, besides all three, and at full length with a short memory;
    and three methods of `equal-time` with it, in as many steps as there."""
    still = {"time_free": False, "starts": "plain", "programs": "single"}
    return {
        "agreement alone": method(base=SHORT_BASE, **COMPOSING | still, agreement=1.0),
        "all three, agreement": method(base=SHORT_BASE, **COMPOSING, agreement=1.0),
        "all three, agreement 10": method(base=SHORT_BASE, **COMPOSING, agreement=10.0),
        "all three, agreement, β₂ 0.95": method(**COMPOSING, adam_beta2=0.95, agreement=1.0),
    } | {
        f"{label}, agreement": method(**EQUAL_TIME[label], agreement=1.0, base=timed(label, BASE))
        for label in ("flow without noise", "PoFlow", "linear motion")
    }


LATE = {"time_free": True, "starts": "late"}
ROTATING = {"velocity": "rotating"}


def turning_full(base):
    """The flow without noise with a rotation beside its gradient, from plain starts and from late ones without a time label."""
    flow = EQUAL_TIME["flow without noise"] | ROTATING
    return {label: method(**flow | change, base=base) for label, change in (("rotation", {}), ("rotation, late starts", LATE))}


def turning():
    """The same in fewer steps; and what belongs beside it: a gradient alone, a symmetric matrix, a matrix alone, drawn codes, and programs."""
    late = EQUAL_TIME["flow without noise"] | LATE
    composed = COMPOSING | ROTATING | {"adam_beta2": 0.95}
    changes = {
        "late starts": late,
        "quadratic, late starts": late | {"velocity": "quadratic"},
        "rotation, late starts, agreement": late | ROTATING | {"agreement": 1.0},
        "rotation, all three": composed,
        "rotation, all three, agreement": composed | {"agreement": 1.0},
        "linear motion, late starts": EQUAL_TIME["linear motion"] | {"starts": "late"},
    }
    return turning_full(BASE) | {label: method(**change) for label, change in changes.items()}


def collapse():
    inferred, remedies = CHOSEN["flow, k inferred"], {"marginal_kl_weight": 100.0, "logit_l2": 0.3}
    changes = {
        "all three": {}, "without balance": {"marginal_kl_weight": 0.0}, "without shrinking": {"logit_l2": 0.0},
        "slow start alone": {"marginal_kl_weight": 0.0, "logit_l2": 0.0}, "balance alone": {"logit_l2": 0.0, "logit_scale": 1.0},
        "none": {"marginal_kl_weight": 0.0, "logit_l2": 0.0, "logit_scale": 1.0},
    }  # fmt: skip
    return {label: method(base=SHORT_BASE, **inferred | remedies | change) for label, change in changes.items()}


def unlabelled(changes, base=UNLABELLED, each=4):
    """Fields of two kinds, `each` so many, with changes."""
    return {label: method("sparse", base, **{"gradients": each, "rotations": each} | change) for label, change in changes.items()}


def of_two_kinds(base, each):
    """Gradients and rotations, gradients alone, and both without spikes."""
    changes = {"both kinds of fields": {}, "gradients alone": {"gradients": 2 * each, "rotations": 0}, "no spikes": {"activity": 1.0}}
    return unlabelled(changes, base, each)
