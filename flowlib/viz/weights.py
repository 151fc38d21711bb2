"""Weights of a network as text inside a page: half precision, or bytes with one scale per row."""

import base64

import numpy as np
import torch
from torch import nn

from flowlib.errors import FlowlibError
from flowlib.viz.checks import as_array

ACTIVATIONS = {nn.SiLU: "silu", nn.Tanh: "tanh", nn.ReLU: "relu", nn.Sigmoid: "sigmoid"}
FUNCTIONS = {
    "silu": torch.nn.functional.silu,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
}


def layers_of(network, activation="silu"):
    """The layers of `network` as plain tuples, the form in which a page evaluates them.

    `network`: an nn.Sequential (or a module that holds one as `net`) of Linear, ConvTranspose2d, Unflatten,
    Flatten, SiLU, Tanh, ReLU and Sigmoid; or a list of (W (n, m), b (n,)) of a plain network with
    `activation` between its layers. Raises FlowlibError for a layer that has no counterpart.
    """
    if isinstance(network, (list, tuple)):
        layers = []
        for weight, bias in network:
            layers += [(activation,)] if layers else []
            layers.append(("linear", as_array(weight, "W", 2), as_array(bias, "b", 1)))
        return layers
    return [
        _layer(module) for module in getattr(network, "net", network) if not isinstance(module, nn.Flatten)
    ]


def _layer(module):
    if isinstance(module, nn.Linear):
        return "linear", as_array(module.weight, "W", 2), as_array(module.bias, "b", 1)
    if isinstance(module, nn.ConvTranspose2d):
        odd = (module.groups, module.dilation, module.output_padding) != (1, (1, 1), (0, 0))
        if not odd and module.stride[0] == module.stride[1] and module.padding[0] == module.padding[1]:
            return (
                "conv",
                as_array(module.weight, "W", 4),
                as_array(module.bias, "b", 1),
                module.stride[0],
                module.padding[0],
            )
    if isinstance(module, nn.Unflatten):
        return "shape", tuple(module.unflattened_size)
    if type(module) in ACTIVATIONS:
        return (ACTIVATIONS[type(module)],)
    raise FlowlibError(
        f"layer {module} cannot run in a page; use Linear, ConvTranspose2d (no groups, dilation or output "
        "padding), Unflatten, SiLU, Tanh, ReLU or Sigmoid"
    )


def pack(array, precision):
    """An array as {"size", "text"}: base64 of half-precision numbers, or of bytes beside one scale per first
    index.

    Returns the packed form and the array (float32) that the page will unpack.
    """
    array = np.asarray(array, np.float32)
    if precision == "float16":
        if np.abs(array).max(initial=0) > 65504:
            raise FlowlibError(
                f"a weight of {np.abs(array).max():.3g} is beyond half precision (65504); rescale the network"
            )
        kept = array.astype("<f2")
        return {"half": _text(kept)}, kept.astype(np.float32)
    if precision != "int8":
        raise FlowlibError(f"precision {precision!r} is unknown; use 'float16' or, at half the bytes, 'int8'")
    rows = array.reshape(len(array), -1)
    scale = np.maximum(np.abs(rows).max(1, keepdims=True) / 127, 1e-30).astype("<f4")
    kept = np.round(rows / scale).astype("i1")
    return {"bytes": _text(kept), "scale": _text(scale)}, (kept * scale).reshape(array.shape)


def pack_layers(layers, precision):
    """The layers as JSON-ready dictionaries, and as tuples with the weights that the page will have."""
    packed, kept = [], []
    for kind, *values in layers:
        if kind == "shape":
            packed.append({"kind": kind, "shape": list(values[0])})
            kept.append((kind, *values))
        elif kind in FUNCTIONS:
            packed.append({"kind": kind})
            kept.append((kind,))
        else:
            first_last = (
                kind == "conv"
            )  # the page wants the input channels, the first axis of torch's weight, innermost
            weight, near = pack(np.moveaxis(values[0], 0, -1) if first_last else values[0], precision)
            bias, near_bias = pack(values[1], "float16")
            packed.append(
                {
                    "kind": kind,
                    "W": weight,
                    "b": bias,
                    "size": list(values[0].shape),
                    "rest": list(values[2:]),
                }
            )
            kept.append((kind, np.moveaxis(near, -1, 0) if first_last else near, near_bias, *values[2:]))
    return packed, kept


def evaluate(layers, z):
    """The network on latents z (N, d), in torch: what the page should show."""
    x = torch.as_tensor(np.asarray(z), dtype=torch.float32)
    for kind, *values in layers:
        if kind == "linear":
            x = x.flatten(1) @ _tensor(values[0]).T + _tensor(values[1])
        elif kind == "conv":
            x = nn.functional.conv_transpose2d(
                x, _tensor(values[0]), _tensor(values[1]), values[2], values[3]
            )
        elif kind == "shape":
            x = x.unflatten(1, values[0])
        else:
            x = FUNCTIONS[kind](x)
    return x


def _tensor(array):
    return torch.as_tensor(np.asarray(array, np.float32))


def _text(array):
    return base64.b64encode(array.tobytes()).decode("ascii")
