"""Images as factor sequences: one image, one transformation of growing strength, T + 1 frames made on the fly."""

from numbers import Integral

import numpy as np
import torch
from jaxtyping import Float, Int, Real
from torch import Tensor

from flowlib.data.digests import digest_of
from flowlib.data.effects import strengths_of
from flowlib.data.options import names_of
from flowlib.data.programs import SHARES, random_activity, random_start, steps_at
from flowlib.data.source import Source, shares
from flowlib.data.transforms import as_floats, colour, known, strength, transform
from flowlib.errors import FlowlibError


class ImageSequences(Source):
    """Factor sequences of images and named transformations.

    images : (n, C, H, W) with H = W, a tensor or array of bytes or of floats in [0, 1]
    factors : names of K transformations (`flowlib.data.TRANSFORMATIONS`);  steps : T, after which each has its full strength
    starts : where training sequences begin: "plain", the image as it is; "moved", in half of them with every other factor at
        a random step 0 … T, where it stays; "late", in half of them with the own factor there, which then moves on; "anywhere", in half
        of them with every factor there
    programs : what moves them: "single", one factor; "composed", in two thirds of them, two; "seldom", in one third; "often",
        in three quarters; "switched", in half of them, two, one after the other (`flowlib.data.programs`)
    Raises FlowlibError for images that cannot be used, and for a transformation that fails on the first one.
    """

    endless = composable = True

    def __init__(self, images, factors, steps: int = 8, starts: str = "plain", programs: str = "single"):
        images = checked_images(images)
        images = images if images.dtype == torch.uint8 else as_floats(images)
        self.images, self.factors, self.steps, self.starts = images, names_of(factors), steps, starts
        self.programs = programs
        self.channels, self.size, self.device = images.shape[1], images.shape[-1], images.device
        if starts not in ("plain", "moved", "late", "anywhere"):
            raise FlowlibError(f"starts = {starts!r}: choose plain, moved, late or anywhere")
        if programs not in ("single", *SHARES):
            raise FlowlibError(f"programs = {programs!r}: choose single, {', '.join(SHARES)}")
        if programs != "single" and len(self.factors) < 2:
            raise FlowlibError(f"programs = {programs!r} needs two factors or more")
        if not isinstance(steps, Integral) or steps < 1:
            raise FlowlibError(f"steps = {steps!r}: a sequence has at least one step; give a whole number")
        if not self.factors or len(set(self.factors)) < len(self.factors):
            raise FlowlibError(f"factors = {self.factors}: name one or more different transformations")
        for name in self.factors:
            known(name)
        self.composed([0], torch.eye(len(self.factors), dtype=torch.int64, device=self.device) * steps)
        strengths_of(self.factors, self.channels, self.size)  # refuses a user's own that differ from call to call

    def __len__(self):
        return len(self.images)

    def digest(self) -> str:
        return digest_of(self.images, self.starts, self.programs, strengths_of(self.factors, self.channels, self.size))

    def to(self, device) -> "ImageSequences":
        self.images = self.images.to(device)
        return super().to(device)

    def first_frames(self, indices=slice(None)) -> Float[Tensor, "n C H W"]:
        """x_0 of the images at `indices`: untransformed."""
        return as_floats(self.images[self._here(indices)])

    def frames(self, images: Float[Tensor, "B C H W"], factor: Int[Tensor, " B"], times: Int[Tensor, "B F"]) -> Float[Tensor, "B F C H W"]:
        """Transform each image by its factor at each of its times, in one batched warp. Times may exceed T."""
        count = times.shape[1]
        factor, times = factor[:, None].expand_as(times).flatten(), times.flatten()
        strengths = {
            name: torch.where(factor == index, strength(name, times, self.steps), known(name).rest) for index, name in enumerate(self.factors)
        }
        return transform(images.repeat_interleave(count, 0), **strengths).unflatten(0, (len(images), count))

    def frames_of(self, indices, factor, times):
        images = self.first_frames(indices)
        labels = torch.full((len(images),), factor, device=self.device)
        return self.frames(images, labels, times.to(self.device).expand(len(images), -1))

    def composed(self, indices, times: Real[Tensor, "*B F K"]) -> Float[Tensor, "n F C H W"]:
        """Frames that show every factor at once, in one composed warp: nothing is resampled twice (M18).

        times : (F, K), frame f shows factor k at its step times[f, k], also between steps; or (n, F, K), other steps for every image.
        """
        if times.shape[-1] != len(self.factors):
            raise FlowlibError(f"times {tuple(times.shape)}: the last axis holds a step for each of {self.factors}")
        images = self.first_frames(indices)
        steps = times.to(images.device).expand(len(images), -1, -1).flatten(0, 1)
        strengths = {name: strength(name, at, self.steps) for name, at in zip(self.factors, steps.T)}
        return transform(images.repeat_interleave(times.shape[-2], 0), **strengths).unflatten(0, (len(images), -1))

    def draw(self, batch_size, frames_per_step, generator, part, beginning=0):
        rows, factor = (x.to(self.device) for x in shares(batch_size, len(self.factors), part))
        indices = torch.randint(len(self), (batch_size,), generator=generator, device=generator.device).to(self.device)[rows]
        times = self._random_times(batch_size, frames_per_step, generator, beginning).to(self.device)[rows]
        if (self.starts, self.programs) != ("plain", "single"):
            return self._draw_program(indices, times, factor, batch_size, rows, generator)
        images = self.first_frames(indices)
        return torch.cat([images[:, None], self.frames(images, factor, times[:, 1:])], 1), times, factor

    def _draw_program(self, indices, times, factor, batch_size, rows, generator):
        """Frames of sequences that begin elsewhere or whose factors take turns; the activity where it is not the factor's alone."""
        shape = batch_size, len(self.factors), self.steps, generator
        start, activity = (x.to(self.device)[rows] for x in (random_start(self.starts, *shape), random_activity(self.programs, *shape)))
        drawn = self.composed(indices, steps_at(start, activity, times)), times, factor
        return drawn if self.programs == "single" else (*drawn, activity.to(drawn[0]))

    def _here(self, indices):
        if isinstance(indices, list | tuple | range) and (beyond := [index for index in indices if not -len(self) <= index < len(self)]):
            raise FlowlibError(f"no image {beyond[0]}: there are {len(self)}, numbered from 0")
        return indices.to(self.device) if isinstance(indices, Tensor) else indices


class Sequences(ImageSequences):
    """Grey images (n, 1, H, W), such as digits, shown in red, so that the hue can turn; otherwise `ImageSequences`."""

    def __init__(self, images: Tensor, factors, steps: int = 8, starts: str = "plain", programs: str = "single"):
        if images.ndim != 4 or images.shape[1] != 1 or not len(images):
            raise FlowlibError(f"images of shape {tuple(images.shape)}: give one or more grey images (n, 1, H, W)")
        super().__init__(images, factors, steps, starts, programs)
        self.channels = 3

    def first_frames(self, indices=slice(None)) -> Float[Tensor, "n 3 H W"]:
        """x_0 of the images at `indices`: red, untransformed."""
        return colour(self.images[self._here(indices)])


def as_tensor(values) -> Tensor:
    """A tensor in the same memory; of an array that is read backwards, x[..., ::-1], a copy, for torch reads only forwards."""
    backwards = isinstance(values, np.ndarray) and min(values.strides, default=0) < 0
    return torch.as_tensor(np.ascontiguousarray(values) if backwards else values)


def checked_images(images, shape="(n, C, H, W)") -> Tensor:
    """Images, or frames, as a tensor; raises FlowlibError unless square, not empty, and bytes or floats in [0, 1]."""
    try:
        images = as_tensor(images)
    except (TypeError, ValueError, RuntimeError) as error:
        raise FlowlibError(f"a {type(images).__name__} holds no images ({error}): give a tensor or an array {shape} of numbers") from error
    if images.ndim != shape.count(",") + 1 or not images.numel() or images.shape[-1] != images.shape[-2]:
        raise FlowlibError(f"images of shape {tuple(images.shape)}: give {shape} with H = W, one or more, channels before rows")
    if images.dtype != torch.uint8:
        if not images.is_floating_point():
            raise FlowlibError(f"images of type {images.dtype}: give bytes (torch.uint8), or floats in [0, 1]")
        low, high = images.aminmax()
        if not (low >= 0 and high <= 1):
            raise FlowlibError(f"images range from {low:g} to {high:g}: give bytes, or floats in [0, 1] without NaN")
    return images
