"""Meta-sequential prediction (Miyato, Koyama, Fukumizu, NeurIPS 2022, arXiv 2210.05972): every sequence has a matrix of its own."""

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.config import Config
from flowlib.data import Batch, Source
from flowlib.errors import FlowlibError
from flowlib.flows import are_whole, codes_at, stops
from flowlib.models.base import LatentModel, paths_of
from flowlib.models.registry import register


@register("msp")
class MSP(LatentModel):
    """A code is a matrix Z (a, m) = (rows, d / a), and one step multiplies it: Z_t = Mᵗ Z_0. M is solved for, not learned:

        M = argmin Σ_{t<seen} ‖Z_t − M Z_{t−1}‖²   of the codes of the first frames x_0 … x_{seen−1} of the same sequence.

    The loss is −log p of x_0 and of later frames, drawn from Mᵗ Z_0; its gradient goes through the solution of the least squares.
    The factor k is never read. `motion` gives each sequence its own M, and `transport` takes matrices (B, a, a) in the place of labels.
    With a label it moves by M_k, the least-squares matrix of all training sequences of a factor together, measured by `calibrate`.

    Departures from the paper: the later frame is any of x_1 … x_T and is predicted from Z_0, as everywhere in the comparison, there
    the frames after those that M has seen, from the last of these; a small ridge; d = 32 numbers in a code, there thousands; no
    simultaneous block-diagonalisation afterwards. Codes are the encoder's means, and there is no KL, so its log σ is not trained and
    nothing says how probable an image is: this model has no likelihood.

    rows : a, a divisor of d (0: the largest that is not above √d, so that two frames determine M)
    seen : how many first frames M is solved from, 2 or more;  ridge : ≥ 0, times tr(Σ Z Zᵀ) / a on the diagonal of the normal equations
    """

    has_density = False
    needs_labels = False
    any_steps = True

    def __init__(self, config: Config, rows: int = 0, seen: int = 2, ridge=1e-4, **networks):
        super().__init__(config, **networks)
        dim = config.latent_dim
        rows = rows or max(a for a in range(1, dim + 1) if dim % a == 0 and a * a <= dim)
        if rows < 1 or dim % rows:
            raise FlowlibError(f"rows = {rows}: give a divisor of latent_dim = {dim}, or 0")
        if not 2 <= seen <= config.horizon + 1:
            raise FlowlibError(f"seen = {seen}: a sequence has {config.horizon + 1} frames, and two or more of them determine M")
        if not 0 <= ridge < float("inf"):
            raise FlowlibError(f"ridge = {ridge}: give a finite number ≥ 0")
        self.rows, self.seen, self.ridge = rows, seen, ridge
        self.register_buffer("matrices", torch.eye(rows).repeat(len(config.factors), 1, 1))

    def _unmeasured(self):
        return torch.eye(self.rows, dtype=self.matrices.dtype, device=self.matrices.device).expand_as(self.matrices)

    @property
    def beginning(self):
        """A training batch holds x_1 … x_{seen−1} besides the random later frames: with x_0 they give M."""
        return self.seen - 1

    def solve(self, codes: Float[Tensor, "*B seen d"]) -> Float[Tensor, "*B a a"]:
        """The least-squares M of consecutive codes of each sequence: (Σ Z_t Z_{t−1}ᵀ)(Σ Z_{t−1} Z_{t−1}ᵀ + ridge)⁻¹."""
        path = codes.unflatten(-1, (self.rows, -1))
        here, there = (part.transpose(-3, -2).flatten(-2) for part in (path[..., :-1, :, :], path[..., 1:, :, :]))
        return self._least_squares(here @ here.mT, there @ here.mT)

    def _least_squares(self, gram, cross):
        eye = torch.eye(self.rows, dtype=gram.dtype, device=gram.device)
        level = self.ridge * gram.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
        solution, info = torch.linalg.solve_ex(gram + level * eye, cross.mT)
        if info.any():
            raise FlowlibError("the first codes do not determine M: give a ridge > 0, fewer rows or more seen frames")
        return solution.mT

    def motion(self, batch: Batch) -> Float[Tensor, "B a a"]:
        """M of each sequence, from its frames x_0 … x_{seen−1}. Raises FlowlibError where these are not all in the batch."""
        frames = batch.until(self.seen - 1)
        return self.solve(self.encode(frames.flatten(0, 1)).mean.unflatten(0, frames.shape[:2]))

    def transport(self, z: Float[Tensor, "B d"], factor, steps, first=1) -> Float[Tensor, "B frames d"]:
        """Mᵗ Z_0, whatever `first`; M⁻ᵗ Z_0 for negative steps.

        factor : matrices (B, a, a) from `motion`, or an index or labels, for the matrices of `calibrate`
        Raises FlowlibError for parts of a step, which M does not say, and where M has no inverse.
        """
        times = stops(steps, first)
        if not are_whole(times):
            raise FlowlibError(f"steps = {steps}, first = {first}: MSP knows whole steps alone; give whole numbers")
        own = isinstance(factor, Tensor) and factor.ndim == 3
        if not own and torch.equal(self.matrices, self._unmeasured()):
            raise FlowlibError(
                "the matrix of a factor is measured with labels (`calibrate`), and none were there: give matrices, such as model.motion(batch) "
                "finds for sequences"
            )
        matrix = (factor if own else self.matrices[factor]).expand(len(z), -1, -1)
        if steps < 0:
            matrix, info = torch.linalg.inv_ex(matrix)
            if info.any():
                raise FlowlibError("M is singular, so it has no way back")
        path = [z.unflatten(1, (self.rows, -1))]
        for _ in times[1:]:
            path.append(matrix @ path[-1])
        return torch.stack(path, 1).flatten(2)

    def objective(self, batch: Batch, generator=None) -> dict[str, Tensor]:
        """−log p of x_0 and of `frames_per_step` later frames, each from Mᵗ Z_0; these stand for all of x_1 … x_T.

        Of a batch that holds all frames in order, as mixed sequences come, −log p of all.
        """
        shown = batch if batch.complete else batch.take(frames=slice(0, 1 + self.config.frames_per_step))  # the others are there for M
        path = self.transport(self.encode(batch.frames[:, 0]).mean, self.motion(batch), batch.steps)
        log_prob = self.likelihood.log_prob(self.decode(codes_at(path, shown.times)), shown.frames)
        reconstruction = -(log_prob * shown.weights).sum(1).mean()
        return {"loss": reconstruction, "reconstruction": reconstruction}

    @torch.no_grad()
    def calibrate(self, sequences: Source, count: int = 1000):
        """Solve for one matrix per factor, from all steps of the first `count` training sequences; returns the model."""
        for factor in range(len(sequences.factors)) if sequences.labelled else ():
            codes = paths_of(self, sequences, factor, count)
            here, there = (part.unflatten(2, (self.rows, -1)) for part in (codes[:, :-1], codes[:, 1:]))
            gram, cross = (torch.einsum("btim,btjm->ij", one, here) for one in (here, there))
            self.matrices[factor] = self._least_squares(gram, cross)
        return self

    def frame_log_weights(self, batch: Batch, generator=None) -> Float[Tensor, "B frames"]:
        """Raises FlowlibError: without a prior over codes there is no p(x) (M17)."""
        raise FlowlibError("model msp has no prior over codes, so no likelihood: leave this measure out for it")
