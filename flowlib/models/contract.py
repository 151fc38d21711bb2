"""The contract of `flowlib.models.protocol`, asked for: a model that breaks it fails where it is written or first used, with a message."""

import functools
import inspect
from typing import Literal, get_args, get_origin

import torch

from flowlib.config import CHOICES, Config
from flowlib.errors import FlowlibError
from flowlib.flows import stops

METHODS = ("encode", "decode", "transport", "infer_factor", "calibrate", "frame_log_weights", "objective")


def check_class(model):
    """Raise FlowlibError for a class without the protocol's methods, or whose constructor cannot be called by `build_model`."""
    missing = [name for name in METHODS if not callable(getattr(model, name, None))]
    if missing:
        raise FlowlibError(f"{model.__name__} lacks {', '.join(missing)}: see flowlib.models.protocol.Model for what a model owes the rest")
    names = list(inspect.signature(model).parameters)[:3]
    if names != ["config", "channels", "size"]:
        raise FlowlibError(f"{model.__name__}({', '.join(names)}, …): the constructor begins with config, channels, size; own options follow")
    for name, parameter in own_parameters(model).items():
        if parameter.default is parameter.empty:
            raise FlowlibError(f"{model.__name__}: give its own option {name} a default")


def own_parameters(model) -> dict[str, inspect.Parameter]:
    """What a model's constructor takes after (config, channels, size): its own options, without the networks that code may pass."""
    parameters = list(inspect.signature(model, eval_str=True).parameters.values())[3:]
    return {one.name: one for one in parameters if one.kind is not one.VAR_KEYWORD and one.name not in ("encoder", "decoder")}


def typed(parameter: inspect.Parameter, value):
    """An option's value, checked against the annotation of the constructor's parameter, or else the type of its default."""
    kind = type(parameter.default) if parameter.annotation is parameter.empty else parameter.annotation
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if get_origin(kind) is Literal:
        fits, wanted = value in get_args(kind), f"choose one of {', '.join(map(str, get_args(kind)))}"
    elif kind is int:
        fits, wanted = number and value == int(value), "give a whole number"
    elif kind is float:
        fits, wanted = number, "give a number"
    else:
        fits, wanted = isinstance(value, kind), f"give a value of type {kind.__name__}"
    if not fits:
        raise FlowlibError(f"{parameter.name} = {value!r}: {wanted} (default {parameter.default!r})")
    return int(value) if kind is int else value


def check_choices(model, config: Config):
    """Raise FlowlibError for options of the configuration that would silently do nothing for this class of models."""
    idle = [name for name in CHOICES if name not in getattr(model, "uses", CHOICES) and getattr(config, name) != getattr(Config, name)]
    if idle:
        given = ", ".join(f"{name} = {getattr(config, name)!r}" for name in idle)
        kept = ", ".join(f"{name} {getattr(Config, name)}" for name in idle)
        raise FlowlibError(f"{given}: the model {config.model!r} has no use for this; leave {kept}")


def checked_transport(transport):
    """The method `transport`, its result's shape checked at every call: z and one code for each of `flowlib.flows.stops`."""

    @functools.wraps(transport)
    def wrapper(self, z, factor, steps, *first, **named):
        if isinstance(factor, str):
            raise FlowlibError(f"factor {factor!r}: give its number, its place in the configuration's `factors`")
        labels = torch.as_tensor(factor)
        if not labels.is_floating_point() and labels.numel() and int(labels.min()) < 0:  # Python's own counting from the end
            raise FlowlibError(f"factor {int(labels.min())} does not exist: count the factors from 0")
        path = transport(self, z, factor, steps, *first, **named)
        times = stops(steps, *(first or (named.get("first", 1),)))
        if not isinstance(path, torch.Tensor) or path.shape != (len(z), len(times), z.shape[1]):
            found = f"shape {tuple(path.shape)}" if isinstance(path, torch.Tensor) else type(path).__name__
            raise FlowlibError(
                f"{type(self).__name__}.transport returned {found} for {steps} steps: give {(len(z), len(times), z.shape[1])}, z first"
            )
        return path

    return wrapper


def check_terms(model, terms):
    """Raise FlowlibError unless an objective's terms are scalar tensors by name, with a "loss" that parameters can learn from."""
    name = f"{type(model).__name__}.objective"
    if not isinstance(terms, dict) or "loss" not in terms:
        found = f"a dict of {', '.join(map(repr, terms)) or 'nothing'}" if isinstance(terms, dict) else f"a {type(terms).__name__}"
        raise FlowlibError(f"{name} returned {found}: give a dict of scalars, among them 'loss', which the trainer minimises")
    for term, value in terms.items():
        if not isinstance(value, torch.Tensor) or value.ndim:
            found = f"of shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else f"a {type(value).__name__}"
            raise FlowlibError(f"{name}: {term!r} is {found}; give a scalar tensor, averaged over the sequences of the batch")
    if not terms["loss"].requires_grad:
        raise FlowlibError(f"{name}: 'loss' depends on no parameter, so nothing can be learned; was it detached, or made under no_grad?")


def check_gradients(model):
    """Raise FlowlibError, after the first backward pass, for parameters that the loss does not depend on: they would never change."""
    idle = model.idle_parameters() if hasattr(model, "idle_parameters") else ()
    left = [name for name, one in model.named_parameters() if one.requires_grad and one.grad is None and name not in idle]
    if left:
        raise FlowlibError(
            f"the loss of {type(model).__name__} does not depend on {', '.join(left[:5])}{' …' if left[5:] else ''}: training would never change it. "
            "Let `objective` use it (a motion of a FlowVAE belongs into `flow`), freeze it with requires_grad_(False), or name it in `idle_parameters`"
        )
