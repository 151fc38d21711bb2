"""Networks evaluated by the page agree with torch, grey level by grey level, in a real browser."""

import re

import numpy as np
import pytest
import torch
from test_viz_browser import CHROMIUM, browse
from torch import nn

from flowlib import viz
from flowlib.errors import FlowlibError
from flowlib.flows import PotentialBank
from flowlib.viz.weights import evaluate, layers_of, pack, pack_layers

in_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium"
)
PIXELS = """const pixels = () => { const c = $("canvas");
const x = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
return [[...x].filter((v, i) => i % 4 === 0), [...x].filter((v, i) => i % 4 === 2)] };"""


def vivid(network):
    """Larger weights, for pictures that vary from black to white."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= 2.5
    return network


def plain(dim=5, activation=nn.SiLU):
    torch.manual_seed(0)
    return vivid(
        nn.Sequential(
            nn.Linear(dim, 24),
            activation(),
            nn.Linear(24, 24),
            activation(),
            nn.Linear(24, 12),
            nn.Unflatten(1, (3, 2, 2)),
        )
    )


def convolutional(dim=5):
    torch.manual_seed(0)
    return vivid(
        nn.Sequential(
            nn.Linear(dim, 16),
            nn.SiLU(),
            nn.Linear(16, 24),
            nn.Unflatten(1, (6, 2, 2)),
            nn.SiLU(),
            nn.ConvTranspose2d(6, 4, 4, 2, 1),
            nn.SiLU(),
            nn.ConvTranspose2d(4, 3, 4, 2, 1),
        )
    )


def latents(*shape):
    return 2 * torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def grey(network, z):
    """Red and blue of the picture, as the page must show them."""
    image = 255 * network(z[None])[0].sigmoid().detach()
    return [image[0].flatten(), image[2].flatten()]


def off(seen, network, z):
    return max(np.abs(np.array(s) - w.numpy()).max() for s, w in zip(seen, grey(network, z)))


@in_browser
@pytest.mark.parametrize(
    "network",
    [plain(), plain(activation=nn.Tanh), plain(activation=nn.ReLU), convolutional()],
    ids=["silu", "tanh", "relu", "convolutional"],
)
def test_the_page_decodes_as_torch_does(tmp_path, network):
    z = latents(2, 4, 5)
    body = viz.live_decoder(network, z, ["first", "second"], alt="an image of noise").data
    seen = browse(
        tmp_path,
        body,
        PIXELS
        + """const all = [pixels()]; $("input", 1).click(); input($("input", 2), 3);
        all.push(pixels()); input($("input", 2), 0.5); all.push(pixels());
        all.push($("output").textContent); return all""",
    )
    between = 0.5 * (z[1, 0] + z[1, 1])
    assert (
        off(seen[0], network, z[0, 2]) < 1.2
        and off(seen[1], network, z[1, 3]) < 1.2
        and off(seen[2], network, between) < 1.2
    )
    assert seen[3] == "0.5"
    assert np.ptp(np.array(seen[1])) > 40, "a constant picture would agree with anything"


@in_browser
@pytest.mark.parametrize("bounded", [False, True])
def test_the_page_flows_as_the_potentials_do(tmp_path, bounded):
    torch.manual_seed(2)
    bank = PotentialBank(3, 5, 8, horizon=4, bounded=bounded)
    for parameter in bank.parameters():
        parameter.data += 0.7 * torch.randn_like(parameter)
    network, codes = plain(), latents(2, 5)
    body = viz.live_flow(
        network, bank, codes, ["scale", "rotation", "hue"], steps=4, alt="an image of noise"
    ).data
    seen = browse(
        tmp_path,
        body,
        PIXELS
        + """$("input", 1).click(); const all = [pixels()];
        input($("input", 2), 2); all.push(pixels()); input($("input", 4), 1.5); all.push(pixels());
        return all""",
    )

    def gradient(z, t, k):
        return bank(z[None, None], float(t), torch.tensor([k])).gradient[0, 0].detach()

    z = codes[1]
    assert off(seen[0], network, z) < 1.2
    for t in (1, 2):
        z = z + gradient(z, t, 0)
    assert off(seen[1], network, z) < 1.2
    z = z + gradient(z, 1, 2)
    z = z + 0.5 * gradient(z, 2, 2)
    assert off(seen[2], network, z) < 1.2
    assert np.abs(np.array(seen[0]) - np.array(seen[2])).max() > 20, "the flow moved the picture"


def test_the_still_picture_is_the_middle_of_the_path():
    network, z = plain(), latents(1, 5, 5)
    page = viz.live_decoder(network, z, alt="an image of noise").data
    import base64
    import io

    from PIL import Image

    source = re.search(r'src="data:image/png;base64,([^"]+)"', page).group(1)
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(source))).convert("RGB"))
    assert np.abs(shown[..., 0].ravel() - grey(network, z[0, 2])[0].numpy()).max() < 1.2


def test_half_the_bytes_cost_at_most_half_a_step_of_each_row():
    array = np.random.default_rng(0).normal(size=(30, 40))
    _, near = pack(array, "int8")
    assert (np.abs(near - array).max(1) <= 0.501 * np.abs(array).max(1) / 127).all()
    _, near = pack(array, "float16")
    assert np.abs(near / array - 1).max() < 2**-10
    network, z = convolutional(), latents(1, 3, 5)
    sizes = [
        len(viz.live_decoder(network, z, precision=p, alt="an image of noise").data)
        for p in ("float16", "int8")
    ]
    assert sizes[1] < sizes[0]


@pytest.mark.parametrize("network", [plain(), convolutional()], ids=["plain", "convolutional"])
def test_layers_as_tuples_are_the_network(network):
    z = latents(3, 5)
    assert torch.allclose(evaluate(layers_of(network), z), network(z), atol=1e-5)
    _, kept = pack_layers(layers_of(network), "int8")
    assert (evaluate(kept, z).sigmoid() - network(z).sigmoid()).abs().max() < 0.2


def test_a_list_of_weights_is_a_plain_network():
    network = plain(activation=nn.Tanh)
    pairs = [(layer.weight, layer.bias) for layer in network if isinstance(layer, nn.Linear)]
    same = [
        viz.live_decoder(n, latents(1, 2, 5), alt="an image of noise", **o).data
        for n, o in ((network, {}), (pairs, {"activation": "tanh", "shape": (3, 2, 2)}))
    ]
    pictures = [re.search(r'src="([^"]+)"', page).group(1) for page in same]
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: viz.live_decoder(plain(), latents(1, 2, 4), alt="a"), "4 dimensions.*takes 5"),
        (lambda: viz.live_decoder(plain(), latents(2, 5), alt="a"), "3 axes"),
        (lambda: viz.live_decoder(plain()[:-1], latents(1, 2, 5), alt="a"), "12 numbers.*shape"),
        (lambda: viz.live_decoder(nn.Sequential(nn.GRU(3, 3)), latents(1, 2, 5), alt="a"), "GRU.*cannot run"),
        (lambda: viz.live_decoder(plain(), latents(1, 2, 5), precision="int4", alt="a"), "int4.*int8"),
        (lambda: viz.live_decoder(plain(), latents(1, 2, 5)), "alt is empty"),
        (
            lambda: viz.live_flow(plain(), PotentialBank(2, 5, 4), latents(1, 5), ["scale"], alt="a"),
            "2 are needed",
        ),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(FlowlibError, match=message):
        make()
