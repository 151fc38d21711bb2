"""Checks of what the user passes in; each raises FlowlibError with the value and the remedy."""

import torch
from torch import Generator, Tensor

from flowlib.errors import FlowlibError


def check_tensor(value: Tensor, name: str) -> None:
    """value is a tensor, not a list or an array of numpy's."""
    if not isinstance(value, Tensor):
        raise FlowlibError(f"{name} is a {type(value).__name__}; pass a tensor, e.g. torch.as_tensor({name}).")


def check_generator(value: Generator) -> None:
    """value is a generator of random numbers."""
    if not isinstance(value, Generator):
        raise FlowlibError(f"generator is {value!r}; pass a seeded one, torch.Generator().manual_seed(0).")


def check_alike(values: dict[str, Tensor]) -> None:
    """Tensors, by their names, all of one type."""
    kinds = {name: value.dtype for name, value in values.items()}
    if len(set(kinds.values())) > 1:
        raise FlowlibError(f"{', '.join(f'{name} is of {kind}' for name, kind in kinds.items())}; make them alike, e.g. with .double().")


def check_points(z: Tensor, name: str = "z", dimensions: str = "B d") -> None:
    """z is a floating-point tensor with the named dimensions."""
    check_tensor(z, name)
    if z.ndim != len(dimensions.split()) or not z.is_floating_point():
        raise FlowlibError(
            f"{name} has shape {tuple(z.shape)} and dtype {z.dtype}; pass a floating-point tensor of shape ({dimensions.replace(' ', ', ')})."
        )


def check_shape(value: Tensor, shape: tuple[int, ...], name: str) -> None:
    """value is a tensor of exactly this shape."""
    check_tensor(value, name)
    if tuple(value.shape) != tuple(shape):
        raise FlowlibError(f"{name} has shape {tuple(value.shape)}; it has to be {tuple(shape)}.")


def check_dimension(z: Tensor, others: Tensor, name: str) -> None:
    """z (B, d) are points of the dimension of others (n, d)."""
    if z.shape[-1] != others.shape[-1]:
        raise FlowlibError(
            f"z has shape {tuple(z.shape)}, {name} have shape {tuple(others.shape)}; pass points of {others.shape[-1]} coordinates."
        )


def check_finite(value: Tensor, name: str, t: Tensor | None = None) -> None:
    """value has neither nan nor infinity; t is the time to name if it has."""
    finite = torch.isfinite(value)
    if not bool(finite.all()):
        when = "" if t is None else f" at t = {float(t.detach()):.6g}"
        raise FlowlibError(
            f"{name} has {int((~finite).sum())} non-finite values among {value.numel()}{when}; check its formula and its input there."
        )


def check_positive(value: int | float | Tensor, name: str) -> None:
    """0 < value < ∞ (everywhere), numbers all."""
    try:
        value = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise FlowlibError(f"{name} is {value!r}; pass a number.") from error
    if not bool(((value > 0) & (value < torch.inf)).all()):
        raise FlowlibError(f"{name} is {value.tolist()}; it has to be positive and finite.")


def check_density(values: Tensor, spacing: int | float, name: str, *, negative: bool = False) -> None:
    """values (n,) on cells of width `spacing` hold mass Σ values·spacing = 1, and are ≥ 0 unless `negative`."""
    check_points(values, name, "n")
    check_positive(spacing, "spacing")
    mass = float(values.sum() * spacing)
    if not abs(mass - 1) <= 1e-6:
        raise FlowlibError(f"{name} has mass {mass:.8g}; divide it by its mass.")
    if not negative and bool((values < 0).any()):
        raise FlowlibError(f"{name} has the minimum {float(values.min()):.3g}; a density is nowhere negative, see clamp_min(0).")


def check_weights(weights: Tensor | None, points: Tensor, name: str) -> Tensor:
    """Weights ≥ 0 of sum 1, one for each of the points, of which there is at least one; equal ones for None."""
    if len(points) == 0:
        raise FlowlibError(f"the points of {name} are of shape {tuple(points.shape)}; pass at least one.")
    if weights is None:
        return torch.full_like(points[:, 0], 1 / len(points)).detach()
    check_shape(weights, points.shape[:1], name)
    total = float(weights.sum())
    if not bool((weights >= 0).all()) or not abs(total - 1) <= 1e-5:
        raise FlowlibError(f"{name} has sum {total:.6g} and minimum {float(weights.min()):.3g}; pass weights ≥ 0 of sum 1.")
    return weights.detach().to(points) / weights.sum().detach().to(points)


def check_times(times: Tensor) -> None:
    """times (S,), S ≥ 2, finite and strictly increasing."""
    check_tensor(times, "times")
    if times.ndim != 1 or len(times) < 2:
        raise FlowlibError(f"times has shape {tuple(times.shape)}; pass two or more, e.g. torch.linspace(0, 1, 11).")
    if not bool(torch.isfinite(times).all() and (times.diff() > 0).all()):
        raise FlowlibError(
            f"times {times.tolist()} do not increase strictly; sort them, and to run backwards from time e "
            "follow the velocity -v(z, e - s) over increasing s."
        )


def check_symmetric(matrix: Tensor, name: str, *, sign: int = 1) -> None:
    """matrix (d, d) equals its transpose (sign = 1) or minus its transpose (sign = -1), up to rounding."""
    check_tensor(matrix, name)
    kind = "symmetric" if sign == 1 else "antisymmetric"
    square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1]
    if not square or not matrix.is_floating_point():
        raise FlowlibError(f"{name} has shape {tuple(matrix.shape)} and dtype {matrix.dtype}; pass a floating (d, d) matrix.")
    error = (matrix - sign * matrix.mT).abs().max()
    if not bool(error <= torch.finfo(matrix.dtype).eps ** 0.5 * matrix.abs().max()):
        other = "+" if sign == 1 else "-"
        raise FlowlibError(f"{name} {matrix.tolist()} is not {kind} (off by {float(error):.3g}); use (M {other} M.T) / 2.")


def cholesky_factor(matrix: Tensor, name: str) -> Tensor:
    """Lower triangular L with L Lᵀ = matrix, which has to be symmetric and positive definite."""
    check_symmetric(matrix, name)
    factor, failed = torch.linalg.cholesky_ex(matrix)
    if bool(failed):
        least = float(torch.linalg.eigvalsh(matrix.detach())[0])
        raise FlowlibError(f"{name} is not positive definite (smallest eigenvalue {least:.3g}); enlarge its diagonal.")
    return factor
