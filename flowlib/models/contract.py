"""The contract of `flowlib.models.protocol`, asked for: a model that breaks it fails where it is written or first used, with a message."""

import inspect
from typing import Literal, get_args, get_origin

import torch
from torch import Tensor

from flowlib.config import CHOICES, Config
from flowlib.errors import FlowlibError

METHODS = ("encode", "decode", "transport", "infer_factor", "calibrate", "frame_log_weights", "objective")


def check_class(model):
    """Raise FlowlibError for a class without the protocol's methods, or whose constructor cannot be called by `build_model`."""
    missing = [name for name in METHODS if not callable(getattr(model, name, None))]
    if missing:
        raise FlowlibError(f"{model.__name__} lacks {', '.join(missing)}: see flowlib.models.protocol.Model for what a model owes the rest")
    if (first := next(iter(inspect.signature(model).parameters), "")) != "config":
        raise FlowlibError(f"{model.__name__}({first}, …): the constructor begins with config; own options follow")
    for name, parameter in own_parameters(model).items():
        if parameter.default is parameter.empty:
            raise FlowlibError(f"{model.__name__}: give its own option {name} a default")
        if name in TAKEN or name in Config.__dataclass_fields__:
            raise FlowlibError(f"{model.__name__}: its own option {name} has the name of one that every run has; choose another name")
        if (kind := _kind(parameter)) not in (int, float, bool, str) and get_origin(kind) is not Literal:
            raise FlowlibError(
                f"{model.__name__}: annotate its own option {name} with int, float, bool, str or a Literal of choices, not {kind}"
            )


# by `flowlib.train`, or the command line
TAKEN = ("data", "out", "preset", "device", "precision", "progress", "plugin", "tensorboard", "evaluate")


def check_saved(model):
    """Raise FlowlibError for a plain tensor in a model: no checkpoint keeps it, and `to(device)` leaves it behind."""
    for place, module in model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, Tensor):
                raise FlowlibError(
                    f"{type(model).__name__}: {f'{place}.' * bool(place)}{name} is a plain tensor, which no checkpoint keeps and no device moves: "
                    f"make it a buffer in the constructor, self.register_buffer({name!r}, …), or a parameter"
                )


def own_parameters(model) -> dict[str, inspect.Parameter]:
    """What a model's constructor takes after `config`: its own options, without the networks that code may pass."""
    parameters = list(inspect.signature(model, eval_str=True).parameters.values())[1:]
    return {one.name: one for one in parameters if one.kind is not one.VAR_KEYWORD and one.name not in ("encoder", "decoder")}


def takes_networks(model) -> bool:
    """Whether a model's constructor takes an encoder and a decoder of one's own."""
    parameters = inspect.signature(model).parameters
    return {"encoder", "decoder"} <= parameters.keys() or any(one.kind is one.VAR_KEYWORD for one in parameters.values())


def _kind(parameter):
    return type(parameter.default) if parameter.annotation is parameter.empty else parameter.annotation


def typed(parameter: inspect.Parameter, value):
    """An option's value, checked against the annotation of the constructor's parameter, or else the type of its default."""
    kind = _kind(parameter)
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


def check_idle(model, config: Config):
    """Raise FlowlibError for choices that this class of models reads, but not beside the others. For new runs: those that are there can be loaded."""
    uses = getattr(model, "uses", CHOICES)
    for name, other, idle, why in UNUSED:
        if {name, other} <= set(uses) and getattr(config, name) != getattr(Config, name) and getattr(config, other) == idle:
            raise FlowlibError(f"{name} = {getattr(config, name)!r} changes nothing {why}; leave {name} {getattr(Config, name)}")


# (choice, another, its value with which nothing reads the first, in words)
UNUSED = (
    ("log_det", "objective", "path", "where the objective is not marginal"),
    ("hj_weight", "hj_penalty", "none", "without a penalty (hj_penalty none)"),
    ("diffusion", "prior", "none", "without a prior's flow (prior none)"),
    ("learn_diffusion", "prior", "none", "without a prior's flow (prior none)"),
)


def check_override(model):
    """Raise FlowlibError for a class of models that says with `transport` how codes move, where its objective moves them by other methods."""

    def place(name):
        return next((i for i, one in enumerate(model.__mro__) if name in vars(one)), len(model.__mro__))

    if model.moved_by and place("transport") < min(map(place, (*model.moved_by, "objective"))):
        raise FlowlibError(
            f"{model.__name__} overrides transport, which the objective never calls, so its motion would not be learned: override "
            f"{' or '.join(model.moved_by)}, by which it moves codes (or objective too)"
        )


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
