"""A model that runs inside the page: sliders let a code flow, and the reader's browser decodes it."""

from flowlib.viz.checks import as_array, as_labels
from flowlib.viz.picture import make_frame
from flowlib.viz.weights import pack_network, pack_potentials
from flowlib.viz.widget import make_axis, widget

CONTINUOUS = 0.1  # the slider's step, in steps of the flow


def live_flow(
    decoder, potentials, codes, factor_names, labels=None, *, steps=8, name="image", alt="", caption="", precision="float16",
    logits=True, **place
):  # fmt: skip
    """Let codes (N, d) flow along ∇u^k in the page, a slider 0 … `steps` per factor, and decode them (M10).

    The flows act one after the other in the order of `factor_names`, each with time labels 1, 2, …; a part of a step moves that part
    of the way. `decoder`: see `pack_network`. `potentials`: K tanh networks with the attributes of `flowlib.flows.PotentialBank`.
    `labels`: a name for each code. `precision`: of the decoder's weights, 'float16' or, at half the bytes, 'int8'. `logits`: whether a
    sigmoid follows the decoder. Further options: `height` in screen pixels, `interval` of the play button in milliseconds.
    Raises FlowlibError for shapes and layers that do not fit.
    """
    codes = as_array(codes, "codes", 2)
    flow = pack_potentials(potentials)
    factors = as_labels(factor_names, len(flow["potentials"]), "factor_names")
    network, image = pack_network(decoder, codes, precision, logits)
    sliders = [make_axis(factor, None, steps + 1, start=0, step=CONTINUOUS) for factor in factors]
    axes = [make_axis(name, labels, len(codes), "buttons", 0), *sliders]
    return widget("flow", axes, network | flow, {"": make_frame(image)}, alt, caption, **place)
