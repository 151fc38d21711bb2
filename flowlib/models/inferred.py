"""The flow-factorized VAE when nobody says which transformation acts: k is inferred from the sequence (M15)."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flowlib.config import CHOICES, Config
from flowlib.data import Batch
from flowlib.errors import FlowlibError
from flowlib.flows import is_mixture
from flowlib.models.factor_classifier import FactorClassifier, straight_through_sample
from flowlib.models.flow_vae import FlowVAE
from flowlib.models.joint import Joint
from flowlib.models.registry import register


@register("flow-inferred")
class InferredFlowVAE(FlowVAE):
    """q(k|x̄) = Cat(softmax h(x̄)); the flow is Σ_k y_k ∇u^k with y a straight-through Gumbel-softmax sample.

    The labels of a batch are never read in training. Which learned potential belongs to which transformation is settled
    afterwards, by `calibrate`, so that factors have the same numbers everywhere else.

    Three remedies against collapse, one potential serving several transformations and others none; what each of them does is
    measured by the experiments `collapse` and `shrinking`:
    marginal_kl_weight : weight of KL[mean of q(k|x̄) over the batch ‖ 1/K], which asks that all potentials be used
    logit_scale : see `FactorClassifier`; a small one gives the potentials time to become different
    logit_l2 : weight of E‖logits‖²: where one potential is certain, no other is ever tried, and neither y nor the marginal KL has a gradient
    warm_up : share of training in which the temperature falls from 1 to `min_temperature`
    potentials : how many potentials there are, 0 for one for each factor; with more, `calibrate` gives each factor one of its own, and
        nothing is moved by the others afterwards
    """

    uses = tuple(name for name in CHOICES if name not in ("log_det", "log_det_steps"))
    needs_labels = False

    def __init__(
        self,
        config: Config,
        marginal_kl_weight=100.0,
        min_temperature=0.3,
        warm_up=0.5,
        logit_scale=0.1,
        logit_l2=0.3,
        potentials: int = 0,
        **networks,
    ):
        super().__init__(config, **networks)
        if config.objective != "path" or config.hj_penalty == "paper" or config.prior == "none":
            raise FlowlibError("model = 'flow-inferred' mixes potentials: use the path objective with its prior, and hj_penalty zero or none")
        if not (0 < min_temperature <= 1 and 0 < warm_up <= 1 and logit_scale > 0 and min(marginal_kl_weight, logit_l2) >= 0):
            given = f"min_temperature = {min_temperature}, warm_up = {warm_up}, logit_scale = {logit_scale}"
            given = f"{given}, marginal_kl_weight = {marginal_kl_weight}, logit_l2 = {logit_l2}"
            raise FlowlibError(f"{given}: give 0 < min_temperature, warm_up ≤ 1, logit_scale > 0, marginal_kl_weight and logit_l2 ≥ 0")
        factors = len(config.factors)
        self.count = potentials or factors
        if self.count < factors:
            raise FlowlibError(f"potentials = {potentials}: give {factors} or more, one for each factor, or 0")
        if self.count > factors:
            self._build_flows(self.count)
        self.logit_l2, self.marginal_kl_weight, self.min_temperature, self.warm_up = logit_l2, marginal_kl_weight, min_temperature, warm_up
        self.recogniser = FactorClassifier(config.network, config.channels, config.size, self.count, config.width, logit_scale)
        self.register_buffer("iteration", torch.zeros((), dtype=torch.int64))
        self.register_buffer("order", torch.arange(len(config.factors)))

    @property
    def temperature(self) -> float:
        """Of the Gumbel-softmax: falls geometrically from 1 to `min_temperature`, then stays."""
        progress = self.iteration.item() / (self.warm_up * self.config.steps)
        return self.min_temperature ** min(1.0, progress)

    @property
    def numbers(self) -> Int[Tensor, " K"]:
        """The potentials in the order of their numbers: those of the factors, then the others, where some are to spare."""
        if self.count == len(self.order):
            return self.order
        return torch.cat([self.order, self.order.new_tensor(sorted(set(range(self.count)) - set(self.order.tolist())))])

    def flow(self, z: Float[Tensor, "B d"], factor, steps: int, first=1, **options):
        """The flow of factors given by number or label (`numbers`), or of a mixture y (B, K) of the potentials."""
        if is_mixture(factor):
            return super().flow(z, factor, steps, first, **options)
        own = self.numbers[factor]
        return super().flow(z, int(own) if own.ndim == 0 else own, steps, first, **options)

    def diffusion(self, factor):
        """D of the factors' own potentials, or Σ_k y_k D_k."""
        if is_mixture(factor):
            return factor @ self.prior.log_diffusion.exp()
        return self.prior.diffusion(self.numbers[factor])

    def objective(self, batch: Batch, generator=None) -> dict[str, Tensor]:
        """−M14 under the sampled y, plus KL[q(k|x̄) ‖ 1/K], the marginal KL, the charge for large logits and the Hamilton–Jacobi penalty.

        q(k|x̄) is read from the frames at hand. Where a batch holds fewer than all of them, this estimates the bound only as far
        as every frame of a sequence votes for the same k (chapter 9).
        """
        logits = self.recogniser(batch)
        mixture = straight_through_sample(logits, self.temperature, generator)
        if self.training:
            self.iteration += 1
        terms = self.loss_terms(batch, mixture, generator)
        log_q = logits.log_softmax(-1)
        terms["kl_k"] = _to_uniform(log_q).mean()
        terms["marginal_kl"] = _to_uniform(log_q.logsumexp(0) - math.log(len(batch)))
        terms["logit_l2"] = logits.square().sum(-1).mean()
        terms["loss"] = terms["loss"] + terms["kl_k"] + self.marginal_kl_weight * terms["marginal_kl"] + self.logit_l2 * terms["logit_l2"]
        return terms

    def recognise(self, batch: Batch) -> Float[Tensor, "B K"]:
        """q(k|x̄) of the factors' potentials, in the order of the configuration's factors."""
        return self.recogniser(batch).softmax(-1)[:, self.order]

    @torch.no_grad()
    def infer_factor(self, batch: Batch) -> Int[Tensor, " B"]:
        """The most probable factor of each sequence."""
        return self.recognise(batch).argmax(-1)

    @torch.no_grad()
    def infer_potential(self, batch: Batch) -> Int[Tensor, " B"]:
        """The most probable potential of each sequence, by its place in `numbers`."""
        return self.numbers.argsort()[self.recogniser(batch).argmax(-1)]

    @torch.no_grad()
    def calibrate(self, sequences, count: int = 300):
        """Fit the permutation: the matching of potentials to factors that agrees with most training labels."""
        from scipy.optimize import linear_sum_assignment

        if not sequences.labelled:  # nothing to match with: the potentials keep their own numbers
            return self
        indices, factors = list(range(min(count, len(sequences)))), len(self.order)
        agreement = torch.zeros(factors, self.count, device="cpu")
        for factor in range(factors):
            found = self.recogniser(sequences.full_batch(indices, factor)).argmax(-1)
            agreement[factor] = torch.bincount(found, minlength=self.count).cpu()
        self.order.copy_(torch.as_tensor(linear_sum_assignment(agreement.numpy(), maximize=True)[1]))
        return self

    def frame_log_weights(self, batch: Batch, generator=None) -> Float[Tensor, "B frames"]:
        """One draw of log w for p(x_t): k is drawn from q(k|x̄), whose weight is 1 / (K q(k|x̄))."""
        labelled, weight = self._draw_factor(batch, generator)
        return weight[:, None] + super().frame_log_weights(labelled, generator)

    def sequence_log_weights(self, batch: Batch, generator=None) -> Float[Tensor, " B"]:
        """One draw of log w for p(x̄), k summed out by importance sampling."""
        labelled, weight = self._draw_factor(batch, generator)
        return weight + super().sequence_log_weights(labelled, generator)

    def frame_joint(self, batch: Batch) -> Joint:
        """As for a given k, with k summed out; the codes are looked for where the most probable k carries the first."""
        return super().frame_joint(self._named(batch))

    def sequence_joint(self, batch: Batch) -> Joint:
        """log (1/K) Σ_k p(z̄, x̄|k)."""
        return super().sequence_joint(self._named(batch))

    def _named(self, batch):
        return Batch(batch.frames, batch.times, self.infer_factor(batch), batch.steps)

    def _diffusions(self, batch):
        return self.prior.log_diffusion.exp().expand(len(batch), -1)

    def _draw_factor(self, batch, generator):
        probability = self.recogniser(batch).softmax(-1)[:, self.numbers]
        factor = torch.multinomial(probability, 1, generator=generator)[:, 0]
        chosen = probability.gather(1, factor[:, None])[:, 0]
        return Batch(batch.frames, batch.times, factor, batch.steps), -math.log(self.count) - chosen.log()


def _to_uniform(log_probability):
    """KL[Cat(p) ‖ 1/K] over the last dimension, from log p."""
    return math.log(log_probability.shape[-1]) + (log_probability.exp() * log_probability).sum(-1)
