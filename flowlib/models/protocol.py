"""The small protocol that every model of the book implements; training, evaluation and pictures know nothing else."""

from dataclasses import dataclass
from typing import Protocol

from jaxtyping import Float
from torch import Tensor

from flowlib.data import Batch
from flowlib.flows.prior import LOG_2PI, normal_like


@dataclass(frozen=True)
class Posterior:
    """q(z|x) = N(mean, diag exp(2 log_std)), (B, d) each."""

    mean: Float[Tensor, "B d"]
    log_std: Float[Tensor, "B d"]

    def sample(self, generator=None) -> Float[Tensor, "B d"]:
        """A reparametrised sample."""
        return self.mean + self.log_std.exp() * normal_like(self.mean, generator)

    def log_prob(self, z: Float[Tensor, "B d"]) -> Float[Tensor, " B"]:
        """log q(z|x)."""
        scaled = (z - self.mean) * (-self.log_std).exp()
        return (-0.5 * scaled.square() - self.log_std).sum(-1) - 0.5 * z.shape[-1] * LOG_2PI

    def kl(self) -> Float[Tensor, " B"]:
        """KL[q(z|x) ‖ N(0, I)] = ½ Σ (μ² + σ² − 1 − log σ²)."""
        return 0.5 * (self.mean.square() + (2 * self.log_std).exp() - 1 - 2 * self.log_std).sum(-1)


class Model(Protocol):
    """What a model owes the rest. `factor` is one index for all samples or (B,) labels; latents are (B, d).

    `likelihood` : an object of `flowlib.models.likelihood`, which reads what `decode` returns.
    The constructor is called as (config, **options): own options are keyword parameters with defaults, and their
    annotations (float, int, bool, str or a Literal of choices) say what is accepted. `flowlib.models.contract` checks all of this.
    What some models have besides is in `Extras`.
    """

    likelihood: object

    def encode(self, images: Tensor) -> Posterior:
        """q(z|x) of images (B, C, H, W)."""

    def decode(self, z: Tensor) -> Tensor:
        """The parameters (…, C, H, W) of p(x|z) for latents (…, d): logits or means, as `likelihood` reads them."""

    def transport(self, z: Tensor, factor, steps, first=1) -> Tensor:
        """The codes at the times of `flowlib.flows.stops(steps, first)`, (B, times, d): the one place where a latent moves after training.

        For a whole number of steps these are z_0 … z_steps, (B, steps + 1, d); `first` labels the first step's time.
        Negative steps undo: transport(·, −n, first) begins where transport(·, n, first) ends, and goes back to where that began, as
        far as no two codes lead there (a flow whose steps fold finds one of them, or none: `flowlib.flows.backward`).
        Where a model knows no way back, or no part of a step, it raises FlowlibError.
        """

    def infer_factor(self, batch: Batch) -> Tensor:
        """Which factor moves each sequence (B,): `batch.factor` where it is given."""

    def calibrate(self, sequences) -> "Model":
        """Measure on the training set, after training, what the model needs beyond its weights; returns the model."""

    def frame_log_weights(self, batch: Batch, generator=None) -> Tensor:
        """One draw of the importance weights log w of every frame (B, frames) (M17)."""

    def objective(self, batch: Batch, generator=None) -> dict[str, Tensor]:
        """Named scalars in nats per sequence; "loss" is what the trainer minimises, and depends on every trainable parameter."""


class Extras(Protocol):
    """What a model may have besides. Ask by `has_potentials` and `weighs_sequences`, never for a class."""

    follows_gradients: bool
    """Whether `flow` exists and follows gradients of potentials; a free velocity's Jacobian is not symmetric."""

    def flow(self, z: Tensor, factor, steps: int, first=1, hessian=False, noise_scale=None, generator=None):
        """The motion as a `flowlib.flows.Trajectory`, differentiable, in training and after it; `transport` returns its path alone.

        Whoever wants another motion of a `FlowVAE` overrides this: objective, likelihoods, geometry and `transport` all call it.
        first : the label of the first step, or one for each sample (B,)
        """

    def sequence_log_weights(self, batch: Batch, generator=None) -> Tensor:
        """One draw of log w of whole sequences (B,) (M17); without it a sequence is the sum of its independent frames."""

    def frame_joint(self, batch: Batch):
        """log p(z, x_t) of every frame by itself, a `flowlib.models.joint.Joint`: what tight likelihoods ask for. `LatentModel` has N(0, I).

        Where there is none the model carries `has_joint = False`.
        """

    def sequence_joint(self, batch: Batch):
        """log p(z̄, x̄|k) of whole sequences, a `Joint`; without it a sequence is the sum of its independent frames."""

    beginning: int
    """n, where every training batch must hold x_1 … x_n of its sequences besides the random ones (`data.Source.training_batch`)."""

    capturable: bool
    """Whether `objective` is the same operations for all batches of the same shapes and factors, without a look at a value or a count of calls:
    then a GPU makes a training step from one graph (`flowlib.training.captured`). Not inherited: a subclass, which could do more, says so anew."""

    def motion(self, batch: Batch) -> Tensor:
        """What moves each sequence (B, n, …), found from its frames, where that is more than a label: `transport` takes it for `factor`.

        Of two or more dimensions: (B,) are labels.
        """

    def recognise(self, batch: Batch) -> Tensor:
        """q(k|x̄) (B, K), where k is inferred."""


def has_density(model) -> bool:
    """Whether a model says how probable images are (M17); where not, it carries `has_density = False`."""
    return getattr(model, "has_density", True)


def has_joint(model) -> bool:
    """Whether a model's latents and frames have a joint density, which a proposal can climb; where not, it carries `has_joint = False`."""
    return has_density(model) and getattr(model, "has_joint", True)


def has_potentials(model) -> bool:
    """Whether a model's `flow` follows gradients."""
    return bool(getattr(model, "follows_gradients", False))


def weighs_sequences(model) -> bool:
    """Whether a model has `sequence_log_weights`."""
    return hasattr(model, "sequence_log_weights")
