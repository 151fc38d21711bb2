"""The methods of a model, asked at each call for what every user of them reads, with arguments made uniform (`flowlib.models.protocol`)."""

import contextlib
import functools

import numpy as np
import torch
from torch import Tensor

from flowlib.data.options import place_of
from flowlib.devices import is_out_of_memory
from flowlib.errors import FlowlibError, first_line
from flowlib.flows import are_whole, stops
from flowlib.flows.backward import plain
from flowlib.flows.posterior import check_factors


def checked_encode(encode):
    """The method `encode`, whose result is asked for what every user of it reads."""

    @functools.wraps(encode)
    def wrapper(self, images):
        found = encode(self, images)
        shape = getattr(getattr(found, "mean", None), "shape", None)
        if not callable(getattr(found, "sample", None)) or shape != (len(images), self.config.latent_dim):
            what = f"a mean of shape {tuple(shape)}" if isinstance(shape, torch.Size) else described(found)
            raise FlowlibError(
                f"{type(self).__name__}.encode returned {what}: give a flowlib.models.protocol.Posterior of mean and log σ, "
                f"{(len(images), self.config.latent_dim)} each"
            )
        return found

    return wrapper


def checked_decode(decode):
    """The method `decode`, whose result's shape is what the likelihood reads."""

    @functools.wraps(decode)
    def wrapper(self, z):
        found, wanted = decode(self, z), (*z.shape[:-1], self.config.channels, self.config.size, self.config.size)
        if not isinstance(found, Tensor) or found.shape != wanted:
            raise FlowlibError(f"{type(self).__name__}.decode returned {described(found)} for codes {tuple(z.shape)}: give {wanted}")
        return found

    return wrapper


def checked_transport(transport):
    """The method `transport` with what every model is spared: its arguments are checked and made uniform, as is its result's shape.

    A model gets codes (B, d), a factor as `_uniform` makes it, and Python's own numbers; it owes z and one code for each of `flowlib.flows.stops`.
    One that does not say `any_steps` gets whole steps forward only.
    """

    @functools.wraps(transport)
    def wrapper(self, z, factor, steps, first=1):
        if not (isinstance(z, Tensor) and z.is_floating_point() and z.shape[1:] == (self.config.latent_dim,)):
            raise FlowlibError(f"codes are {described(z)}: give a tensor (B, {self.config.latent_dim}) of floats, one code in each row")
        factor = _uniform(factor, z, self.config.factors)
        steps, first = plain(steps), plain(first)
        times = stops(steps, first)
        whole = are_whole(times)
        if not self.any_steps and (steps < 0 or not whole):
            raise FlowlibError(
                f"steps = {steps}: {type(self).__name__} says of no way back, and of no parts of steps; give whole steps forward, "
                "or write `transport` for the times of flowlib.flows.stops, and any_steps = True into the class"
            )
        if whole:
            steps, first = round(steps), round(first)
        with _naming(self, factor, z):
            path = transport(self, z, factor, steps, first)
        if not isinstance(path, Tensor) or path.shape != (len(z), len(times), z.shape[1]):
            found = f"shape {tuple(path.shape)}" if isinstance(path, Tensor) else type(path).__name__
            raise FlowlibError(
                f"{type(self).__name__}.transport returned {found} for {steps} steps: give {(len(z), len(times), z.shape[1])}, z first"
            )
        return path

    return wrapper


def _uniform(factor, z, factors):
    """What moves codes z (B, d): a number, for one of the names `factors`, too; or labels (B,), whole numbers in a tensor of their own; or weights,
    matrices … (B, …) as they are.

    Labels are copied: what is remembered of them (`flowlib.flows.posterior`) is then true also where the user's own are written over.
    """
    if isinstance(factor, str):
        return place_of(factor, factors)
    if isinstance(factor, Tensor) and factor.ndim > 1 and factor.dtype not in MASKS:
        return factor.to(z)
    try:
        found = torch.as_tensor(factor.copy() if isinstance(factor, np.ndarray) else factor)  # torch refuses numpy's reversed views
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise FlowlibError(f"factor {factor!r} ({first_line(error)}): {WANTED}") from error
    if found.dtype == torch.bool or found.ndim < 2 and (found.is_floating_point() or found.is_complex()):
        raise FlowlibError(f"factor {factor!r} is of {found.dtype}: {WANTED}, whole numbers both; weights of a mixture are (B, K)")
    if found.ndim > 1:
        return found.to(z)
    if found.ndim and len(found) not in (1, len(z)):
        raise FlowlibError(f"{len(found)} labels for {len(z)} codes: {WANTED}")
    if not found.ndim:
        check_factors(int(found), int(found), len(factors))
        return int(found)
    labels = found.to(z.device, torch.int64, copy=True)
    if labels.numel() and not labels.is_meta:  # a meta device has no values to look at
        check_factors(int(labels.min()), int(labels.max()), len(factors))
    return labels.expand(len(z)).contiguous()


MASKS = torch.bool, torch.uint8  # which torch takes for masks where an index belongs
WANTED = "give the number of one factor for all codes, or a label for each"


@contextlib.contextmanager
def _naming(model, factor, z):
    """What a model raises for codes unlike its weights, or that is moved by weights or the like, (B, …), which not every model reads, in words."""
    try:
        yield
    except (IndexError, RuntimeError, TypeError, ValueError) as error:
        raise_unlike(z, model, error)
        if not isinstance(factor, Tensor) or factor.ndim < 2 or is_out_of_memory(error) or _captures(factor):
            raise
        raise FlowlibError(f"{type(model).__name__} cannot be moved by {described(factor)} ({first_line(error)}): {WANTED}") from error


def raise_unlike(z, module, error):
    """Raise FlowlibError where codes are of another type, or elsewhere, than all weights of what failed for them; otherwise nothing."""
    kinds = {(one.dtype, one.device) for one in module.parameters()}
    if kinds and (z.dtype, z.device) not in kinds and not is_out_of_memory(error):
        there, device = next(iter(kinds))
        raise FlowlibError(
            f"codes are {z.dtype} on {z.device}, the weights of {type(module).__name__} {there} on {device}: bring them together, "
            f"with codes.to({str(device)!r}, {there}) or with model.to(codes)"
        ) from error


def _captures(factor):
    """Whether this becomes a part of a CUDA graph, whose maker reads errors itself (`flowlib.training.captured`)."""
    return factor.is_cuda and torch.cuda.is_current_stream_capturing()


def described(value) -> str:
    """Shape and type of a tensor, or else a value's class."""
    return f"{tuple(value.shape)} of {value.dtype}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
