"""The models by name. A module of this folder adds its own with `@register("name")`; nothing else has to change."""

import difflib

from flowlib.errors import FlowlibError
from flowlib.models.contract import check_choices, check_class, own_parameters, takes_networks, typed

MODELS = {}


def register(name):
    """A class decorator: `build_model` finds the class under this name from then on.

    Raises FlowlibError for a class without the methods of `flowlib.models.protocol.Model`, or with another constructor.
    """

    def add(model):
        check_class(model)
        there = MODELS.get(name, model)
        if there.__module__.startswith("flowlib.models.") and (there.__module__, there.__qualname__) != (model.__module__, model.__qualname__):
            raise FlowlibError(f"model {name!r} is one of flowlib's own: choose another name")
        MODELS[name] = model
        return model

    return add


def model_class(name):
    """The class registered under a name; raises FlowlibError, listing those that are there."""
    if name not in MODELS:
        raise FlowlibError(
            f"model = {name!r}: choose one of {', '.join(sorted(MODELS))}, or register it (`flowlib.models.register`; on the command line, --plugin FILE)"
        )
    return MODELS[name]


def own_options(name) -> dict:
    """A model's own options with their defaults: what its constructor takes after `config`."""
    return {option: parameter.default for option, parameter in own_parameters(model_class(name)).items()}


def build_model(config, **networks):
    """The model that a configuration describes, with freshly drawn weights (torch's global seed).

    networks : an `encoder` and a `decoder` of your own (`flowlib.models.base.LatentModel`)
    Raises FlowlibError for a model that is not there, for options that the model does not have or that are of another type, and for
    choices of the configuration that the model does not read (`uses`), unless they stand at their defaults.
    """
    model = model_class(config.model)
    known = own_parameters(model)
    unknown = sorted(set(config.options) - set(known))
    if unknown:
        listed = ", ".join(known) or "none"
        near = [name for one in unknown for name in difflib.get_close_matches(one, [*known, *vars(config)], 1)]
        meant = f"; perhaps you meant {', '.join(near)}" if near else "; those of every run are the fields of flowlib.config.Config"
        raise FlowlibError(f"options {unknown} are not of the model {config.model!r}: its own are {listed}{meant}")
    check_choices(model, config)
    options = {name: typed(known[name], value) for name, value in config.options.items()}
    if networks and not takes_networks(model):
        raise FlowlibError(f"{model.__name__} takes no {' or '.join(networks)} of your own: let its constructor pass **networks on")
    return model(config, **options, **networks)
