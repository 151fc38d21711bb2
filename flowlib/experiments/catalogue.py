"""The named experiments: which methods, which seeds, what is measured."""

import dataclasses
from dataclasses import dataclass

from flowlib.config import Config
from flowlib.errors import FlowlibError
from flowlib.experiments.settings import (
    BASE,
    CHOSEN,
    EQUAL_TIME,
    FULL_BASE,
    IN_BITS,
    LONG_BASE,
    ROOMS,
    ROOMS_SEARCH,
    SCENES,
    SEARCH_BASE,
    SHARP,
    SHARP_BASE,
    SHARP_STEPS,
    SHARPENED,
    SHORT_BASE,
    STUDIO,
    UNLABELLED,
    UNLABELLED_ROOMS,
    equal_time,
    method,
)
from flowlib.experiments.variants import (
    COMPOSING,
    CORNER,
    LONG,
    SLOWER,
    ablations,
    agreement,
    apart,
    collapse,
    composing_apart,
    equal_time_search,
    estimators,
    of_two_kinds,
    penalties,
    programs,
    search,
    settings_apart,
    sharp_scenes,
    sharp_search,
    still,
    turning,
    turning_full,
    unlabelled,
    variants,
)


@dataclass(frozen=True)
class Experiment:
    """`methods` : label → configuration; each is trained once per seed, and the `measures` are taken of it."""

    about: str
    methods: dict[str, Config]
    measures: tuple[str, ...]
    seeds: tuple[int, ...] = (0, 1, 2)

    def jobs(self):
        """(label, configuration with its seed) of every run, all methods of a seed before the next seed."""
        return [(label, dataclasses.replace(config, seed=seed)) for seed in self.seeds for label, config in self.methods.items()]


EXPERIMENTS = {
    "search": Experiment("hyper-parameters, the same small search for every method", search(CHOSEN, SEARCH_BASE), ("validation",), (0,)),
    "comparison": Experiment(
        "the flow-factorized VAE against the baselines",
        {label: method(**setting) for label, setting in CHOSEN.items()},
        ("composition", "disentanglement", "equivariance", "long", "other_images", "likelihood", "recognition"),
    ),
    "ablations": Experiment("the flow-factorized VAE without its parts", ablations(), ("equivariance", "likelihood")),
    "variants": Experiment(
        "the flow-factorized VAE with lines of the published code in place of ours (beside the rows of `ablations`)",
        variants(), ("equivariance", "likelihood"),
    ),
    "settings-apart": Experiment(
        "the preset of `make train`, in an eighth of its steps, with one setting of the paper's code in place of its own",
        settings_apart(), ("equivariance",),
    ),
    "estimators": Experiment(
        "what a training step may leave out: one frame decoded instead of two, in about the same time; one log-determinant instead of eight",
        estimators(), ("equivariance", "likelihood"),
    ),
    "penalties": Experiment(
        "four Hamilton–Jacobi penalties of equal weight", penalties(), ("equivariance", "geometry", "tight_likelihood")
    ),
    "apart": Experiment("PoFlow taken apart against the flow, one change at a time", apart(), ("equivariance", "geometry")),
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
    "unseen": Experiment(
        "digits 8 and 9 left out of training",
        {label: method(base=SHORT_BASE, left_out=(8, 9), **CHOSEN[label]) for label in ("flow, k given", "SlowVAE")},
        ("unseen",),
    ),
    "unseen-equal-time": Experiment(
        "digits 8 and 9 left out of training, equal processor time",
        equal_time(("flow without noise", "PoFlow", "linear motion", "SlowVAE"), left_out=(8, 9)), ("unseen",),
    ),
    "starts": Experiment(
        "the flow-factorized VAE trained on sequences that begin with the other factors somewhere on their way",
        {"flow, moved starts": method(starts="moved", **CHOSEN["flow, k given"])}, ("composition", "equivariance"),
    ),
    "collapse": Experiment("k inferred, with and without the remedies for collapse", collapse(), ("equivariance", "recognition")),
    "shrinking": Experiment(
        "k inferred at full length without the charge for large logits",
        {"without shrinking": method(**CHOSEN["flow, k inferred"], logit_l2=0.0)}, ("equivariance", "recognition"),
    ),
    "spare": Experiment(
        "k inferred with twice as many potentials as factors",
        {"k inferred, six potentials": method(base=SHORT_BASE, **CHOSEN["flow, k inferred"], potentials=6)},
        ("chosen", "equivariance", "recognition"),
    ),
    "midway": Experiment(
        "k inferred, one for a sequence, from sequences half of which change to another factor midway",
        {"k inferred, half of them switch": method(base=SHORT_BASE, **CHOSEN["flow, k inferred"], programs="switched")},
        ("equivariance", "recognition"),
    ),
    "operators": Experiment(
        "two baselines without a flow, moved by linear regressions instead of the mean displacement",
        {label: method(**CHOSEN[label] | {"model": f"{CHOSEN[label]['model']}-regression"}) for label in ("VAE", "SlowVAE")},
        ("equivariance",),
    ),
    "longer": Experiment(
        "four times as many steps: does more training change the verdict?",
        {label: method(base=LONG_BASE, **CHOSEN[label] | LONG.get(label, {})) for label in ("flow, k given", "PoFlow", "VAE", "SlowVAE")},
        ("composition", "equivariance", "likelihood"),
    ),
    "tvae-longer": Experiment(
        "TVAE with four times as many steps: has it converged?", {"TVAE": method(base=LONG_BASE, **CHOSEN["TVAE"])}, ("equivariance", "ladder"),
    ),
    "tight": Experiment(
        "every method in a third of the steps: likelihoods of known tightness, the ladder of operators, another sequence's motion",
        {label: method(base=SHORT_BASE, **settings) for label, settings in CHOSEN.items()},
        ("equivariance", "ladder", "swap", "tight_likelihood"),
    ),
    "tight-patient": Experiment(
        "SlowVAE, the flow and TVAE of `tight`, annealed with 500 temperatures instead of 40",
        {label: method(base=SHORT_BASE, **CHOSEN[label]) for label in ("SlowVAE", "flow, k given", "TVAE")}, ("patient_likelihood",),
    ),
    "equal-time-search": Experiment(
        "rate and memory of Adam, equal processor time for every method", equal_time_search(), ("validation",), (0,)
    ),
    "equal-time": Experiment(
        "equal processor time: a flow without noise, and what it is to be compared with",
        equal_time(EQUAL_TIME), ("equivariance", "ladder", "long"),
    ),
    "equal-time-nats": Experiment(
        "likelihoods of known tightness of the four whose codes move without noise, equal processor time",
        equal_time(("flow without noise", "PoFlow", "linear motion", "linear motion, skew")), ("tight_likelihood",),
    ),
    "equal-time-full": Experiment(
        "as equal-time, five times as long",
        equal_time(("flow without noise", "PoFlow", "linear motion", "linear motion, skew", "SlowVAE"), FULL_BASE),
        ("equivariance", "ladder", "long", "other_images", "swap", "tight_likelihood"),
    ),
    "searched-full": Experiment(
        "the flow and the linear motion of `equal-time-full`, their modes looked for at length and annealed with 500 temperatures",
        equal_time(("flow without noise", "linear motion"), FULL_BASE), ("searched_likelihood",),
    ),
    "sharp-search": Experiment(
        "the rate of refined networks with Muon, equal processor time for every method", sharp_search(), ("validation",), (0,)
    ),
    "sharp": Experiment(
        "as equal-time-full, in the same time, with refined networks and Muon: how much of the error is the decoder's?",
        equal_time(SHARP_STEPS, SHARP_BASE, SHARP_STEPS, SHARPENED), ("equivariance", "fitted_likelihood", "ladder", "long", "long_limit"),
    ),
    "labels": Experiment(
        "the flow of `equal-time-full` beyond T: which label, and at which place?",
        equal_time(("flow without noise", "PoFlow"), FULL_BASE), ("labels",),
    ),
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
    "bits": Experiment(
        "a proper likelihood of 8-bit values, equal processor time, as long as in equal-time-full",
        equal_time(IN_BITS, FULL_BASE, IN_BITS, likelihood="logistic"),
        ("equivariance", "fitted_likelihood", "tight_likelihood"),
    ),
    "bits-searched": Experiment(
        "the flow and the linear motion of `bits`, their modes looked for at length and annealed with 500 temperatures",
        equal_time(("flow without noise", "linear motion"), FULL_BASE, IN_BITS, likelihood="logistic"), ("searched_likelihood",),
    ),
    "unlabelled": Experiment(
        "digits, several factors in every step and no labels: spike-and-slab strengths of fields of two kinds",
        of_two_kinds(UNLABELLED, 4),
        ("fields",),
    ),
    "unlabelled-rooms": Experiment(
        "rooms, several factors in every step and no labels: three of them are cyclic",
        of_two_kinds(UNLABELLED_ROOMS, 5),
        ("fields", "fields_in_place"),
    ),
    "unlabelled-charge": Experiment(
        "as `unlabelled`, with both kinds of fields: a third of the charge; and the charge at full from the first step",
        # at the full rate a run without warm-up diverged
        unlabelled({"β = 1": {"beta": 1.0}, "half the rate": SLOWER, "half the rate, no warm-up": SLOWER | {"warm_up": 0.0}}), ("fields",),
    ),
}  # fmt: skip


def experiment(name: str) -> Experiment:
    """A named experiment; raises for a name that is not there."""
    if name not in EXPERIMENTS:
        raise FlowlibError(f"unknown experiment {name!r}: choose one of {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]
