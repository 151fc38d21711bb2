"""Networks that run inside the page: a slider moves the latent, and the reader's browser decodes it."""

import base64

import numpy as np

from flowlib.errors import FlowlibError
from flowlib.viz.checks import as_array, as_labels
from flowlib.viz.frames import make_frame
from flowlib.viz.page import Axis, image_html, widget_html
from flowlib.viz.scripts import FLOW, NETWORK, PATHS
from flowlib.viz.weights import evaluate, layers_of, pack, pack_layers

CONTINUOUS = 0.1  # the slider's step, in steps of the flow


def live_decoder(decoder, latents, labels=None, *, steps=None, names=("path", "t"), shape=None, activation="silu",
                 logits=True, precision="float16", caption="", alt="", height=224, interval=None):
    """Decode latents along N given paths, `latents` (N, S, d), in the page; between steps the latent is interpolated.

    `decoder`: see `layers_of`; a list of (W, b) needs `shape` = (c, H, W). `labels`: a name for each path; `steps`: one for each
    of the S positions. `logits`: a sigmoid follows. `precision`: 'float16', or 'int8' at half the bytes, each weight off by at
    most 1/254 of its row's largest. The same picture stands still where no script runs. Raises FlowlibError for other shapes.
    """
    latents = as_array(latents, "latents", 3)
    axes = [_options(names[0], labels, len(latents)), _slider(names[1], steps, latents.shape[1], latents.shape[1] // 2)]
    still = latents[axes[0].start, axes[1].start]
    layers, data, image = _prepare(decoder, still, latents, shape, activation, logits, precision)
    return _show(image, axes, {**data, "layers": layers}, PATHS, caption, alt, height, interval)


def live_flow(decoder, potentials, codes, factor_names, labels=None, *, steps=8, name="image", shape=None, logits=True,
              precision="float16", caption="", alt="", height=224, interval=None):
    """Let codes (N, d) flow along ∇u^k in the page, one slider per factor from 0 to `steps`, and decode them (M10).

    The flows act one after the other in the order of `factor_names`, each with time labels 1, 2, …; a part of a step moves
    that part of the way. `potentials`: K tanh networks with the attributes of `flowlib.flows.PotentialBank` (weights, biases,
    time_weight, head, offset, frequencies, bounded). Other arguments as in `live_decoder`.
    """
    codes = as_array(codes, "codes", 2)
    packed = _pack_potentials(potentials)
    names = as_labels(factor_names, len(packed), "factor_names")
    axes = [_options(name, labels, len(codes)), *(_slider(factor, None, steps + 1, 0) for factor in names)]
    layers, data, image = _prepare(decoder, codes[0], codes, shape, "silu", logits, precision)
    flow = {"potentials": packed, "frequencies": as_array(potentials.frequencies, "frequencies", 1).tolist(),
            "bounded": bool(potentials.bounded)}
    return _show(image, axes, {**data, **flow, "layers": layers}, FLOW, caption, alt, height, interval)


def _prepare(decoder, still, latents, shape, activation, logits, precision):
    """The packed layers, the data that every live picture needs, and the image (c, H, W) of the latent `still`."""
    layers = layers_of(decoder, activation) + ([("sigmoid",)] if logits else [])
    first = next(layer[1] for layer in layers if layer[0] == "linear")
    if first.shape[1] != latents.shape[-1]:
        raise FlowlibError(f"latents have {latents.shape[-1]} dimensions, but the decoder takes {first.shape[1]}")
    packed, kept = pack_layers(layers, precision)
    image = evaluate(kept, still[None])[0].detach().numpy()
    if image.ndim == 1:
        if shape is None or np.prod(shape) != image.size:
            raise FlowlibError(f"the decoder returns {image.size} numbers, but shape is {shape}; pass shape = (c, H, W)")
        image = image.reshape(shape)
    text = base64.b64encode(latents.astype("<f4").tobytes()).decode("ascii")
    return packed, {"latents": text, "dim": latents.shape[-1], "shape": list(image.shape)}, np.clip(image, 0, 1)


def _pack_potentials(bank):
    """One dictionary per factor, in half precision."""
    factors = len(bank.head)
    offset = as_array(bank.offset, "offset", 1)
    return [{"weights": [_half(w[k]) for w in bank.weights], "biases": [_half(b[k]) for b in bank.biases],
             "time": _half(bank.time_weight[k]), "head": _half(bank.head[k]), "offset": float(offset[k])} for k in range(factors)]


def _half(array):
    return pack(as_array(array, "a potential's weights"), "float16")[0]


def _options(name, labels, count):
    labels = as_labels(range(count) if labels is None else labels, count, "labels")
    return Axis(name, tuple(labels), "buttons", 0)


def _slider(name, labels, count, start):
    labels = as_labels(range(count) if labels is None else labels, count, "steps")
    return Axis(name, tuple(labels), "slider", start, CONTINUOUS)


def _show(image, axes, data, latent_script, caption, alt, height, interval):
    from IPython.display import HTML

    if not alt:
        raise FlowlibError("alt is empty; describe in a sentence what the picture shows, for readers who cannot see it")
    frame = make_frame(image)
    source = f"data:{frame.media_type};base64,{base64.b64encode(frame.content).decode('ascii')}"
    picture = image_html(frame, source, alt, height)
    return HTML(widget_html(picture, axes, data, latent_script + NETWORK, caption=caption, alt=alt, interval=interval))
