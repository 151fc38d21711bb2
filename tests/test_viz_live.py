"""Networks evaluated by the page agree with torch, grey level by grey level, in a real browser."""

import base64
import copy
import io
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
import torch
from browsing import browser, needs_browser, page  # noqa: F401
from PIL import Image
from torch import nn

from flowlib import viz
from flowlib.errors import FlowlibError
from flowlib.flows import PotentialBank
from flowlib.models.networks import ConvDecoder
from flowlib.viz.weights import pack, pack_network, pack_potentials
from flowlib.viz.widget import SCRIPTS, WEB, asset

LEVELS = 2  # grey levels of 255 between the page and torch: half-precision weights, float32 sums, rounding to a level


def vivid(*layers):
    """A network with larger weights, for pictures that vary from black to white."""
    torch.manual_seed(0)
    network = nn.Sequential(*(make() for make in layers))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= 2.5
    return network


def plain(dim=5, activation=nn.SiLU):
    return vivid(lambda: nn.Linear(dim, 24), activation, lambda: nn.Linear(24, 24), activation, lambda: nn.Linear(24, 12),
                 lambda: nn.Unflatten(1, (3, 2, 2)))  # fmt: skip


def convolutional(dim=5, kernel=4, stride=2, padding=1):
    return vivid(lambda: nn.Linear(dim, 16), nn.SiLU, lambda: nn.Linear(16, 36), lambda: nn.Unflatten(1, (6, 2, 3)), nn.SiLU,
                 lambda: nn.ConvTranspose2d(6, 4, kernel, stride, padding), nn.SiLU, lambda: nn.ConvTranspose2d(4, 3, 4, 2, 1))  # fmt: skip


def refined(dim=5):
    """The package's own decoder, with scales and shifts of its layer norm that differ."""
    network = vivid(lambda: ConvDecoder(3, 16, dim, 2, refined=True))[0].net
    for parameter in network[1].parameters():
        parameter.data += torch.randn_like(parameter)
    return network


def grey(dim=5):
    return vivid(lambda: nn.Linear(dim, 16), nn.Tanh, lambda: nn.Linear(16, 6), lambda: nn.Unflatten(1, (1, 2, 3)))


def codes(count):
    return 2 * torch.randn(count, 5, generator=torch.Generator().manual_seed(1))


def moving(bounded=False):
    torch.manual_seed(2)
    bank = PotentialBank(3, 5, 8, horizon=4, bounded=bounded)
    for parameter in bank.parameters():
        parameter.data += 0.7 * torch.randn_like(parameter)
    return bank


def live(network, bank, z, **options):
    return viz.live_flow(network, bank, z, ["scale", "rotation", "hue"], steps=4, alt="an image of noise", **options).data


@torch.no_grad()
def wanted(network, z):
    """Red, green and blue of the picture, as the page must show them."""
    return 255 * network(z[None])[0].sigmoid().flatten(1).expand(3, -1).numpy()


@torch.no_grad()
def gradient(bank, z, t, k):
    return bank(z[None, None], float(t), torch.tensor([k])).gradient[0, 0]


@needs_browser
@pytest.mark.parametrize("network", [
    plain(), plain(activation=nn.Tanh), plain(activation=nn.ReLU), plain(activation=nn.Sigmoid), convolutional(), grey(),
    convolutional(kernel=3, stride=1, padding=0), refined(),
], ids=["silu", "tanh", "relu", "sigmoid", "convolutional", "grey", "stride 1", "refined"])  # fmt: skip
def test_the_page_decodes_as_torch_does(page, network):
    z = codes(3)
    page.open(live(network, moving(), z))
    seen = [np.array(page.probe(f'$("input", {n}).click(); return pixels(0)')) for n in range(3)]
    for image, code in zip(seen, z):
        assert np.abs(image - wanted(network, code)).max() <= LEVELS
    assert max(np.ptp(image) for image in seen) > 40, "a constant picture would agree with anything"


@needs_browser
@pytest.mark.parametrize("bounded", [False, True])
def test_the_page_flows_as_the_potentials_do(page, bounded):
    bank, network, z = moving(bounded), plain(), codes(2)[1]
    page.open(live(network, bank, codes(2)))
    start = np.array(page.probe('$("input", 1).click(); return pixels(0)'))
    assert np.abs(start - wanted(network, z)).max() <= LEVELS
    for t in (1, 2):
        z = z + gradient(bank, z, t, 0)
    assert np.abs(np.array(page.probe('input($("input", 2), 2); return pixels(0)')) - wanted(network, z)).max() <= LEVELS
    z = z + gradient(bank, z, 1, 2)
    z = z + 0.5 * gradient(bank, z, 2, 2)
    moved = np.array(page.probe('input($("input", 4), 1.5); return pixels(0)'))
    assert np.abs(moved - wanted(network, z)).max() <= LEVELS
    assert page.probe('return $("output", 2).textContent') == "1.5"
    assert np.abs(start - moved).max() > 20, "the flow moved the picture"


@needs_browser
def test_without_logits_no_sigmoid_follows(page):
    network, z = plain(), codes(1)
    page.open(live(network, moving(), z, logits=False))
    assert np.abs(np.array(page.probe("return pixels(0)")) - 255 * network(z)[0].detach().flatten(1).clamp(0, 1).numpy()).max() <= LEVELS


@needs_browser
def test_a_step_of_the_keyboard_is_a_tenth_of_a_step_of_the_flow(page):
    page.open(live(plain(), moving(), codes(1))).press("Tab", "Tab", "ArrowRight")
    assert page.probe('return [$("figure").dataset.at, $("canvas").getAttribute("aria-label")]') == [
        "0,0.1,0,0", "an image of noise (image = 0, scale = 0.1, rotation = 0, hue = 0)"]  # fmt: skip


NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="no node on the PATH; the browser runs the same scripts")


@needs_node
@pytest.mark.parametrize("kind", SCRIPTS)
def test_scripts_are_strict_javascript(kind, tmp_path):
    script = tmp_path / "script.js"
    script.write_text('"use strict";\n' + "\n".join(asset(f"{name}.js") for name in SCRIPTS[kind]), encoding="utf-8")
    for path in (script, *(WEB / f"{name}.js" for name in SCRIPTS[kind])):
        subprocess.run([NODE, "--check", path], check=True)


@needs_node
@pytest.mark.parametrize("bounded", [False, True])
def test_the_scripts_numbers_are_torch_s(bounded):
    """To single precision, beyond the grey levels that a page shows: weights rounded as the page has them on both sides."""
    network, bank, z = convolutional(), moving(bounded), codes(2)
    rounded = copy.deepcopy(bank)
    for parameter in (p for name, p in rounded.named_parameters() if name != "offset"):
        parameter.data = parameter.data.half().float()
    data, image = pack_network(network, z.numpy(), "int8")
    script = f"const d = {json.dumps(data | pack_potentials(bank))};\n{asset('network.js')}\n"
    script += "console.log(JSON.stringify([decode(code(0)), gradient(d.potentials[1], code(1), 2.5)].map(x => [...x])))"
    answer = subprocess.run([NODE], input='"use strict";' + script, capture_output=True, text=True, check=True).stdout
    decoded, velocity = (np.array(values) for values in json.loads(answer))
    assert np.abs(decoded - image.ravel()).max() < 1e-5
    assert velocity == pytest.approx(gradient(rounded, z[1], 2.5, 1).numpy(), rel=1e-4, abs=1e-5)


def test_the_still_picture_is_the_first_code():
    network, z = plain(), codes(2)
    source = re.search(r'src="data:image/png;base64,([^"]+)"', live(network, moving(), z)).group(1)
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(source))).convert("RGB"))
    assert np.abs(shown.reshape(-1, 3).T - wanted(network, z[0])).max() <= LEVELS


def test_packed_numbers_are_off_by_at_most_their_last_digit():
    array = np.random.default_rng(0).normal(size=(30, 40))
    _, near = pack(array, "int8")
    assert (np.abs(near - array).max(1) <= 0.501 * np.abs(array).max(1) / 127).all()
    _, near = pack(array, "float16")
    assert np.abs(near / array - 1).max() < 2**-10
    with pytest.raises(FlowlibError, match="65504"):
        pack([1e5], "float16")


def test_packing_a_network_leaves_it_as_it_is_and_bytes_are_near():
    network, z = convolutional(), codes(1)
    before = [parameter.clone() for parameter in network.parameters()]
    data, image = pack_network(network, z.numpy(), "int8")
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters()))
    exact = network(z)[0].sigmoid().detach().numpy()
    assert 0 < np.abs(image - exact).max() < 0.2 and data["shape"] == [3, 8, 12]


@pytest.mark.parametrize("make, message", [
    (lambda: live(plain(), moving(), codes(1)[:, :4]), "4 dimensions.*takes 5"),
    (lambda: live(plain(), moving(), codes(1)[0]), "2 axes"),
    (lambda: live(plain()[:-1], moving(), codes(1)), r"\(12,\).*Unflatten"),
    (lambda: live(nn.Sequential(nn.GRU(3, 3)), moving(), codes(1)), "GRU.*cannot run"),
    (lambda: live(nn.Sequential(nn.LayerNorm(5, bias=False), *plain()), moving(), codes(1)), "LayerNorm.*cannot run"),
    (lambda: live(nn.Sequential(*plain(), nn.LayerNorm(2)), moving(), codes(1)), "LayerNorm after Unflatten cannot run"),
    (lambda: live(nn.GRU(3, 3), moving(), codes(1)), "GRU.*cannot run"),
    (lambda: live(nn.Sequential(nn.Linear(5, 3, bias=False)), moving(), codes(1)), "with bias"),
    (lambda: live(plain(), moving(), codes(1), precision="int4"), "int4.*int8"),
    (lambda: viz.live_flow(plain(), moving(), codes(1), ["scale"], alt="a"), "3 are needed"),
    (lambda: viz.live_flow(plain(), moving(), codes(1), "abc"), "alt is empty"),
])  # fmt: skip
def test_mistakes_are_named(make, message):
    with pytest.raises(FlowlibError, match=message):
        make()
