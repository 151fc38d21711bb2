"""The experiments on flows that compose and that go on beyond T (chapter 11)."""

from flowlib.experiments.experiment import Experiment
from flowlib.experiments.settings import BASE, CHOSEN, FULL_BASE, SHARP, SHARP_BASE, SHORT_BASE, method
from flowlib.experiments.variants import COMPOSING, agreement, composing_apart, programs, turning, turning_full

COMPOSING_EXPERIMENTS = {
    "composing": Experiment(
        "a flow that composes, in a third of the steps", {"time-free, programs, late starts": method(base=SHORT_BASE, **COMPOSING)},
        ("composition", "equivariance", "long"),
    ),
    "composing-apart": Experiment(
        "what makes it compose: the flow of `composing` without one of its three changes, and without all", composing_apart(),
        ("composition", "equivariance", "long"),
    ),
    "agreement": Experiment(
        "the flow of `composing-apart` and `composing` with moved codes drawn to the encoder's, and that of `composed` with a short memory",
        agreement(), ("composition", "equivariance", "long"),
    ),
    "turning": Experiment(
        "a rotation beside the gradient, and what it is good for beyond T", turning(), ("composition", "equivariance", "long", "long_limit"),
    ),
    "turning-full": Experiment(
        "the flow of `equal-time-full` with a rotation beside its gradient, in as many steps", turning_full(FULL_BASE),
        ("equivariance", "long", "swap", "tight_likelihood"),
    ),
    "control": Experiment(
        "the control of the flow that composes: PoFlow on the same sequences",
        {"PoFlow, same sequences": method(base=SHORT_BASE, **CHOSEN["PoFlow"] | {"starts": "late", "programs": "composed"})},
        ("composition", "equivariance", "long"),
    ),
    "composed": Experiment(
        "the flow that composes at full length, also with a short memory of Adam's at twice the rate",
        # at 6e-3 a run with the long memory diverged
        {"flow that composes": method(**COMPOSING | {"learning_rate": 3e-3}), "… with β₂ 0.95": method(**COMPOSING, adam_beta2=0.95)},
        ("composition", "equivariance", "long"),
    ),
    "composed-apart": Experiment(
        "programs of factors without late starts at full length, with the short memory: with time labels and without, and in fewer sequences",
        programs(BASE) | {"programs, time-free": method(**COMPOSING | {"starts": "plain"}, adam_beta2=0.95)},
        ("composition", "equivariance", "long"),
    ),
    "composed-full": Experiment(
        "programs of factors five times as long, as `equal-time-full`, which has the same flow without them",
        programs(FULL_BASE),
        ("composition", "equivariance", "long"),
    ),
    "composed-sharp": Experiment(
        "programs of factors with the networks and the steps of `sharp`, which has the same flow without them",
        programs(SHARP_BASE, ("seldom", "often"), **SHARP),
        ("composition", "equivariance", "long", "superposed_limit"),
    ),
    "composed-limit": Experiment(
        "of the flow that composes, with a short memory of Adam's: the decoder's share of its errors where two factors act at once, and beyond T",
        {"… with β₂ 0.95": method(**COMPOSING, adam_beta2=0.95)}, ("long_limit", "superposed_limit"),
    ),
}  # fmt: skip
