"""The models by name. A module of this folder adds its own with `@register("name")`; nothing else has to change."""

import inspect

from flowlib.errors import FlowlibError

MODELS = {}


def register(name):
    """A class decorator: `build_model` finds the class under this name from then on."""

    def add(model):
        MODELS[name] = model
        return model

    return add


def own_options(name) -> dict[str, float]:
    """A model's own options with their defaults: what its constructor takes after (config, channels, size)."""
    if name not in MODELS:
        raise FlowlibError(f"model = {name!r}: choose one of {', '.join(sorted(MODELS))}")
    parameters = list(inspect.signature(MODELS[name]).parameters.values())[3:]
    return {parameter.name: parameter.default for parameter in parameters}


def build_model(config, channels=None, size=None):
    """The model that a configuration describes, with freshly drawn weights (torch's global seed).

    channels, size : of the images, in place of the configuration's

    Raises FlowlibError for a model that is not there, and for options that the model does not have.
    """
    known = own_options(config.model)
    unknown = sorted(set(config.options) - set(known))
    if unknown:
        listed = ", ".join(known) or "none"
        raise FlowlibError(f"options {unknown} are not of the model {config.model!r}: its own are {listed}")
    return MODELS[config.model](config, channels or config.channels, size or config.size, **config.options)
