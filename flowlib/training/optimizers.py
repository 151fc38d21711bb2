"""What moves the weights: Adam, and for the matrices of encoder and decoder Muon, where a configuration asks for it.

Muon (Jordan et al., 2024, "Muon: an optimizer for hidden layers in neural networks") orthogonalises a matrix's momentum. torch has one
too (`torch.optim.Muon`), which iterates in half precision: on processors without instructions for it a step of our encoders and decoders
takes ten times as long, and its numbers differ from one processor to the next. This one computes in single precision, on the small Gram
matrix, and agrees with torch's to its rounding (tests/test_optimizers.py).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.config import Config
from flowlib.errors import FlowlibError

A, B, C = 3.4445, -4.7750, 2.0315  # of the odd polynomial aσ + bσ³ + cσ⁵, which brings singular values near 1 fast and keeps them there
ITERATIONS = 4
MOMENTUM = 0.95


def build_optimizers(model, config: Config, device=torch.device("cpu")) -> dict[str, torch.optim.Optimizer]:
    """Name → optimiser; between them they move every parameter that learns. On a CUDA GPU their steps can be captured."""
    on_gpu = device.type == "cuda"
    rate = torch.tensor(config.learning_rate, device=device) if on_gpu else config.learning_rate
    learned = {name: one for name, one in model.named_parameters() if one.requires_grad}
    chosen = config.optimizer == "muon"
    matrices = {name: one for name, one in learned.items() if chosen and one.ndim == 2 and name.startswith(("encoder.", "decoder."))}
    rest = [one for name, one in learned.items() if name not in matrices]
    adam = torch.optim.Adam(rest, lr=rate, betas=(0.9, config.adam_beta2), fused=True, capturable=on_gpu)
    return {"optimizer": adam} | ({"muon": Muon(matrices.values(), rate)} if matrices else {})


def set_learning_rate(optimizers, rate: float):
    """Give all optimisers a rate: where it is a tensor, as on a GPU, it keeps its place, which a captured step reads."""
    for group in (group for one in optimizers for group in one.param_groups):
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def state_of(optimizer, model) -> dict[str, Tensor]:
    """What an optimiser remembers of a model's parameters, as tensors named PARAMETER.WHAT."""
    return {f"{name}.{key}": value for name, one in _moved(optimizer, model).items() for key, value in optimizer.state.get(one, {}).items()}


def restore(optimizer, model, named: dict[str, Tensor]):
    """Let an optimiser remember what `state_of` read from it.

    Raises FlowlibError where other parameters learn than did then, or of other shapes: what is remembered of one is of no use to another.
    """
    moved, state = _moved(optimizer, model), {}
    for place, value in named.items():
        name, _, key = place.rpartition(".")
        state.setdefault(name, {})[key] = value
    if all(map(str.isdigit, state)):  # older files number them, in the optimiser's order
        names = dict(zip(map(str, range(len(moved))), moved, strict=True))
        state = {names.get(number, number): found for number, found in state.items()}
    idle = model.idle_parameters() if hasattr(model, "idle_parameters") else ()
    other = sorted(set(state) - set(moved)) + (sorted(set(moved) - set(state) - set(idle)) if state else [])
    other += [name for name in state.keys() & moved.keys() if any(one.ndim and one.shape != moved[name].shape for one in state[name].values())]
    if other:
        raise FlowlibError(
            f"the run was trained with other parameters free to learn ({', '.join(other[:5])}): freeze those that were frozen then, no others, "
            "or begin a new run"
        )
    places = {name: place for place, name in enumerate(moved)}
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": {places[name]: found for name, found in state.items()}, "param_groups": groups})


def _moved(optimizer, model):
    """Name → parameter, of those that an optimiser moves, in its order."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {names[one]: one for group in optimizer.param_groups for one in group["params"]}


class Muon(torch.optim.Optimizer):
    """W ← W − η · 0.2 √max(m, n) · orthogonalised(g + μ (m − g)) of matrices (m, n), with Nesterov's momentum.

    The factor gives an update the size of one of Adam's, so that both can have one learning rate (Liu et al., 2025, arXiv 2502.16982).
    """

    def __init__(self, matrices, lr: float | Tensor):
        super().__init__(matrices, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                if not state:
                    state["momentum"] = torch.zeros_like(matrix)
                state["momentum"].lerp_(matrix.grad, 1 - MOMENTUM)
                update = orthogonalised(matrix.grad.lerp(state["momentum"], MOMENTUM))
                size = 0.2 * max(matrix.shape) ** 0.5
                if isinstance(group["lr"], Tensor):
                    matrix.addcmul_(update, group["lr"], value=-size)
                else:
                    matrix.add_(update, alpha=-group["lr"] * size)


def orthogonalised(matrix: Float[Tensor, "m n"], iterations: int = ITERATIONS) -> Float[Tensor, "m n"]:
    """U f(Σ) Vᵀ of UΣVᵀ, where f brings all but the smallest singular values, in proportion to the Frobenius norm, to between 0.7 and 1.2.

    Every iterate is a polynomial in X Xᵀ times X, so the iteration runs on the smaller of the two Gram matrices; X is read at both ends.
    """
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonalised(matrix.mT, iterations).mT
    scaled = matrix / matrix.norm().clamp(min=1e-7)
    gram, found = scaled @ scaled.mT, None
    for _ in range(iterations):
        factor = torch.addmm(gram, gram, gram, beta=B, alpha=C)
        factor.diagonal().add_(A)
        found = factor if found is None else factor @ found
        gram = factor @ gram @ factor
    return found @ scaled
