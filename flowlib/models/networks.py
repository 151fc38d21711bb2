"""Encoders and decoders, the same for every model. Images (B, C, H, W) in [0, 1]; decoders return logits."""

import copy
from functools import partial

import torch
from torch import nn

from flowlib.errors import FlowlibError, first_line


class Network(nn.Module):
    """Layers `net`, in a lower precision where `precision` names one (then autocast); what comes in and goes out keeps its own."""

    precision = None

    def forward(self, x):
        if self.precision is None:
            return self.net(x)
        with torch.autocast(x.device.type, self.precision):
            return self.net(x).to(x)


class ConvEncoder(Network):
    """Image → mean and log σ of q(z|x). Strided convolutions down to 8 pixels or fewer, one hidden layer of 16 × width units.

    refined : the hidden layer is normalised (layer norm)
    """

    def __init__(self, channels, size, latent_dim, width, refined=False):
        super().__init__()
        sides, widths = _stages(size, width)
        layers = []
        for before, after in zip([channels, *widths], widths):
            layers += [nn.Conv2d(before, after, 4, 2, 1), nn.SiLU()]
        self.net = nn.Sequential(
            *layers, nn.Flatten(),
            *_hidden(widths[-1] * sides[-1] ** 2, 16 * width, refined),
            nn.Linear(16 * width, 2 * latent_dim),
        )  # fmt: skip

    def forward(self, images):
        return super().forward(images).chunk(2, dim=-1)


class ConvDecoder(Network):
    """Latent → logits, the encoder mirrored.

    refined : the hidden layer is normalised, and each doubling of the side but the last is followed by one more convolution
    """

    def __init__(self, channels, size, latent_dim, width, refined=False):
        super().__init__()
        sides, widths = _stages(size, width)
        layers = [
            *_hidden(latent_dim, 16 * width, refined),
            nn.Linear(16 * width, widths[-1] * sides[-1] ** 2), nn.SiLU(),
            nn.Unflatten(1, (widths[-1], sides[-1], sides[-1])),
        ]  # fmt: skip
        for before, after, side in zip(widths[::-1], [*widths[-2::-1], channels], sides[-2::-1]):
            layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, output_padding=side % 2), nn.SiLU()]
            if refined and side < size:
                layers += [nn.ConvTranspose2d(after, after, 3, 1, 1), nn.SiLU()]
        self.net = nn.Sequential(*layers[:-1])


def _hidden(before, after, refined):
    return [nn.Linear(before, after), *([nn.LayerNorm(after)] if refined else []), nn.SiLU()]


class MLPEncoder(Network):
    """Image → mean and log σ of q(z|x). Two hidden layers of 16 × width units."""

    def __init__(self, channels, size, latent_dim, width):
        super().__init__()
        hidden = 16 * width
        self.net = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * size**2, hidden), nn.SiLU(),
            nn.Linear(hidden, hidden), nn.SiLU(),
            nn.Linear(hidden, 2 * latent_dim),
        )  # fmt: skip

    def forward(self, images):
        return super().forward(images).chunk(2, dim=-1)


class MLPDecoder(Network):
    """Latent → logits. Two hidden layers of 16 × width units."""

    def __init__(self, channels, size, latent_dim, width):
        super().__init__()
        hidden = 16 * width
        self.net = nn.Sequential(
            nn.Linear(latent_dim, hidden), nn.SiLU(),
            nn.Linear(hidden, hidden), nn.SiLU(),
            nn.Linear(hidden, channels * size**2),
            nn.Unflatten(1, (channels, size, size)),
        )  # fmt: skip


NETWORKS = {
    "conv": (ConvEncoder, ConvDecoder),
    "refined": (partial(ConvEncoder, refined=True), partial(ConvDecoder, refined=True)),
    "mlp": (MLPEncoder, MLPDecoder),
}


def build_networks(kind, channels, size, latent_dim, width, encoder=None, decoder=None):
    """(encoder, decoder) of the named kind, or the ones given; raises for a kind that is not there, and for shapes that do not fit."""
    if kind not in NETWORKS:
        raise FlowlibError(f"network = {kind!r}: choose one of {', '.join(NETWORKS)}")
    images, codes, shape = torch.zeros(2, channels, size, size), torch.zeros(2, latent_dim), (channels, size, latent_dim, width)
    if encoder is not None:
        _check(encoder, "encoder", images, [tuple(codes.shape)] * 2, "mean and log σ")
    if decoder is not None:
        _check(decoder, "decoder", codes, [tuple(images.shape)], "the parameters of p(x|z)")
    encoder = NETWORKS[kind][0](*shape) if encoder is None else encoder
    return encoder, NETWORKS[kind][1](*shape) if decoder is None else decoder


@torch.no_grad()
def _check(network, name, example, wanted, what):
    """Raise unless a network that was passed in returns tensors of the shapes wanted; a copy is asked, so that nothing in it changes."""
    if not isinstance(network, nn.Module):
        raise FlowlibError(f"{name} is a {type(network).__name__}: give a torch.nn.Module")
    remedy = f"give {what}, {' and '.join(map(str, wanted))}"
    first = next(network.parameters(), example)
    try:
        found = copy.deepcopy(network).eval()(example.to(first))
    except Exception as error:  # it may raise anything
        raise FlowlibError(f"{name} cannot take {tuple(example.shape)} ({first_line(error)}): {remedy}") from error
    found = found if isinstance(found, (tuple, list)) else [found]
    shapes = [tuple(getattr(one, "shape", ())) for one in found]
    if shapes != wanted:
        raise FlowlibError(f"{name} returns {shapes} for {tuple(example.shape)}: {remedy}")


def _stages(size, width):
    """(sides, channels): size, size/2, … down to 8 pixels or fewer, at least two halvings; width, 2·width, 4·width, 4·width, …"""
    sides = [size]
    while len(sides) < 3 or sides[-1] > 8:
        sides.append(sides[-1] // 2)
    if not sides[-1]:
        raise FlowlibError(f"image size {size}: the convolutional networks need 4 or more pixels a side")
    return sides, [width * min(2**stage, 4) for stage in range(len(sides) - 1)]
