"""The whole model in the page: a digit drawn there is encoded, moved by a flow and decoded, beside what really happens to it (chapter 16)."""

import torch

from flowlib.book.laboratory_drawing import SIZE
from flowlib.book.playground import true_pictures
from flowlib.errors import FlowlibError
from flowlib.evaluation import decode_mean, frame_errors, superposed_times
from flowlib.viz.checks import as_array
from flowlib.viz.picture import make_frame
from flowlib.viz.weights import pack_encoder, pack_network, pack_potentials
from flowlib.viz.widget import make_axis, widget

USUAL = (0.5, 0.95)  # of the digits that the model never saw


@torch.no_grad()
def sketch(model, sequences, indices, *, most=None, alt="", caption="", precision="int8", height=120):
    """A square to draw in; the page encodes what is in it, z_0 = μ(x_0), follows z ← z + ∇u^k(z, t) for as many steps as the slider says, and decodes.

    Four pictures: what the encoder reads, that decoded without motion, decoded after the flow, and the truth. A line says by how much of its
    ink the second differs from the first, beside that share for the sequences' own digits (`ink_shares`), and the third from the fourth.

    model : a flow model of red digits of 28 pixels with Bernoulli decoder;  sequences : `flowlib.data.Sequences` of scale, rotation and hue
    or some of them, not those of training;  indices : its digits that the reader can have instead of a drawing
    most : the most steps (default 2 T);  precision : 'int8' or 'float16'
    """
    indices = list(indices)
    if not indices:
        raise FlowlibError("indices is empty; name one or more digits")
    first = sequences.first_frames(indices)
    if first.shape[1:] != (3, SIZE, SIZE):
        raise FlowlibError(f"images of shape {tuple(first.shape[1:])} cannot be drawn in the page: it makes (3, {SIZE}, {SIZE})")
    most = 2 * sequences.steps if most is None else most
    start = min(sequences.steps, most)
    codes = model.encode(first).mean
    axes = [
        make_axis("flow", sequences.factors, len(sequences.factors), "buttons", 0),
        make_axis("steps", None, most + 1, start=start),
    ]
    usual = [round(100 * share.item()) for share in ink_shares(model, sequences.first_frames()).quantile(torch.tensor(USUAL))]
    network, _ = pack_network(model.decoder, as_array(codes, "codes", 2), precision)
    data = network | pack_encoder(model.encoder, precision) | pack_potentials(model.potentials)
    data |= true_pictures(first, sequences.factors, sequences.steps, most) | {"usual": usual}
    moved = model.transport(codes[:1], 0, start)[:, -1]
    true = sequences.composed(indices[:1], superposed_times(sequences, (0,), start)[-1:])[0, 0]
    pictures = {"read": first[0], "drawn": decode_mean(model, codes[:1])[0], "moved": decode_mean(model, moved)[0], "true": true}
    still = {name: make_frame(image) for name, image in pictures.items()}
    return widget("sketch", axes, data, still, alt, caption, height=height)


@torch.no_grad()
def ink_shares(model, images):
    """‖x − decoded(μ(x))‖₁ / ‖x‖₁ of images (N, C, H, W): by how much of its ink each is off when it is only encoded and decoded."""
    off = frame_errors(images[:, None], decode_mean(model, model.encode(images).mean)[:, None])[:, 0]
    return off / images.flatten(1).sum(1).clamp_min(1)
