"""Every option of a run in one frozen dataclass, the named presets, and the JSON file beside each checkpoint."""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Literal, get_args, get_origin

from flowlib.atomic_io import read_json
from flowlib.errors import FlowlibError


@dataclass(frozen=True)
class Config:
    """Options of a training run. Symbols as in the notation page; lengths in pixels, losses in nats."""

    # data
    data: str = "digits"
    """digits, embedded; mnist; rooms; studio; small-studio; shapes3d; falcor3d:PATH; isaac3d:PATH; or a path: of a folder of images, an .npz or .h5."""
    channels: int = 3
    """C of the images; read from the data at a path."""
    size: int = 28
    """Their side in pixels; read from the data at a path. Images of a folder that have other sides are cropped and resized to it."""
    data_digest: str = ""
    """What the files at a path hold, in short; read from them. A run goes on, and is evaluated, with the data that it began with."""
    held_out: float = 0.2
    """The share of the data at a path, or of a full factorial data set, that is kept for evaluation."""
    parted: Literal["starts", "lines"] = "starts"
    """What training does not share with the held-out part of a full factorial data set: starts; or any frame on the held-out lines, along every factor."""
    factors: tuple[str, ...] = ("scale", "rotation", "hue")
    """The K transformations, one potential each; of sequences, the names of their labels. A folder's, unless named: scale, rotation and, in colour, hue."""
    horizon: int = 8
    """T, the number of transformation steps in a sequence."""
    batch_size: int = 128
    """B, sequences per training step; rounded down to a multiple of K, so that each factor has equally many."""
    batches: Literal["balanced", "single"] = "balanced"
    """A training batch holds equally many sequences of each factor, or, as in the paper's code, those of one that is drawn (chapter 13)."""
    frames_per_step: int = 1
    """How many of the frames x_1 … x_T a training batch holds besides x_0, reweighted by T/n: what a step decodes, unless `decoded` is one."""
    decoded: Literal["all", "one"] = "all"
    """Of the frames of a training batch, decode all; or of each sequence one, drawn in proportion to its weight: 1/(T+1) for x_0."""
    starts: Literal["plain", "moved", "late", "anywhere", "mixed"] = "plain"
    """Training sequences begin plain; or half of them moved, by the other factors (moved), the own (late), all (anywhere); mixed: several move at once, for models that train without labels, such as flow-inferred and sparse."""
    programs: Literal["single", "composed", "seldom", "switched", "often"] = "single"
    """What moves a training sequence: one factor; in half of them two in turn (switched); two in turn or at once in two thirds (composed), one (seldom), or three quarters, mostly at once (often)."""
    left_out: tuple[int, ...] = ()
    """Digits that are left out of training (M19); the held-out part always has all ten."""
    corner: tuple[str, ...] = ()
    """Factors of a full factorial data set whose upper halves, all at once, are left out of training: unseen combinations (M19)."""
    validation: int = 0
    """How many of the last training images are kept out of training, to choose hyper-parameters on."""
    images: int = 0
    """How many images of each part of the data are used, the first ones (0: all)."""

    # model
    model: str = "flow"
    """The model's name, as its module registers it: flow, flow-inferred, vae and others. Of data without labels, where none is named, flow-inferred."""
    options: dict[str, float | bool | str] = field(default_factory=dict, hash=False)
    """The model's own options, for instance beta 4 for the model vae."""
    latent_dim: int = 32
    """d, the size of a latent code."""
    network: Literal["conv", "refined", "mlp"] = "conv"
    """Encoder and decoder: convolutional; the same, refined by layer norm and more convolutions in the decoder; or plain fully connected."""
    width: int = 16
    """Channels of the convolutional networks' finest layer; hidden layers have 16 times as many units."""
    potential_width: int = 64
    """Hidden units of each potential u^k."""
    potential_depth: int = 2
    """Hidden layers of each potential."""
    time_free: bool = False
    """Potentials u^k(z) of the place alone, without a time label."""
    bounded_potential: bool = False
    """An output tanh on the potential, as in the paper's code."""
    diffusion: float = 0.01
    """Initial D_k of the prior's diffusion (M9)."""
    learn_diffusion: bool = True
    """Let D_k follow the gradient of the objective."""
    prior: Literal["diffusion", "none"] = "diffusion"
    """The prior's flow: diffusion (M9), or none, that is the posterior's own, so that only z_0 has a divergence. A model that does not read it takes diffusion."""
    velocity: Literal["gradient", "turning", "quadratic", "rotating", "free"] = "gradient"
    """The velocity of the posterior flow: ∇u, the gradient of a potential; ∇u + Az, which may rotate (turning); as ablations A symmetric (quadratic), antisymmetric (rotating), or any field (free)."""

    # objective
    objective: Literal["marginal", "path"] = "path"
    """marginal: M13, a composite likelihood of the frames; path: M14, the ELBO of the sequence."""
    likelihood: Literal["bernoulli", "gaussian", "logistic"] = "bernoulli"
    """p(x|z): Bernoulli on the decoder's logits (a pseudo-likelihood), Gaussian, or a discretised logistic of learned scale on 8-bit values."""
    noise_std: float = 0.1
    """Standard deviation of the Gaussian likelihood, and that with which the logistic one begins; not used by the Bernoulli."""
    log_det: Literal["exact", "series", "trace", "rows", "none"] = "exact"
    """log|det(I + H)| in the marginal objective: exact, power series (large d, ‖H‖ < 1), its first term, row sums (chapter 13), or left out."""
    log_det_steps: int = 0
    """At how many steps of each sequence, drawn anew in every training step, it is taken; reweighted by T/n (0: at all T)."""
    hj_penalty: Literal["zero", "viscous", "paper", "none"] = "zero"
    """Hamilton–Jacobi penalty (M12): residual to zero, the viscous residual, the paper's driving force, or none."""
    hj_weight: float = 1e4
    """Weight of that penalty against the objective in nats; r is of the size of ½‖∇u‖², about 0.01, so r² is small."""

    agreement: float = 0.0
    """Weight of Σ_t ‖z_t − μ(x_t)‖², in nats, which draws codes that were moved to those that the encoder gives the frames (chapter 11)."""

    # optimisation
    steps: int = 7000
    """Optimiser steps. The learning rate falls over all of them, so that a run that is done cannot be made longer."""
    optimizer: Literal["adam", "muon"] = "adam"
    """adam; or muon for the matrices of encoder and decoder, and Adam for everything else."""
    learning_rate: float = 3e-3
    """Peak learning rate, of Adam and of Muon, whose steps are as long."""
    adam_beta2: float = 0.999
    """Adam's memory of squared gradients: 0.999 is about 1 000 steps, 0.95 twenty, which allows larger rates."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """cosine: 5 % warm-up, then a cosine decay to 1 % of the peak; constant: as in the paper's code."""
    seed: int = 0
    """Seeds the weights and every random number of the run."""
    checkpoint_every: int = 500
    """Steps between checkpoints: the most that an interruption can lose."""

    @property
    def batch(self):
        """The batch size in use: a multiple of K."""
        return self.batch_size // len(self.factors) * len(self.factors)

    def __post_init__(self):
        _validate(self)


def _validate(config):
    for option in dataclasses.fields(config):
        _check_option(option.name, option.type, getattr(config, option.name))
    if not isinstance(config.factors, tuple) or not 0 < len(config.factors) == len(set(config.factors)):
        raise FlowlibError(f"factors = {config.factors!r}: name one or more different transformations")
    if not isinstance(config.left_out, tuple) or not set(config.left_out) < set(range(10)):
        raise FlowlibError(f"left_out = {config.left_out!r}: name digits from 0 to 9, not all of them")
    if not isinstance(config.corner, tuple) or len(set(config.corner)) < len(config.corner):
        raise FlowlibError(f"corner = {config.corner!r}: name different factors of a full factorial data set, or none")
    if not isinstance(config.options, dict) or not all(_is_plain(value) for value in config.options.values()):
        raise FlowlibError(f"options = {config.options!r}: give finite numbers, words or truth values by name, such as beta 4")
    if config.velocity != "gradient" and (config.hj_penalty != "none" or config.objective == "marginal"):
        raise FlowlibError(
            f"velocity = {config.velocity!r} is not ∇u of the potential alone: use it with hj_penalty none and the path objective"
        )
    if config.prior == "none" and config.objective == "marginal":
        raise FlowlibError(
            "objective = 'marginal' needs a prior flow: choose prior diffusion (as the preset tutorial-mnist), or objective path"
        )
    if config.bounded_potential and config.velocity != "gradient":
        raise FlowlibError(f"bounded_potential = True is for velocity gradient alone, not {config.velocity!r}: choose bounded_potential False")
    if config.log_det_steps and (config.objective != "marginal" or config.log_det == "none"):
        raise FlowlibError(
            f"log_det_steps = {config.log_det_steps}: nothing takes a log-determinant; choose objective marginal, with its prior and a log_det"
        )
    if config.programs == "switched" and config.horizon < 2:
        raise FlowlibError("programs = 'switched' changes the factor after a step and before the last: give sequences of two steps or more")
    if config.hj_penalty == "paper" and config.programs != "single":
        raise FlowlibError("hj_penalty = 'paper' has one driving force for each factor: with programs, choose zero or none")
    if config.hj_penalty == "viscous" and (config.bounded_potential or config.objective != "path" or config.prior == "none"):
        raise FlowlibError("hj_penalty = 'viscous' is for the noisy path: objective path with its prior, and bounded_potential False")
    for name, what in (("validation", "images"), ("images", "images"), ("log_det_steps", "steps")):
        if getattr(config, name) < 0:
            raise FlowlibError(f"{name} = {getattr(config, name)}: give the number of {what}, 0 or more")
    if not 0 <= config.seed < 2**32:
        raise FlowlibError(f"seed = {config.seed}: give a whole number from 0 to 2^32 − 1")
    if config.size < 4:
        raise FlowlibError(f"size = {config.size}: give images of 4 or more pixels a side (16 to 128 are tested)")
    for name in ("held_out", "adam_beta2"):
        if not 0 < getattr(config, name) < 1:
            raise FlowlibError(f"{name} = {getattr(config, name)}: give a number between 0 and 1")
    for name, low in (("diffusion", 0.0), ("noise_std", 0.0), ("learning_rate", 0.0), ("hj_weight", -1e-300), ("agreement", -1e-300)):
        value = getattr(config, name)
        if not low < value < float("inf"):
            raise FlowlibError(f"{name} = {value}: give a finite number {'≥' if low < 0 else '>'} 0")
    for name in ("frames_per_step", "log_det_steps"):
        if getattr(config, name) > config.horizon:
            raise FlowlibError(f"{name} = {getattr(config, name)} is more than the horizon {config.horizon}")
    if config.batch_size < len(config.factors):
        raise FlowlibError(f"batch_size = {config.batch_size}: a batch holds each of {len(config.factors)} factors")


def _is_plain(value):
    return type(value) in (bool, str) or type(value) in (int, float) and abs(value) < float("inf")


def _check_option(name, kind, value):
    """Raise for a value that is not of the option's type, or not among its choices."""
    if kind in (int, float, bool, str):
        if type(value) is not kind and (kind, type(value)) != (float, int):
            raise FlowlibError(f"{name} = {value!r}: give a value of type {kind.__name__}")
        if kind is int and name not in ("seed", "validation", "images", "log_det_steps") and value <= 0:
            raise FlowlibError(f"{name} = {value}: give a positive whole number")
    if get_origin(kind) is Literal and value not in get_args(kind):
        raise FlowlibError(f"{name} = {value!r}: choose one of {', '.join(get_args(kind))}")


# The settings of the paper's code: all widths tied to d (20 channels give 320 hidden units), every frame decoded, constant
# learning rate. At d = 324 the exact determinant needs gigabytes; the bounded potentials keep ‖H‖ small enough for the series.
PAPER = {
    "latent_dim": 324, "width": 20, "potential_width": 324, "bounded_potential": True, "objective": "marginal", "log_det": "series",
    "hj_penalty": "paper", "hj_weight": 1.0, "steps": 100_000, "learning_rate": 1e-4, "schedule": "constant",
}  # fmt: skip
ROOM = ("floor_hue", "wall_hue", "object_hue", "scale", "orientation")  # moves in 7 steps of one value each; the shape has only 4 values
ISAAC = ("robot_x", "robot_y", "camera_height", "object_scale", "lighting_intensity", "lighting_y", "object_color", "wall_color")
STUDIO = ("light_intensity", "light_x", "camera_x", "object_hue", "wall_hue", "robot_x", "robot_y")

# Networks that draw more sharply in the same time, for a motion without noise between frames.
SHARP = {"prior": "none", "hj_penalty": "none", "network": "refined", "optimizer": "muon", "learning_rate": 6e-3, "adam_beta2": 0.95}
ROOMS = {"data": "rooms", "factors": ROOM, "horizon": 7, "held_out": 0.0004, "parted": "lines", "batch_size": 50}
ARM = {"data": "small-studio", "factors": STUDIO, "horizon": 3, "held_out": 0.0027, "parted": "lines", "batch_size": 49}
SCENE = {"size": 64, "latent_dim": 16, "width": 8, "steps": 3000}
TURNING = SHARP | {"velocity": "turning", "decoded": "one"}

PRESETS = {
    # For eight minutes on two CPU cores; rate, batch and second moments by the search in benchmarks/preset.py: of chapter 8's model, and
    # of the same without noise between frames, which errs less.
    "tutorial-mnist": Config(batch_size=63, steps=15_000, learning_rate=6e-3, adam_beta2=0.95),
    "tutorial-noiseless": Config(batch_size=63, steps=15_000, learning_rate=6e-3, adam_beta2=0.95, prior="none"),
    "tutorial-sharp": Config(**SHARP | {"batch_size": 63, "steps": 7900, "checkpoint_every": 1000}),
    # Ten minutes: chapter 8's model, and in the same time one that turns and draws more sharply.
    "tutorial-shapes": Config(**SCENE | ROOMS),
    "tutorial-studio": Config(**SCENE | ARM),
    "tutorial-sharp-shapes": Config(**SCENE | ROOMS | TURNING),
    "tutorial-sharp-studio": Config(**SCENE | ARM | TURNING),
    "paper-mnist": Config(**PAPER | {"data": "mnist", "frames_per_step": 8, "steps": 90_000}),
    "paper-shapes3d": Config(**PAPER | {
        "data": "shapes3d", "size": 64, "factors": ROOM, "horizon": 7, "frames_per_step": 7, "held_out": 0.0004, "parted": "lines",
        "latent_dim": 226, "width": 14, "potential_width": 226,
    }),
    "paper-falcor3d": Config(**PAPER | {
        "data": "falcor3d", "size": 128, "horizon": 4, "frames_per_step": 4, "held_out": 0.0008, "parted": "lines",
        "factors": ("lighting_intensity", "lighting_x", "lighting_y", "lighting_z", "camera_x", "camera_y", "camera_z"),
    }),
    "paper-isaac3d": Config(**PAPER | {
        "data": "isaac3d", "size": 128, "factors": ISAAC, "horizon": 3, "frames_per_step": 3, "held_out": 0.0006, "parted": "lines",
    }),
}  # fmt: skip

DEFAULT = "tutorial-sharp"  # of `train`, wherever it is called


# Options that choose a method. A model reads those that it names in `uses`; the others stay at their defaults.
CHOICES = (
    "decoded", "time_free", "bounded_potential", "diffusion", "learn_diffusion", "prior", "velocity", "objective", "log_det", "log_det_steps", "hj_penalty",
    "hj_weight", "agreement",
)  # fmt: skip


def for_model(config: Config, model: str) -> Config:
    """A preset's settings for this model: with another than the preset's own, the choices of method take their defaults."""
    if model == config.model:
        return config
    return dataclasses.replace(config, model=model, **{name: getattr(Config, name) for name in CHOICES})


def preset(name: str) -> Config:
    """A named preset; raises for a name that is not there."""
    if name not in PRESETS:
        raise FlowlibError(f"unknown preset {name!r}: choose one of {', '.join(PRESETS)}")
    return PRESETS[name]


CHANGED = "the data {} have changed (something was added, removed, renamed or altered, or a transformation has other strengths, or does something else)"


def differences(there: Config, asked: Config) -> list[str]:
    """The names of the options in which two configurations differ; a digest that was never taken is no difference."""
    known = there.data_digest and asked.data_digest
    return [name for name, value in vars(there).items() if value != getattr(asked, name) and (name != "data_digest" or known)]


def to_json(config: Config) -> str:
    """The configuration as it is saved beside a checkpoint."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def from_json(path) -> Config:
    """Read a saved configuration; raises for unknown options and for a file that is no JSON."""
    return from_values(read_json(path), path)


def from_values(values, source) -> Config:
    """The configuration in a dict that was read from `source`; an option that is missing there takes its default.

    An older version of flowlib wrote what it knew: what it did not know yet, it did as the default does. Raises FlowlibError for
    unknown options, naming them: what they ask for would silently not be done.
    """
    if not isinstance(values, dict):
        raise FlowlibError(f"{source} is not a configuration of this version of flowlib: it holds no options by name")
    unknown = sorted(set(values) - {field.name for field in dataclasses.fields(Config)})
    if unknown:
        raise FlowlibError(f"{source} is not a configuration of this version of flowlib: options {unknown} are unknown here")
    return Config(**with_tuples(values))


def with_tuples(values: dict) -> dict:
    """Options by name, with tuples where JSON, which knows none, or a user has lists or sets."""
    return values | {name: tuple(values[name]) for name in ("factors", "left_out", "corner") if isinstance(values.get(name), list | set)}
