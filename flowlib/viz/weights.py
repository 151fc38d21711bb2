"""Weights of a network as text inside a page: half precision, or bytes with one scale per row."""

import copy

import numpy as np
import torch
from torch import nn

from flowlib.errors import FlowlibError
from flowlib.viz.checks import as_array
from flowlib.viz.picture import as_text

ACTIVATIONS = {nn.SiLU: "silu", nn.Tanh: "tanh", nn.ReLU: "relu", nn.Sigmoid: "sigmoid"}


def pack(array, precision):
    """An array as JSON-ready text, and the array (float32) that the page will unpack from it.

    'float16': base64 of half-precision numbers; 'int8': of bytes, beside one scale per first index (off by ≤ 1/254 of a row's largest).
    """
    array = np.asarray(array, np.float32)
    if precision == "float16":
        if np.abs(array).max(initial=0) > 65504:
            raise FlowlibError(f"a weight of {np.abs(array).max():.3g} is beyond half precision (65504); rescale the network")
        kept = array.astype("<f2")
        return {"half": as_text(kept.tobytes())}, kept.astype(np.float32)
    if precision != "int8":
        raise FlowlibError(f"precision {precision!r} is unknown; use 'float16' or, at half the bytes, 'int8'")
    rows = array.reshape(len(array), -1)
    scale = np.maximum(np.abs(rows).max(1, keepdims=True) / 127, 1e-30).astype("<f4")
    kept = np.round(rows / scale).astype("i1")
    return {"bytes": as_text(kept.tobytes()), "scale": as_text(scale.tobytes())}, (kept * scale).reshape(array.shape)


def pack_network(decoder, codes, precision="float16", logits=True):
    """What the page needs to decode codes (N, d), and the image (c, H, W) that it will show for the first one.

    `decoder` : latents to images (c, H, W), an nn.Sequential (or a module that holds one as `net`) of Linear, LayerNorm, ConvTranspose2d, Unflatten,
    Flatten, SiLU, Tanh, ReLU and Sigmoid;  `logits` : whether a sigmoid follows. Raises FlowlibError for anything else.
    """
    kept = _copied(decoder, "a decoder")
    if logits:
        kept.append(nn.Sigmoid())
    kinds = list(map(type, kept))
    if nn.Unflatten in kinds and nn.LayerNorm in kinds[kinds.index(nn.Unflatten) :]:
        raise FlowlibError("a LayerNorm after Unflatten cannot run in a page: normalise flat layers only")
    layers = _pack_layers(kept, precision)
    entrance = next(module.in_features for module in kept if isinstance(module, nn.Linear))
    if entrance != codes.shape[1]:
        raise FlowlibError(f"codes have {codes.shape[1]} dimensions, but the decoder takes {entrance}")
    image = kept(torch.as_tensor(codes[:1], dtype=torch.float32))[0].clamp(0, 1).numpy()
    if image.ndim != 3:
        raise FlowlibError(f"the decoder returns shape {image.shape} for a code; end it with nn.Unflatten(1, (c, H, W))")
    text = as_text(codes.astype("<f4").tobytes())
    return {"layers": layers, "codes": text, "dim": entrance, "shape": list(image.shape)}, image


def pack_encoder(encoder, precision="float16"):
    """What the page needs to encode an image: the layers of an encoder (an nn.Sequential as for `pack_network`, which may begin with Conv2d
    and Flatten), the last one without its second half, which gives log σ. Raises FlowlibError for anything else.
    """
    kept = _copied(encoder, "an encoder")
    last = kept[-1]
    if not isinstance(last, nn.Linear) or last.bias is None or last.out_features % 2:
        raise FlowlibError(f"an encoder that ends with {last} cannot run in a page: end it with nn.Linear for means and log σ, with bias")
    half = last.out_features // 2
    last.weight, last.bias = (nn.Parameter(one[:half].clone(), requires_grad=False) for one in (last.weight, last.bias))
    return {"encoder": _pack_layers(kept, precision)}


def _copied(network, name):
    """A copy of the layers, for the weights that the page will have."""
    layers = getattr(network, "net", network)
    if not isinstance(layers, nn.Sequential):
        raise FlowlibError(f"{name} of type {type(network).__name__} cannot run in a page; pass an nn.Sequential of its layers")
    return copy.deepcopy(layers).cpu().float().requires_grad_(False)


def _pack_layers(network, precision):
    return [_pack_layer(module, precision) for module in network if not isinstance(module, nn.Flatten)]


def _pack_layer(module, precision):
    """A layer as the page reads it; the module's weights become those that the page will have."""
    if type(module) in ACTIVATIONS:
        return {"kind": ACTIVATIONS[type(module)]}
    if isinstance(module, nn.Unflatten):
        return {"kind": "shape", "shape": list(module.unflattened_size)}
    if isinstance(module, nn.Linear) and module.bias is not None:
        return {"kind": "linear", **_pack_weights(module, precision)}
    if isinstance(module, nn.LayerNorm) and module.bias is not None and len(module.normalized_shape) == 1:
        return {"kind": "norm", "eps": module.eps, **_pack_weights(module, "float16")}
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)) and module.bias is not None:
        plain = (module.groups, module.dilation, module.output_padding, module.padding_mode) == (1, (1, 1), (0, 0), "zeros")
        if plain and isinstance(module.padding, tuple) and len(set(module.stride)) == len(set(module.padding)) == 1:
            shape = {"size": list(module.weight.shape), "stride": module.stride[0], "padding": module.padding[0]}
            kind = "conv" if isinstance(module, nn.Conv2d) else "spread"
            return {"kind": kind, **shape, **_pack_weights(module, precision)}
    raise FlowlibError(
        f"layer {module} cannot run in a page; use Linear, LayerNorm, Conv2d, ConvTranspose2d (no groups, dilation, output padding "
        "or padding by name), each with bias, Flatten, Unflatten, SiLU, Tanh, ReLU or Sigmoid"
    )


def _pack_weights(module, precision):
    """W, with the input channels innermost (they are the first axis of a transposed convolution in torch), and b."""
    turned = isinstance(module, nn.ConvTranspose2d)
    weight, near = pack(np.moveaxis(module.weight.numpy(), 0, -1) if turned else module.weight.numpy(), precision)
    bias, near_bias = pack(module.bias.numpy(), "float16")
    module.weight.copy_(torch.from_numpy(np.moveaxis(near, -1, 0) if turned else near))
    module.bias.copy_(torch.from_numpy(near_bias))
    return {"W": weight, "b": bias}


def pack_potentials(bank):
    """The potentials of a `flowlib.flows.PotentialBank` in half precision, one dictionary per factor, and what they share.

    Raises FlowlibError for other fields: the page's script follows ∇u alone.
    """
    if not getattr(bank, "is_gradient", False):
        raise FlowlibError(
            f"a {type(bank).__name__} moves by more than ∇u, which is all that a page can follow: give a model whose velocity is gradient"
        )

    def half(array):
        return pack(as_array(array, "a potential's weights"), "float16")[0]

    potentials = [
        {
            "weights": [half(weight[k]) for weight in bank.weights],
            "biases": [half(bias[k]) for bias in bank.biases],
            "time": half(bank.time_weight[k]),
            "head": half(bank.head[k]),
            "offset": float(offset),
        }
        for k, offset in enumerate(as_array(bank.offset, "offset", 1))
    ]
    return {"potentials": potentials, "frequencies": as_array(bank.frequencies, "frequencies", 1).tolist(), "bounded": bool(bank.bounded)}
