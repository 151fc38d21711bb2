"""The flow-factorized VAE with k given: an encoder, a decoder, K potentials and a diffusion prior (M8–M14)."""

from functools import partial
from operator import methodcaller

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flowlib.config import CHOICES, Config
from flowlib.data import Batch
from flowlib.errors import FlowlibError
from flowlib.flows import (
    DiffusionPrior,
    PotentialBank,
    Trajectory,
    TurningBank,
    VelocityBank,
    are_whole,
    codes_at,
    estimated_density_change,
    is_program,
    normal_log_prob,
    rows_density_change,
    run_flow,
    stops,
    trace_density_change,
    travel,
)
from flowlib.models.base import LatentModel
from flowlib.models.hj_penalty import HJPenalty
from flowlib.models.importance import marginal_log_weights, noisy_chain_log_weights, shared_flow_log_weights
from flowlib.models.joint import Joint, NoisyChain, SharedStart, single_frames
from flowlib.models.registry import register

FROM_HESSIAN = {"exact": methodcaller("log_density_change"), "rows": rows_density_change, "trace": trace_density_change}  # kinds of `log_det`


@register("flow")
class FlowVAE(LatentModel):
    """Transforming an image means letting its code flow: z_t = z_{t−1} + ∇u^k(z_{t−1}, t).

    A code moves in one place, `flow`: objective, likelihoods and `transport` all call it. A subclass that overrides `transport` alone
    would train the motion that it had before, and is refused with a FlowlibError where it is defined.

    config : see `flowlib.config.Config`;  networks : own `encoder`, `decoder` (`LatentModel`)
    """

    uses = CHOICES
    any_steps = reads_programs = True
    moved_by = ("flow",)

    def __init__(self, config: Config, **networks):
        super().__init__(config, **networks)
        self._build_flows(len(config.factors))

    def _build_flows(self, count):
        """`count` potentials (or other fields), their D and their penalty."""
        config = self.config
        shape = config.potential_width, config.potential_depth, config.horizon
        fields = {
            "gradient": partial(PotentialBank, bounded=config.bounded_potential),
            "turning": TurningBank,
            "quadratic": partial(TurningBank, part="symmetric"),
            "rotating": partial(TurningBank, part="antisymmetric"),
            "free": VelocityBank,
        }
        self.potentials = fields[config.velocity](count, config.latent_dim, *shape, time_free=config.time_free)
        self.prior = DiffusionPrior(count, config.diffusion, config.learn_diffusion)
        self.penalty = HJPenalty(config.hj_penalty, count, config.latent_dim, config)

    @property
    def follows_gradients(self):
        """Whether the flow has potentials."""
        return self.config.velocity == "gradient"

    @property
    def capturable(self):
        """Not with the exact log-determinant: on a GPU, torch's factors of matrices wait for values."""
        return self.config.prior == "none" or self.config.objective == "path" or self.config.log_det != "exact"

    def idle_parameters(self):
        """A constant added to a potential moves nothing, and without a prior flow its diffusion has no use."""
        constant = [] if self.config.bounded_potential else ["potentials.offset"]
        return constant + (["prior.log_diffusion"] if self.config.prior == "none" else [])

    def transport(self, z: Float[Tensor, "B d"], factor, steps, first=1) -> Float[Tensor, "B frames d"]:
        """The noise-free posterior flow, z_0 … z_steps (M10), also backward and by part of a step (`flowlib.flows.backward`).

        steps : 2.5 gives z_0, z_1, z_2 and z_2.5, which is halfway on the straight line from z_2 to z_3. −2.5 takes z for z_2.5 and gives
            z, z_2, z_1, z_0, so that transport(transport(z, k, −n)[:, -1], k, n)[:, -1] is z, to rounding, for every n. (The other way
            round it is z as long as no step folds: else another code that leads to the same place may be found, `flowlib.flows.backward`. Steps
            of the preset tutorial-sharp fold: of sixty codes that it had moved by eight steps none came home.)
        first : label of the first step, so z stands at time first − 1; 1.5 is in the middle of step 1
        No gradient flows back through undone steps. Raises FlowlibError where a step cannot be undone (`flows.undo`).
        """
        times = stops(steps, first)
        if steps >= 0 and are_whole(times):
            return self.flow(z, factor, len(times) - 1, times[0] + 1).path

        if is_program(factor):
            raise FlowlibError(
                f"steps = {steps}, first = {first}: a program says what acts in each step; it is followed forward, in whole steps"
            )

        def step(here, t, hessian):
            moved = self.flow(here, factor, 1, t, hessian=hessian)
            return moved.velocity[:, 0], moved.hessian[:, 0] if hessian else None

        return travel(step, z, times)

    def flow(self, z: Float[Tensor, "B d"], factor, steps: int, first: int | Int[Tensor, " B"] = 1, **options) -> Trajectory:
        """The flow with its velocities and residuals, and Hessians or noise where asked for (`run_flow`): the method to override.

        With `Config.log_det_steps` it is also asked for single steps from the middle of a path, each sample with a label `first` of its own.
        """
        return run_flow(self.potentials, z, factor, steps, first, **options)

    def log_density_ratio(self, posterior, trajectory: Trajectory, factor, change) -> Float[Tensor, "B frames"]:
        """log q_t(z_t) − log N(z_t; 0, (1 + 2 D_k t) I), t = 0 … T (M13), the flow's `change` of log q given (M11)."""
        path = trajectory.path
        times = torch.arange(path.shape[1], device=path.device, dtype=path.dtype)
        log_q = posterior.log_prob(path[:, 0])[:, None] + change
        return log_q - normal_log_prob(path, 1 + 2 * self.diffusion(factor)[..., None] * times)

    def objective(self, batch: Batch, generator=None) -> dict[str, Tensor]:
        """−(M13 or M14) plus the Hamilton–Jacobi penalty, averaged over the batch, with its terms.

        With prior "none" this is the ELBO of the whole sequence given what moves it, a factor or a program (`Batch.motion`).
        """
        if batch.activity is not None and self.config.prior != "none":
            raise FlowlibError("sequences moved by a program of factors need prior 'none': the noisy path has one D for a sequence")
        return self.loss_terms(batch, batch.motion, generator)

    def loss_terms(self, batch: Batch, factor, generator=None) -> dict[str, Tensor]:
        """The objective's terms when `factor` moves the codes."""
        posterior = self.encode(batch.frames[:, 0])
        z = posterior.sample(generator)
        trajectory, divergences = self._divergences()(posterior, z, factor, batch, generator)
        terms = {"reconstruction": self._reconstruction(trajectory.path, batch, generator), **divergences}
        if self.config.agreement:
            terms["agreement"] = self.config.agreement * self._disagreement(trajectory.path, batch)
        penalty = self.penalty(self.potentials, trajectory, factor, mean=batch.mean_step, **self._of_prior(factor))
        terms = {name: value.mean() for name, value in terms.items()}
        return {"loss": sum(terms.values()) + self.config.hj_weight * penalty, **terms, "hj": penalty}

    def diffusion(self, factor):
        """D_k of each sample's factor."""
        return self.prior.diffusion(factor)

    def _of_prior(self, factor):
        """What the viscous penalty is told besides: the diffusion of the noisy path."""
        return {"diffusion": self.diffusion(factor)} if self.config.hj_penalty == "viscous" else {}

    def _divergences(self):
        """The function that moves z_0 and returns (trajectory, divergences from the prior (B,))."""
        if self.config.prior == "none":
            return self._start_terms
        return self._path_terms if self.config.objective == "path" else self._marginal_terms

    def _reconstruction(self, path, batch, generator=None):
        """−Σ_t log p(x_t|z_t) (B,), estimated from the frames present, or from one of them (`Config.decoded`)."""
        frames, times, weights = (batch.frames, batch.times, batch.weights) if self.config.decoded == "all" else batch.draw_frame(generator)
        return -(self.likelihood.log_prob(self.decode(codes_at(path, times)), frames) * weights).sum(1)

    def _disagreement(self, path, batch) -> Float[Tensor, " B"]:
        """Σ_{t≥1} ‖z_t − μ(x_t)‖², estimated from the frames present besides x_0. It is not negative, so the loss bounds −log p as before."""
        frames, times, weights = batch.frames[:, 1:], batch.times[:, 1:], batch.weights[..., 1:]
        seen = self.encode(frames.flatten(0, 1)).mean.unflatten(0, frames.shape[:2])
        return ((codes_at(path, times) - seen).square().sum(-1) * weights).sum(1)

    def _marginal_terms(self, posterior, z, factor, batch, generator):
        """M13: Σ_t log q_t(z_t) − log N(z_t; 0, (1 + 2 D_k t) I) along the noise-free flow."""
        if self.config.log_det_steps:
            trajectory = self.flow(z, factor, batch.steps)
            change = self._sampled_change(trajectory, factor, batch, generator)
        else:
            trajectory = self.flow(z, factor, batch.steps, hessian=self._reads_hessian)
            change = self._density_change(trajectory, factor, generator)
        return trajectory, {"kl": batch.within(self.log_density_ratio(posterior, trajectory, factor, change)).sum(1)}

    @property
    def _reads_hessian(self):
        return self.config.log_det in FROM_HESSIAN

    def _density_change(self, trajectory, factor, generator, first=1) -> Float[Tensor, "B frames"]:
        """log q_t(z_t) − log q_0(z_0) as `Config.log_det` says."""
        kind = self.config.log_det
        if kind == "series":
            return estimated_density_change(self.potentials, trajectory, factor, generator, first=first)
        return FROM_HESSIAN[kind](trajectory) if kind in FROM_HESSIAN else torch.zeros_like(trajectory.path[..., 0])

    def _sampled_change(self, trajectory, factor, batch, generator) -> Float[Tensor, "B frames"]:
        """`_density_change` from `Config.log_det_steps` different steps of each sequence, drawn uniformly: unbiased. All, where it has no more."""
        path = trajectory.path
        steps, weight = batch.draw_steps(self.config.log_det_steps, generator)
        changes = torch.zeros_like(path[..., 0])
        for at in steps.split(1, dim=1):
            label = at[:, 0] + 1
            step = self.flow(codes_at(path, at)[:, 0], factor, 1, label, hessian=self._reads_hessian)
            changes = changes.scatter(1, at + 1, self._density_change(step, factor, generator, label)[:, 1:])
        return weight * changes.cumsum(1)

    def _path_terms(self, posterior, z, factor, batch, generator):
        """M14: KL[q(z_0|x_0) ‖ N(0, I)] and the kinetic action Σ_t ‖∇u‖² / (4 D_k) along the noisy chain."""
        diffusion = self.diffusion(factor)
        scale = (2 * diffusion).sqrt()
        trajectory = self.flow(z, factor, batch.steps, noise_scale=scale, generator=generator)
        if trajectory.noise is None:
            raise FlowlibError(
                f"{type(self).__name__}.flow was asked for noise (noise_scale) and returned none: add it as `flows.run_flow` does"
            )
        action = batch.within(trajectory.velocity, first=1).square().sum((1, 2)) / (4 * diffusion)
        return trajectory, {"kl": posterior.kl(), "action": action}

    def _start_terms(self, posterior, z, factor, batch, generator):
        """No prior flow: the prior is whatever the noise-free flow makes of N(0, I), so only z_0 has a divergence."""
        return self.flow(z, factor, batch.steps), {"kl": posterior.kl()}

    def frame_log_weights(self, batch: Batch, generator=None) -> Float[Tensor, "B frames"]:
        """One draw of log w for every frame of complete sequences (M17)."""
        if self.config.prior == "none":
            start, frames = shared_flow_log_weights(self, batch, generator)
            return start[:, None] + frames
        return marginal_log_weights(self, batch, generator)

    def sequence_log_weights(self, batch: Batch, generator=None) -> Float[Tensor, " B"]:
        """One draw of log w of whole sequences (M17)."""
        if self.config.prior == "none":
            start, frames = shared_flow_log_weights(self, batch, generator)
            return start + frames.sum(1)
        return noisy_chain_log_weights(self, batch, generator)

    def frame_joint(self, batch: Batch) -> Joint:
        """log p(z, x_t|k) of every frame by itself (M17): under N(0, (1 + 2 D_k t) I), or, without that prior, of the z_0 that flows there."""
        start = self.encode(batch.frames[:, 0]).mean
        if self.config.prior == "none":
            count, frames = batch.times.shape[1], batch.frames.flatten(0, 1)[:, None]
            return SharedStart(self, frames, start.repeat_interleave(count, 0)[:, None], *_each_frame(batch))
        path = self.transport(start, batch.factor, batch.steps)
        return single_frames(self, batch, path, 1 + 2 * self._diffusions(batch)[:, None] * batch.times[..., None])

    def sequence_joint(self, batch: Batch) -> Joint:
        """log p(z̄, x̄|k) of whole sequences (M17): of the noisy chain, or, without a prior flow, of z_0, which flows by itself."""
        start = self.encode(batch.frames[:, 0]).mean
        if self.config.prior == "none":
            return SharedStart(self, batch.frames, start[:, None], batch.factor, batch.times)
        return NoisyChain(self, batch.frames, self.transport(start, batch.factor, batch.steps), self._diffusions(batch))

    def _diffusions(self, batch) -> Float[Tensor, "B K"]:
        """D of every k that may move a sequence: here the one that is given."""
        return self.diffusion(batch.factor)[:, None]


def _each_frame(batch):
    """(factor, times) of sequences of one frame each."""
    return batch.factor.repeat_interleave(batch.times.shape[1]), batch.times.reshape(-1, 1)
