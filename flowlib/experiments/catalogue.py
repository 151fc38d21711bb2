"""The named experiments, of all chapters."""

from flowlib.errors import FlowlibError
from flowlib.experiments.catalogue_composing import COMPOSING_EXPERIMENTS
from flowlib.experiments.catalogue_scenes import SCENE_EXPERIMENTS
from flowlib.experiments.experiment import Experiment
from flowlib.experiments.settings import (
    CHOSEN,
    EQUAL_TIME,
    FULL_BASE,
    IN_BITS,
    LONG_BASE,
    SEARCH_BASE,
    SHARP_BASE,
    SHARP_STEPS,
    SHARPENED,
    SHORT_BASE,
    UNLABELLED,
    UNLABELLED_ROOMS,
    equal_time,
    method,
)
from flowlib.experiments.variants import (
    LONG,
    SLOWER,
    ablations,
    apart,
    collapse,
    equal_time_search,
    estimators,
    of_two_kinds,
    penalties,
    search,
    settings_apart,
    sharp_search,
    unlabelled,
    variants,
)

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
    **COMPOSING_EXPERIMENTS,
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
        "SlowVAE, the flow, also with k inferred, and TVAE of `tight`, annealed with 500 temperatures instead of 40",
        {label: method(base=SHORT_BASE, **CHOSEN[label]) for label in ("SlowVAE", "flow, k given", "TVAE", "flow, k inferred")}, ("patient_likelihood",),
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
    **SCENE_EXPERIMENTS,
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
