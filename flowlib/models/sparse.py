"""Sparse transformation analysis (Song, Keller, Yue, Perona, Welling, arXiv 2410.05564): fields, their strengths, and no labels."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from flowlib.config import Config
from flowlib.data import Batch, Source
from flowlib.errors import FlowlibError
from flowlib.flows import PotentialBank, SolenoidalBank, are_whole, is_program, normal_log_prob, stops, travel
from flowlib.models.base import LatentModel
from flowlib.models.registry import register
from flowlib.models.spike_slab import SpikeSlab

OPEN = 2.0  # the gates' logits in the beginning


@register("sparse")
class SparseFlowVAE(LatentModel):
    """z_t = z_{t−1} + Σ_f g_tf v_f(z_{t−1}): F fields, some gradients ∇u, some without divergence A∇h, and strengths g, mostly zero.

    p(g_tf) = (1 − π) δ_0 + π N(0, 1) and p(z_0) = N(0, I). q(z_0|x_0) is the encoder's; q(g_t|x_{t−1}, x_t) is a spike and slab, too,
    read from the two frames' codes μ(x_{t−1}), μ(x_t). Given z_0 and g nothing is random, and prior and posterior move by the same map:
    no density changes differently, no determinant is left. So with β = 1 the loss is minus the ELBO of the whole sequence,

        E_q Σ_t log p(x_t|z_t) − KL[q(z_0|x_0) ‖ p(z_0)] − Σ_tf KL[q(g_tf) ‖ p(g_tf)]  ≤  log p(x̄),

    and with β > 1 it is a looser bound. Labels are never read in training; `calibrate` finds afterwards which field does whose work.

    Departures from the paper (its facts from the published code, KingJamesSong/latent-flow at 6952c93): fields are free of divergence by
    construction, not by a penalty, and each has its own strength (the "separate control"); the spikes are independent over time; the
    slab is N(0, 1) around zero; exact KLs for each sequence; fields do not depend on time, so there is no Hamilton–Jacobi penalty.

    gradients, rotations : how many fields of each kind;  activity : π in (0, 1], 1 for no spike;  beta : weight β of the strengths' KL
    warm_up : share of training in which β grows from 0, evenly; gates begin open, so that fields are tried before they are charged
    temperature : of the gates' Concrete distribution, > 0
    """

    any_steps = True
    needs_labels = False
    has_joint = False  # strengths that are zero with a probability have no density
    moved_by = ("move", "velocities")

    def __init__(
        self, config: Config, gradients: int = 4, rotations: int = 4, activity=0.2, beta=3.0, warm_up=0.5,
        temperature=0.5, **networks
    ):  # fmt: skip
        super().__init__(config, **networks)
        if min(gradients, rotations) < 0 or gradients + rotations < len(config.factors):
            raise FlowlibError(
                f"gradients = {gradients}, rotations = {rotations}: give a field for each of the {len(config.factors)} factors, or more"
            )
        if not (0 < activity <= 1 and 0 < temperature < float("inf") and 0 <= beta < float("inf") and 0 <= warm_up <= 1):
            given = f"activity = {activity}, beta = {beta}, temperature = {temperature}, warm_up = {warm_up}"
            raise FlowlibError(f"{given}: give 0 < activity ≤ 1, beta ≥ 0, temperature > 0, 0 ≤ warm_up ≤ 1")
        self.activity, self.beta, self.warm_up, self.temperature, self.gradients = activity, beta, warm_up, temperature, gradients
        shape = config.latent_dim, config.potential_width, config.potential_depth, config.horizon
        kinds = ((PotentialBank, gradients), (SolenoidalBank, rotations))
        self.banks = nn.ModuleList(kind(count, *shape) for kind, count in kinds if count)
        self.fields, hidden = gradients + rotations, 16 * config.width
        self.reader = nn.Sequential(nn.Linear(2 * config.latent_dim, hidden), nn.SiLU(), nn.Linear(hidden, 3 * self.fields))
        self.reader[-1].bias.data[2 * self.fields :] = OPEN
        self.register_buffer("iteration", torch.zeros((), dtype=torch.int64))
        self.register_buffer("order", torch.arange(len(config.factors)))
        self.register_buffer("moves", torch.zeros(len(config.factors), self.fields))

    @property
    def beginning(self):
        """A training batch holds all frames: the strengths of every step are read from its two."""
        return self.config.horizon

    @property
    def weight(self) -> float:
        """β of this training step; after training, β itself."""
        length = self.warm_up * self.config.steps
        return self.beta * min(1.0, self.iteration.item() / length) if self.training and length else self.beta

    def idle_parameters(self):
        """A constant added to a potential, or to a stream function, moves nothing."""
        return [f"banks.{place}.offset" for place in range(len(self.banks))]

    def velocities(self, z: Float[Tensor, "B d"], jacobian=False):
        """v_f(z) of every field, gradients first, (F, B, d), and their Jacobians (F, B, d, d), or None."""
        found = [bank(z.expand(bank.factors, *z.shape), 0.0, hessian=jacobian) for bank in self.banks]
        return torch.cat([one.gradient for one in found]), torch.cat([one.hessian for one in found]) if jacobian else None

    def move(self, z: Float[Tensor, "B d"], strengths: Float[Tensor, "B S F"]) -> Float[Tensor, "B frames d"]:
        """z_0 … z_S under the strengths of each step."""
        path = [z]
        for g in strengths.unbind(1):
            path.append(path[-1] + torch.einsum("fbd,bf->bd", self.velocities(path[-1])[0], g))
        return torch.stack(path, 1)

    def read(self, batch: Batch):
        """(frames in order (B, T + 1, …), q(z_0|x_0), q(g|x̄) of shape (B, T, F)). FlowlibError where frames are missing."""
        frames = batch.until(batch.steps)
        codes = self.encode(frames.flatten(0, 1))
        means = codes.mean.unflatten(0, frames.shape[:2])
        mean, log_std, logit = self.reader(torch.cat([means[:, :-1], means[:, 1:]], -1)).chunk(3, -1)
        first = type(codes)(means[:, 0], codes.log_std.unflatten(0, frames.shape[:2])[:, 0])
        return frames, first, SpikeSlab(mean, log_std.clamp(-6, 3), logit, self.activity)

    def objective(self, batch: Batch, generator=None) -> dict[str, Tensor]:
        """Minus the ELBO of the sequence, the KL of the strengths weighted by β, averaged over the batch, with its terms."""
        frames, first, strengths = self.read(batch)
        path = self.move(first.sample(generator), strengths.sample(self.temperature, generator))
        terms = {
            "reconstruction": -self.likelihood.log_prob(self.decode(path), frames).sum(1).mean(),
            "kl": first.kl().mean(), "kl_g": strengths.kl().sum((1, 2)).mean(),
        }  # fmt: skip
        loss = terms["reconstruction"] + terms["kl"] + self.weight * terms["kl_g"]
        if self.training:
            self.iteration += 1
        return {"loss": loss, **terms}

    def motion(self, batch: Batch) -> Float[Tensor, "B T F"]:
        """The strengths of each sequence's steps, read from its frames: m where γ > ½, else 0."""
        return self.read(batch)[2].likely()

    def transport(self, z: Float[Tensor, "B d"], factor, steps, first=1) -> Float[Tensor, "B frames d"]:
        """The flow of a factor's own field, at the factor's mean strength, whatever `first`; also backward and by parts of a step.

        factor : an index or labels, or strengths (B, S, F) from `motion`, for whole steps forward alone (else FlowlibError). Steps
            beyond S go on with the mean strength of the S steps
        """
        times = stops(steps, first)
        if is_program(factor):
            if steps < 0 or not are_whole(times):
                raise FlowlibError(f"steps = {steps}, first = {first}: strengths belong to whole steps forward; give whole numbers")
            more = factor.mean(1, keepdim=True).expand(-1, max(0, steps - factor.shape[1]), -1)
            return self.move(z, torch.cat([factor, more], 1)[:, :steps])
        strength = self.moves[factor].expand(len(z), -1)

        def step(here, _, jacobian):
            velocity, slope = self.velocities(here, jacobian)
            return torch.einsum("fbd,bf->bd", velocity, strength), torch.einsum("fbij,bf->bij", slope, strength) if jacobian else None

        return travel(step, z, times)

    @torch.no_grad()
    def contributions(self, batch: Batch) -> Float[Tensor, "B T F"]:
        """‖g_tf v_f(z_{t−1})‖²: what each field adds in each step, at the likely strengths and from μ(x_0)."""
        _, first, strengths = self.read(batch)
        likely = strengths.likely()
        path = self.move(first.mean, likely)[:, :-1]
        squares = self.velocities(path.flatten(0, 1))[0].square().sum(-1).T.unflatten(0, path.shape[:2])
        return likely.square() * squares

    @torch.no_grad()
    def calibrate(self, sequences: Source, count: int = 300):
        """Match fields to factors by what each contributes, with labels, once, after training; measure mean strengths; returns the model.

        The matching maximises the sum of shares of squared displacement in the sequences of single factors (Hungarian assignment).
        Without labels nothing can be matched: factor k takes the field that moves codes most but for k others, at its root mean square
        strength where it acts.
        """
        indices = list(range(min(count, len(sequences))))
        order, strengths = self._matched(sequences, indices) if sequences.labelled else self._busiest(sequences.full_batch(indices, None))
        self.order.copy_(order)
        self.moves.copy_(strengths * nn.functional.one_hot(self.order, self.fields))
        return self

    def _matched(self, sequences, indices):
        """(field of each factor (K,), mean strengths of all fields in its sequences (K, F))."""
        from scipy.optimize import linear_sum_assignment

        share, mean = [], []
        for k in range(len(sequences.factors)):
            batch = sequences.full_batch(indices, k)
            added = self.contributions(batch).sum((0, 1))
            share.append(added / added.sum().clamp(min=1e-12))
            mean.append(self.motion(batch).mean((0, 1)))
        return torch.as_tensor(linear_sum_assignment(torch.stack(share).cpu().numpy(), maximize=True)[1]), torch.stack(mean)

    def _busiest(self, batch):
        """(the K fields that move codes most (K,), the usual strength of every field where it acts (F,))."""
        strengths = self.motion(batch)
        usual = (strengths.square().sum((0, 1)) / (strengths != 0).sum((0, 1)).clamp(min=1)).sqrt()
        return self.contributions(batch).sum((0, 1)).argsort(descending=True)[: len(self.order)], usual

    @torch.no_grad()
    def infer_factor(self, batch: Batch) -> Int[Tensor, " B"]:
        """The factor whose own field moves each sequence most."""
        return self.contributions(batch).sum(1)[:, self.order].argmax(-1)

    def _draw(self, batch, generator):
        """(log p(z_0)/q(z_0), log p(g_t)/q(g_t) (B, T), log p(x_t|z_t) (B, T + 1)) of one draw from the posterior."""
        frames, first, strengths = self.read(batch)
        z, g = first.sample(generator), strengths.sample(self.temperature, generator)
        fit = self.likelihood.log_prob(self.decode(self.move(z, g)), frames)
        return normal_log_prob(z) - first.log_prob(z), strengths.log_ratio(g).sum(-1), fit

    def frame_joint(self, batch: Batch):
        """Raises FlowlibError: strengths that are zero with a probability have no density to climb (M17)."""
        raise FlowlibError(
            "model sparse has spikes in its prior, so no joint density to climb: use its frame_log_weights and sequence_log_weights"
        )

    def frame_log_weights(self, batch: Batch, generator=None) -> Float[Tensor, "B frames"]:
        """One draw of log w for every frame in order (M17): x_t depends on z_0 and on g_1 … g_t."""
        start, moved, fit = self._draw(batch, generator)
        return start[:, None] + torch.cat([torch.zeros_like(moved[:, :1]), moved.cumsum(1)], 1) + fit

    def sequence_log_weights(self, batch: Batch, generator=None) -> Float[Tensor, " B"]:
        """One draw of log w of whole sequences (M17): its mean under q is the ELBO."""
        start, moved, fit = self._draw(batch, generator)
        return start + moved.sum(1) + fit.sum(1)
