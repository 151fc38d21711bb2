"""A playground: flows chained in any order and mixed, decoded in the page beside what really happens to the picture (chapter 11).

The true picture needs no stored frames: the page makes it from x_0 by the one composed warp of `flowlib.data.transforms`, with the
strengths that Python looked up, and paints it in the colour of its hue.
"""

from itertools import combinations

import numpy as np
import torch

from flowlib.data import FACTORS, rotate_hue, strength
from flowlib.errors import FlowlibError
from flowlib.viz.checks import as_array
from flowlib.viz.picture import as_text, make_frame
from flowlib.viz.weights import pack_network, pack_potentials
from flowlib.viz.widget import make_axis, widget


def playground(model, sequences, indices, labels=None, *, most=None, alt="", caption="", precision="int8", height=168):
    """Let the reader move the codes of the images at `indices` step by step, by any flow or any sum of flows (M18).

    Each step is z ← z + Σ_k ∇u^k(z, t) over the chosen factors, from z_0 = μ(x_0). Time labels count anew from 1 after
    every change of the factors, or go on, as the reader chooses. Beside the decoded picture stands the true one, and
    ‖x − E[x|z]‖₁ of both is printed beside ‖x − x_0‖₁.

    model : a flow model with Bernoulli decoder;  sequences : `flowlib.data.Sequences`, of scale, rotation and hue or some of them
    most : the most steps of a factor (default 2 T);  labels : a name for each image;  precision : 'int8' or 'float16'
    """
    indices, names = list(indices), sequences.factors
    if not indices:
        raise FlowlibError("indices is empty; name one or more images")
    most = 2 * sequences.steps if most is None else most
    first = sequences.first_frames(indices)
    codes = as_array(model.encode(first).mean, "codes", 2)
    network, image = pack_network(model.decoder, codes, precision)
    sets = [one for size in range(1, len(names) + 1) for one in combinations(range(len(names)), size)]
    flows = [" + ".join(names[k] for k in one) for one in sets]
    axes = [
        make_axis("digit", indices if labels is None else labels, len(indices), "buttons", 0),
        make_axis("flow", flows, len(sets), "buttons", 0),
        make_axis("time labels", ("anew after a change", "go on"), 2, "buttons", 0),
    ]
    data = network | pack_potentials(model.potentials) | true_pictures(first, names, sequences.steps, most) | {"sets": sets, "most": most}
    still = {"decoded": make_frame(image), "true": make_frame(first[0])}
    return widget("playground", axes, data, still, alt, caption, height=height)


def true_pictures(first, names, steps, most):
    """What the page needs to make the true pictures: x_0 in grey, and the strengths after 0 … most steps. FlowlibError for other factors."""
    unknown = set(names) - set(FACTORS)
    if unknown:
        raise FlowlibError(f"factors {sorted(unknown)} cannot be drawn in the page; it knows {', '.join(FACTORS)}")
    count = torch.arange(most + 1)
    scale, degrees, hue = (strength(name, count, steps) for name in FACTORS)
    red = torch.tensor([1.0, 0, 0])[None, :, None, None].expand(most + 1, 3, 1, 1)
    return {
        "photos": as_text(np.round(255 * as_array(first[:, 0], "images")).astype(np.uint8).tobytes()),
        "scale": scale.tolist(),
        "angle": torch.deg2rad(degrees).tolist(),
        "tint": rotate_hue(red, hue)[:, :, 0, 0].tolist(),
        "places": [names.index(name) if name in names else -1 for name in FACTORS],
    }
