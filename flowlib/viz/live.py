"""Networks that run inside the page: a slider moves the latent, and the reader's browser decodes it."""

import numpy as np

from flowlib.errors import FlowlibError
from flowlib.viz.checks import as_array, as_labels
from flowlib.viz.controls import Axis
from flowlib.viz.frames import make_frame
from flowlib.viz.page import base64_text, image_html, widget_html
from flowlib.viz.scripts import FLOW, LIVE, NETWORK, PATHS, POTENTIALS
from flowlib.viz.weights import evaluate, layers_of, pack, pack_layers

CONTINUOUS = 0.1  # the slider's step, in steps of the flow


def live_decoder(decoder, latents, labels=None, *, steps=None, names=("path", "t"), alt="", caption="",
                 **options):  # fmt: skip
    """Decode latents along N given paths, `latents` (N, S, d), in the page; between steps they interpolate.

    `decoder`: see `layers_of`; a list of (W, b) needs `shape` = (c, H, W). `labels`: a name for each path;
    `steps`: one for each of the S positions. Options: `logits` (default True: a sigmoid follows),
    `activation` of a list of (W, b), `precision` 'float16' or, at half the bytes, 'int8' (a weight is off by
    at most 1/254 of its row's largest), `height` in screen pixels, `interval` of the play button. Where no
    script runs, the middle of the first path is seen. Raises FlowlibError for other shapes.
    """
    latents = as_array(latents, "latents", 3)
    middle = latents.shape[1] // 2
    axes = [_options(names[0], labels, len(latents)), _slider(names[1], steps, latents.shape[1], middle)]
    return _live(decoder, latents, latents[0, middle], axes, {}, PATHS, alt, caption, **options)


def live_flow(decoder, potentials, codes, factor_names, labels=None, *, steps=8, name="image", alt="",
              caption="", **options):  # fmt: skip
    """Let codes (N, d) flow along ∇u^k in the page, a slider 0 … `steps` per factor, and decode them (M10).

    The flows act one after the other in the order of `factor_names`, each with time labels 1, 2, …; a part of
    a step moves that part of the way. `potentials`: K tanh networks with the attributes of
    `flowlib.flows.PotentialBank` (weights, biases, time_weight, head, offset, frequencies, bounded).
    `labels`: a name for each code. Options as in `live_decoder`.
    """
    codes = as_array(codes, "codes", 2)
    flow = pack_potentials(potentials)
    factors = as_labels(factor_names, len(flow["potentials"]), "factor_names")
    axes = [_options(name, labels, len(codes)), *(_slider(factor, None, steps + 1, 0) for factor in factors)]
    return _live(decoder, codes, codes[0], axes, flow, POTENTIALS + FLOW, alt, caption, **options)


def _live(decoder, latents, still, axes, flow, script, alt, caption, *, shape=None, activation="silu",
          logits=True, precision="float16", height=None, interval=None):  # fmt: skip
    """The widget; `still` (d,) is the latent of the picture that is seen where no script runs."""
    from IPython.display import HTML

    image, network = pack_network(decoder, latents, still, precision, shape, activation, logits)
    picture = image_html(make_frame(image), alt, height)
    page = widget_html(picture, axes, network | flow, script + NETWORK + LIVE, caption=caption, alt=alt, interval=interval)
    return HTML(page)


def pack_network(decoder, latents, still, precision="float16", shape=None, activation="silu", logits=True):
    """What the page decodes at the latent `still` (d,), an image (c, H, W), and what it needs to decode any `latents`."""
    layers = layers_of(decoder, activation) + ([("sigmoid",)] if logits else [])
    entrance = next(layer[1].shape[1] for layer in layers if layer[0] == "linear")
    if entrance != len(still):
        raise FlowlibError(f"latents have {len(still)} dimensions, but the decoder takes {entrance}")
    packed, kept = pack_layers(layers, precision)
    image = _as_image(evaluate(kept, still[None])[0].numpy(), shape)
    text = base64_text(latents.astype("<f4").tobytes())
    return image, {"layers": packed, "latents": text, "dim": len(still), "shape": list(image.shape)}


def _as_image(values, shape):
    """The decoder's output (c, H, W) within [0, 1], as the page will show it."""
    if values.ndim == 1:
        if shape is None or np.prod(shape) != values.size:
            raise FlowlibError(f"the decoder returns {values.size} numbers, shape is {shape}; pass (c, H, W)")
        values = values.reshape(shape)
    return np.clip(values, 0, 1)


def pack_potentials(bank):
    """The potentials in half precision, one dictionary per factor, and what they share."""

    def half(array):
        return pack(as_array(array, "a potential's weights"), "float16")[0]

    offset = as_array(bank.offset, "offset", 1)
    potentials = [
        {
            "weights": [half(weight[k]) for weight in bank.weights],
            "biases": [half(bias[k]) for bias in bank.biases],
            "time": half(bank.time_weight[k]),
            "head": half(bank.head[k]),
            "offset": float(offset[k]),
        }
        for k in range(len(offset))
    ]
    frequencies = as_array(bank.frequencies, "frequencies", 1).tolist()
    return {"potentials": potentials, "frequencies": frequencies, "bounded": bool(bank.bounded)}


def _options(name, labels, count):
    labels = as_labels(range(count) if labels is None else labels, count, "labels")
    return Axis(name, tuple(labels), "buttons", 0)


def _slider(name, labels, count, start):
    labels = as_labels(range(count) if labels is None else labels, count, "steps")
    return Axis(name, tuple(labels), "slider", start, CONTINUOUS)
