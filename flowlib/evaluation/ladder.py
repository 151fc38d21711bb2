"""A ladder of operators for any code: how much of an error is the code, and how much the operator that moves it? (M16)"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from flowlib.data import Source, over_chunks
from flowlib.devices import seeded
from flowlib.errors import FlowlibError
from flowlib.evaluation.equivariance import decode_mean, frame_errors
from flowlib.models.base import paths_of

RIDGES = (0.1, 1.0, 10.0, 100.0)  # for standardised features
EPOCHS, ROWS, HIDDEN, RATE = 100, 128, 128, 2e-3  # of the small network


def ladder_errors(model, train: Source, test: Source, factor, fitted=2000, count=250) -> dict[str, Float[Tensor, " n"]]:
    """Rung → M16's error of each of the first `count` test images, z_1 … z_T predicted from z_0 = μ(x_0) by what the rung fits to the codes of training images.

    mean : the mean displacement;  linear, quadratic : ridge regressions of z_t − z_0 on the coordinates, and on their products besides
    MLP : a network of two hidden layers on top of the linear rung;  floor : no operator at all, each true frame encoded and decoded
    The ridge is chosen, and the network's training stopped, on a fifth of the `fitted` training images, which are not used to fit then. (The
    linear rung that the network corrects was, once its ridge was chosen, fitted to them all.)
    Raises FlowlibError for fewer than five training images.
    """
    with torch.no_grad():
        seen, asked = paths_of(model, train, factor, fitted), paths_of(model, test, factor, count)
    if len(seen) < 5:
        raise FlowlibError(f"{len(seen)} training images: a fifth is held back to choose the ridge; give five or more")
    begin, moved = seen[:, 0], (seen[:, 1:] - seen[:, :1]).flatten(1)
    centre, scale = begin.mean(0), begin.std(0) + 1e-6
    starts, asked_starts = (begin - centre) / scale, (asked[:, 0] - centre) / scale
    straight = ridge_fit(linear(starts), moved)
    predicted = {
        "mean": moved.mean(0).expand(len(asked), -1),
        "linear": linear(asked_starts) @ straight,
        "quadratic": quadratic(asked_starts) @ ridge_fit(quadratic(starts), moved),
    }
    network = residual_network(starts, moved - linear(starts) @ straight)
    with torch.no_grad():
        predicted["MLP"] = predicted["linear"] + network(asked_starts)
    paths = {name: asked[:, :1] + step.unflatten(1, (-1, asked.shape[2])) for name, step in predicted.items()} | {"floor": asked[:, 1:]}
    return {name: _errors(model, test, factor, path) for name, path in paths.items()}


def linear(z: Float[Tensor, "n d"]) -> Float[Tensor, "n features"]:
    """1 and the coordinates."""
    return torch.cat([torch.ones_like(z[:, :1]), z], 1)


def quadratic(z: Float[Tensor, "n d"]) -> Float[Tensor, "n features"]:
    """1, the coordinates and their products, each once."""
    i, j = torch.triu_indices(z.shape[1], z.shape[1], device=z.device)
    return torch.cat([linear(z), z[:, i] * z[:, j]], 1)


def ridge_fit(features: Float[Tensor, "n f"], targets: Float[Tensor, "n t"], ridges=RIDGES) -> Float[Tensor, "f t"]:
    """Ridge regression, the constant (the first feature) free of charge; the ridge that predicts the last fifth best, then fitted to all."""
    kept = len(features) - len(features) // 5

    def fit(X, Y, ridge):
        charge = torch.full((X.shape[1],), ridge, dtype=X.dtype, device=X.device)
        charge[0] = 0
        return torch.linalg.solve(X.mT @ X + charge.diag(), X.mT @ Y)

    features, wanted = features.cpu().double(), targets.cpu().double()  # not every device has double precision
    left = [(features[kept:] @ fit(features[:kept], wanted[:kept], ridge) - wanted[kept:]).square().sum().item() for ridge in ridges]
    return fit(features, wanted, ridges[left.index(min(left))]).to(targets)


def residual_network(inputs: Float[Tensor, "n d"], targets: Float[Tensor, "n t"], seed=0) -> nn.Module:
    """A small network fitted to what the linear rung leaves, as it was after the epoch that predicted the last fifth best (0 at the beginning)."""
    generator, kept = seeded(seed, "cpu"), len(inputs) - len(inputs) // 5
    network = nn.Sequential(
        nn.Linear(inputs.shape[1], HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, targets.shape[1])
    ).to(inputs)  # fmt: skip
    with torch.no_grad():
        for layer in (network[0], network[2]):
            layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator, device="cpu") / layer.in_features**0.5)
            layer.bias.zero_()
        for parameter in network[4].parameters():
            parameter.zero_()
    adam, unit = torch.optim.Adam(network.parameters(), RATE), targets.square().mean() + 1e-12

    def loss(rows):
        return (network(inputs[rows]) - targets[rows]).square().mean() / unit

    best, state = None, None
    for epoch in range(EPOCHS + 1):
        with torch.no_grad():
            held = loss(slice(kept, None)).item()
        if best is None or held < best:
            best, state = held, {name: value.clone() for name, value in network.state_dict().items()}
        for rows in torch.randperm(kept, generator=generator, device="cpu").to(inputs.device).split(ROWS):
            with torch.enable_grad():
                value = loss(rows)
            adam.zero_grad()
            value.backward()
            adam.step()
    network.load_state_dict(state)
    return network


@torch.no_grad()
def _errors(model, sequences, factor, path):
    """Σ_t ‖x_t − E[x|z_t]‖₁ of predicted codes z_1 … z_T (n, T, d)."""

    def error(chunk):
        frames = sequences.full_batch(chunk, factor).frames[:, 1:]
        return frame_errors(frames, decode_mean(model, path[chunk])).sum(1)

    return over_chunks(sequences, len(path), error)
