"""A turn of the plane in optimal steps: a rotation as a product of symmetric positive definite matrices, and its film (chapter 14)."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from flowlib.errors import FlowlibError
from flowlib.transport import Gaussian, moment_matched_sample
from flowlib.viz.plane import density_contours, particles, plane_axes
from flowlib.viz.style import new_figure


def turn_in_three(degrees: float, stretch: float) -> Float[Tensor, "3 2 2"]:
    """Three symmetric positive definite matrices S whose product S[2] S[1] S[0] is the rotation R by `degrees`.

    With P = diag(stretch, 1/stretch), P R has two positive eigenvalues Λ if its trace cos(degrees)(stretch + 1/stretch) is above 2. Then
    P R = V Λ V⁻¹ = (V Vᵀ)(V⁻ᵀ Λ V⁻¹), two symmetric positive definite factors, and R = P⁻¹ (V Vᵀ)(V⁻ᵀ Λ V⁻¹). Double precision.
    Raises FlowlibError where the trace is not above 2.
    """
    angle = math.radians(degrees)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=torch.float64)
    squeeze = torch.diag(torch.tensor([stretch, 1 / stretch], dtype=torch.float64))
    if not torch.trace(squeeze @ turn) > 2:
        raise FlowlibError(f"stretch = {stretch} is too small to turn by {degrees} degrees: cos(angle)(stretch + 1/stretch) has to be above 2")
    values, vectors = (part.real for part in torch.linalg.eig(squeeze @ turn))
    vectors = vectors / torch.linalg.det(vectors).abs().sqrt()  # the two factors then stretch alike
    inverse = torch.linalg.inv(vectors)
    return torch.stack([inverse.mT @ torch.diag(values) @ inverse, vectors @ vectors.mT, torch.linalg.inv(squeeze)])


def turning_film(steps: Float[Tensor, "S 2 2"], frames: int = 6, *, count: int = 400, extent: float = 5.0, size: float = 4.0):
    """(figures, labels) of a standard normal cloud that takes the linear steps one after the other, straight and evenly.

    `frames` pictures a step. Particles keep the colour of the half of the plane where they began; the lines are their density's.
    """
    still = Gaussian(torch.zeros(2).to(steps), torch.eye(2).to(steps))
    z = moment_matched_sample(still, count, torch.Generator().manual_seed(0))
    before, figures, labels = torch.eye(2).to(steps), [], []
    for number, step in enumerate(steps):
        first = 0 if number == 0 else 1  # the last picture of a step is the first of the next
        for share in torch.linspace(0, 1, frames + 1)[first:]:
            now = torch.lerp(before, step @ before, share.to(steps))
            figures.append(_cloud(z, now, extent, size, f"step {number + 1} of {len(steps)}"))
            labels.append(f"{number + float(share):.2f}")
        before = step @ before
    return figures, labels


def _cloud(z, matrix, extent, size, title):
    figure, axes = new_figure(height=size, width=size)
    plane_axes(axes, extent, title=title)
    for half, role in ((z[:, 0] > 0, "target"), (z[:, 0] <= 0, "posterior")):
        particles(axes, z[half] @ matrix.mT, role, size=6, alpha=0.8)
    here = Gaussian(torch.zeros(2).to(matrix), matrix @ matrix.mT)
    density_contours(axes, lambda points: here.log_prob(points.to(matrix)), "data", levels=3, fill=False, resolution=80)
    return figure
