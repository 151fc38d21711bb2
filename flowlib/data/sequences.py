"""Digits as factor sequences: one image, one transformation of growing strength, T + 1 frames."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from flowlib.data.batch import Batch, grouped_factors
from flowlib.data.transforms import IDENTITY, colour, factor_index, strength, transform
from flowlib.errors import FlowlibError


class Sequences:
    """Factor sequences made on the fly from a stack of images, on the device the images are on.

    images : (n, 1, H, W) grey, bytes or floats in [0, 1]; shown in red, so that the hue can turn
    factors : names of the K transformations (`flowlib.data.transforms.FACTORS`);  steps : T
    starts : where training sequences begin: "plain", the image as it is; "moved", in half of them with every other factor at
        a random step 0 … T, where it stays
    """

    channels = 3

    def __init__(self, images: Tensor, factors, steps: int = 8, starts: str = "plain"):
        self.images, self.factors, self.steps, self.starts = _checked(images), tuple(factors), steps, starts
        for name in self.factors:
            factor_index(name)
        if starts not in ("plain", "moved"):
            raise FlowlibError(f"starts = {starts!r}: choose plain or moved")
        if steps < 1:
            raise FlowlibError(f"steps = {steps}: a sequence has at least one step")

    def __len__(self):
        return len(self.images)

    @property
    def size(self):
        """The images' side in pixels."""
        return self.images.shape[-1]

    def first_frames(self, indices=slice(None)) -> Float[Tensor, "n 3 H W"]:
        """x_0 of the images at `indices`: red, untransformed."""
        return colour(self.images[indices])

    def frames(
        self, images: Float[Tensor, "B C H W"], factor: Int[Tensor, " B"], times: Int[Tensor, "B F"]
    ) -> Float[Tensor, "B F C H W"]:
        """Transform each image by its factor at each of its times, in one batched warp. Times may exceed T."""
        count = times.shape[1]
        factor, times = factor[:, None].expand_as(times).flatten(), times.flatten()
        repeated = images.repeat_interleave(count, 0)
        frames = transform(repeated, *(self._strength(name, factor, times) for name in IDENTITY))
        return frames.unflatten(0, (len(images), count))

    def _strength(self, name, factor, times):
        """The parameter of transformation `name` for each (factor, time): at rest where another factor moves."""
        moving = factor == (self.factors.index(name) if name in self.factors else -1)
        return torch.where(moving, strength(name, times, self.steps), IDENTITY[name])

    def composed(self, indices, times: Int[Tensor, "*B F K"]) -> Float[Tensor, "n F C H W"]:
        """Frames that show every factor at once, in one composed warp: nothing is resampled twice (M18).

        times : (F, K), frame f shows factor k at its step times[f, k]; or (n, F, K), other steps for every image.
        """
        if times.shape[-1] != len(self.factors):
            raise FlowlibError(f"times {tuple(times.shape)}: the last axis holds a step for each of {self.factors}")
        images = self.first_frames(indices)
        steps = times.to(images.device).expand(len(images), -1, -1).flatten(0, 1)
        at = dict(zip(self.factors, steps.T))
        rest = torch.zeros_like(steps[:, 0])
        strengths = (strength(name, at.get(name, rest), self.steps) for name in IDENTITY)
        frames = transform(images.repeat_interleave(times.shape[-2], 0), *strengths)
        return frames.unflatten(0, (len(images), -1))

    def full_batch(self, indices, factor, steps=None) -> Batch:
        """All frames x_0 … x_T (or x_steps) of the images at `indices` under one factor, given by name or number."""
        index = factor_index(factor, self.factors) if isinstance(factor, str) else factor
        if not 0 <= index < len(self.factors):
            raise FlowlibError(f"factor {index} does not exist: the factors are 0 … {len(self.factors) - 1}")
        steps = self.steps if steps is None else steps
        images = self.first_frames(indices)
        labels = torch.full((len(images),), index, device=images.device)
        times = torch.arange(steps + 1, device=images.device).expand(len(images), -1)
        return Batch(self.frames(images, labels, times), times, labels, steps)

    def training_batch(self, batch_size, frames_per_step, generator) -> Batch:
        """A random batch grouped by factor: x_0 and `frames_per_step` different frames of x_1 … x_T per sequence."""
        indices = torch.randint(len(self), (batch_size,), generator=generator)
        order = torch.rand(batch_size, self.steps, generator=generator).argsort(1)
        device = self.images.device
        times = torch.cat([torch.zeros_like(order[:, :1]), 1 + order[:, :frames_per_step]], 1).to(device)
        factor = grouped_factors(batch_size, len(self.factors), device)
        if self.starts == "moved":
            steps = self._with_other_factors(factor, times, generator)
            return Batch(self.composed(indices.to(device), steps), times, factor, self.steps)
        images = self.first_frames(indices.to(device))
        moved = self.frames(images, factor, times[:, 1:])
        return Batch(torch.cat([images[:, None], moved], 1), times, factor, self.steps)

    def _with_other_factors(self, factor, times, generator):
        """The step of every factor in every frame (B, F, K): the moving one's times, and the others' places."""
        shape = len(factor), len(self.factors)
        places = torch.randint(self.steps + 1, shape, generator=generator)
        places = places * torch.randint(2, (len(factor), 1), generator=generator)
        steps = places.to(factor.device)[:, None].repeat(1, times.shape[1], 1)
        return steps.scatter(2, factor[:, None, None].expand(-1, times.shape[1], 1), times[..., None])


def _checked(images):
    if images.ndim != 4 or images.shape[1] != 1 or not len(images):
        raise FlowlibError(f"images of shape {tuple(images.shape)}: give one or more grey images (n, 1, H, W)")
    if images.dtype != torch.uint8:
        if not images.is_floating_point():
            raise FlowlibError(f"images of type {images.dtype}: give bytes (torch.uint8), or floats in [0, 1]")
        low, high = images.aminmax()
        if not (low >= 0 and high <= 1):
            raise FlowlibError(f"images range from {low:g} to {high:g}: give bytes, or floats in [0, 1] without NaN")
    return images
