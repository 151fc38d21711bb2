"""The whole model in the page: what is drawn there is placed, encoded, moved and decoded as Python does it."""

import copy
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
import torch
from browsing import browser, needs_browser, page  # noqa: F401
from test_book_playground import LEVELS, differ, flows
from torch import nn

from flowlib.book.laboratory_drawing import as_mnist
from flowlib.book.sketch import ink_shares, sketch
from flowlib.data import Sequences
from flowlib.errors import FlowlibError
from flowlib.evaluation import decode_mean
from flowlib.models.networks import ConvEncoder
from flowlib.viz.weights import pack, pack_encoder
from flowlib.viz.widget import asset

SEEN = """const b = n => $(".flowviz-do button", n), all = () => [1, 2, 3, 4].map(pixels), said = () => $(".flowviz-said").textContent;
const choose = n => $(".flowviz-row", 0).querySelectorAll("input")[n].click(), steps = n => input($("input[type=range]"), n);
const c = $("canvas", 0), box = c.getBoundingClientRect(); c.setPointerCapture = null;
const tell = (type, [x, y], more) => c.dispatchEvent(new PointerEvent(type, {clientX: box.left + x, clientY: box.top + y, ...more}));
const stroke = places => {
  tell("pointerdown", places[0]); places.forEach(p => tell("pointermove", p)); tell("pointerup", places[0]) };"""
STROKE = [[60, 30], [110, 40], [80, 110], [120, 120], [90, 180]]
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="no node on the PATH; the browser runs the same scripts")


def run(script):
    answer = subprocess.run([NODE], input='"use strict";' + script, capture_output=True, text=True, check=True).stdout
    return json.loads(answer)


def body(model, sequences, indices=(4, 7), **options):
    return sketch(model, sequences, list(indices), **{"precision": "float16", "alt": "a digit of noise", **options}).data


def wanted(model, sequences, index, k, steps):
    """The four pictures: what is read, decoded from the first code, decoded after the flow, true."""
    z = model.encode(sequences.first_frames([index])).mean
    times = torch.zeros(1, len(sequences.factors), dtype=torch.long)
    times[0, k] = steps
    moved = model.transport(z, k, steps)[:, -1] if steps else z
    return [
        sequences.first_frames([index])[0],
        decode_mean(model, z)[0],
        decode_mean(model, moved)[0],
        sequences.composed([index], times)[0, 0],
    ]


def ink_of(drawn):
    """The grey levels of the square's points, as a picture in [0, 1]."""
    return torch.tensor(drawn, dtype=torch.float32).reshape(28, 8, 28, 8).mean((1, 3)).round() / 255


def percent(share):
    return round(100 * share.item())


@needs_node
@pytest.mark.parametrize("layers", [
    lambda: ConvEncoder(3, 12, 5, 2).net, lambda: ConvEncoder(3, 12, 5, 2, refined=True).net,
    lambda: nn.Sequential(nn.Conv2d(3, 4, (3, 2), 1, 0), nn.Tanh(), nn.Conv2d(4, 2, 5, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(32, 6)),
], ids=["stride 2", "refined", "other kernels"])  # fmt: skip
@torch.no_grad()
def test_the_page_encodes_as_torch_does(layers):
    torch.manual_seed(0)
    encoder, x = layers(), torch.rand(1, 3, 12, 12)
    for parameter in encoder.parameters():
        parameter *= 2
    rounded = copy.deepcopy(encoder).half().float()
    data = pack_encoder(encoder) | {"layers": [], "potentials": [], "codes": "", "shape": [3, 12, 12]}
    script = f"const d = {json.dumps(data)};\n{asset('network.js')}\nconsole.log(JSON.stringify([...encode({x.flatten().tolist()})]))"
    mean = rounded(x)[0].chunk(2)[0]
    assert run(script) == pytest.approx(mean.tolist(), rel=1e-4, abs=1e-5)
    assert mean.std() > 0.01, "a constant code would agree with anything"


def drawings():
    """Small and large ones, at the border, slanted, and a single point."""
    g = torch.Generator().manual_seed(0)
    for height, width, top, left in (
        (9, 5, 2, 20),
        (24, 13, 3, 10),
        (20, 20, 8, 0),
        (28, 28, 0, 0),
        (1, 1, 27, 27),
        (3, 22, 25, 6),
        (8, 1, 4, 4),
    ):
        levels = torch.zeros(28, 28)
        levels[top : top + height, left : left + width] = torch.randint(30, 256, (height, width), generator=g).float()
        yield levels


@needs_node
def test_a_drawing_is_placed_as_the_laboratory_places_it():
    shown = [levels.flatten().tolist() for levels in drawings()]
    script = f"const SIZE = 28, total = values => values.reduce((sum, v) => sum + v, 0);\n{asset('digit.js')}\n"
    placed = run(f"{script} console.log(JSON.stringify({json.dumps(shown)}.map(levels => [...placed(levels)])))")
    for one, levels in zip(placed, drawings()):
        assert one == pytest.approx((255 * as_mnist(levels / 255)).flatten().tolist(), abs=0.01)
    assert run(f"{script} console.log(JSON.stringify(placed(new Array(784).fill(25))))") is None


def test_a_drawing_lies_in_the_middle_and_is_twenty_pixels_long():
    for levels in drawings():
        image = as_mnist(levels / 255)
        rows, columns = image.sum(1), image.sum(0)
        spans = [int(x.nonzero().max() - x.nonzero().min() + 1) for x in (rows, columns)]
        centre = [((x * torch.arange(28)).sum() / x.sum()).item() for x in (rows, columns)]
        assert max(spans) == 20 and all(abs(c - 13.5) <= 0.51 for c in centre)


@needs_browser
@torch.no_grad()
def test_a_stored_digit_is_encoded_moved_and_decoded(page):
    model, sequences = flows()
    page.open(body(model, sequences))
    for index, k, steps in ((4, 0, 8), (7, 1, 3), (7, 2, 16), (4, 1, 0)):
        press = "b(1).click();" if index == 7 and k == 1 or (index, k) == (4, 1) else ""
        seen = page.probe(f"{SEEN} {press} choose({k}); steps({steps}); return all()")
        for shown, picture in zip(seen, wanted(model, sequences, index, k, steps)):
            assert differ(shown, picture) <= LEVELS
    _, _, moved, true = wanted(model, sequences, 7, 1, 3)
    text = page.probe(f"{SEEN} b(1).click(); steps(3); return said()")
    still = sequences.first_frames([7])
    numbers = [int(word) for word in re.sub("[,.;]", " ", text).split() if word.isdigit()]
    usual = ink_shares(model, sequences.first_frames()).quantile(torch.tensor([0.5, 0.95]))
    assert numbers[1:3] == [percent(one) for one in usual] and abs(numbers[0] - percent(ink_shares(model, still)[0])) <= 1
    assert abs(numbers[4] - (moved - true).abs().sum()) <= 3 and abs(numbers[5] - (still[0] - true).abs().sum()) <= 3
    assert "After" not in page.probe(f"{SEEN} steps(0); return said()"), "without a step there is no motion to judge"
    spoken = page.probe(f'{SEEN} steps(3); return [1, 2, 3, 4].map(n => $("canvas", n).getAttribute("aria-label"))')
    assert spoken == ["the digit in its place", "the digit, decoded from its code", "decoded: rotation × 3", "true: rotation × 3"]


@needs_browser
@torch.no_grad()
def test_what_is_drawn_is_placed_encoded_and_moved(page):
    model, sequences = flows()
    page.open(body(model, sequences))
    drawn, seen = page.probe(f"{SEEN} b(0).click(); stroke({STROKE}); choose(1); steps(5); return [pixels(0)[0], all()]")
    ink = ink_of(drawn)
    assert 0.02 < ink.mean() < 0.3, "there is a stroke"
    own = Sequences(as_mnist(ink)[None, None], sequences.factors, sequences.steps)
    for shown, picture in zip(seen, wanted(model, own, 0, 1, 5)):
        assert differ(shown, picture) <= LEVELS


@needs_browser
def test_a_stroke_takes_the_place_of_a_stored_digit_and_goes_on_from_one_s_own(page):
    page.open(body(*flows()))
    alone, again, both = page.probe(f"""{SEEN} b(0).click(); stroke({STROKE}); const alone = pixels(0)[0];
        b(1).click(); stroke({STROKE}); const again = pixels(0)[0]; stroke([[150, 60], [150, 150]]); return [alone, again, pixels(0)[0]]""")
    assert again == alone, "a stored digit makes room"
    assert (np.array(both) >= again).all() and sum(both) > 1.2 * sum(again), "one's own stroke stays"


@needs_browser
def test_one_finger_draws_and_a_tap_is_a_dot(page):
    page.open(body(*flows()))
    dot = page.probe(f"{SEEN} b(0).click(); stroke([[100, 100]]); return pixels(0)[0]")
    assert 150 < np.count_nonzero(dot) < 400
    two = page.probe(f"""{SEEN} b(0).click(); tell("pointerdown", [60, 60], {{pointerId: 1}}); tell("pointerdown", [180, 180], {{pointerId: 2}});
        tell("pointermove", [181, 180], {{pointerId: 2}}); tell("pointermove", [61, 60], {{pointerId: 1}}); tell("pointerup", [181, 180], {{pointerId: 2}});
        const before = said(); tell("pointerup", [61, 60], {{pointerId: 1}}); return [pixels(0)[0], before, said()]""")
    assert np.count_nonzero(two[0]) < 400 and two[1] != two[2], "no line between two fingers, and the first one's end counts"
    other = page.probe(f"""{SEEN} b(0).click(); tell("pointerdown", [60, 60], {{button: 2}}); tell("pointermove", [99, 99]); tell("pointerup", [99, 99]);
        tell("pointerdown", [60, 60]); b(0).click(); tell("pointermove", [99, 99]); tell("pointerup", [99, 99]); return pixels(0)[0]""")
    assert not any(other), "neither the right button nor a stroke that was cleared away leaves ink"


@needs_browser
@torch.no_grad()
def test_eight_bits_are_decoded_as_torch_decodes_the_same_weights(page):
    model, sequences = flows()
    shown = page.open(body(model, sequences, precision="int8")).probe(f"{SEEN} choose(1); steps(6); return all()")
    for layer in [*model.encoder.net, *model.decoder.net]:
        if hasattr(layer, "weight"):
            turned = isinstance(layer, nn.ConvTranspose2d)
            near = pack((layer.weight.transpose(0, 1) if turned else layer.weight).detach().numpy(), "int8")[1]
            layer.weight.copy_(torch.from_numpy(near).transpose(0, 1) if turned else torch.from_numpy(near))
    for picture, exact in zip(shown, wanted(model, sequences, 4, 1, 6)):
        assert differ(picture, exact) <= LEVELS


@needs_browser
def test_clear_leaves_an_empty_square_and_another_digit_comes_in_turn(page):
    page.open(body(*flows()))
    first = page.probe(f"{SEEN} return all()")
    assert page.probe(f"{SEEN} b(0).click(); return [said(), Math.max(...all().flat(2))]") == ["Draw a digit into the black square.", 0]
    assert page.probe(f"{SEEN} steps(3); return Math.max(...all().flat(2))") == 0, "moving nothing shows nothing"
    second = page.probe(f"{SEEN} steps(8); b(1).click(); return all()")
    assert page.probe(f"{SEEN} b(1).click(); return all()") == first != second


@needs_browser
def test_it_fits_a_phone_and_the_keyboard_reaches_it(page):
    page.open(body(*flows()), width=360)
    name = "const e = document.activeElement; return e.getAttribute('aria-label') || e.textContent || e.parentElement.textContent"
    assert [page.press("Tab").probe(name) for _ in range(4)] == ["clear", "another digit", "scale", "steps"]
    seen = page.probe("""return [document.documentElement.scrollWidth, $("canvas").getBoundingClientRect().width,
        Math.min(...[...document.querySelectorAll(".flowviz-do button")].map(b => b.getBoundingClientRect().height))]""")
    assert seen[0] <= 360 and seen[1] >= 200 and seen[2] >= 44


@torch.no_grad()
def test_shares_of_ink():
    """Of a decoder that draws a quarter everywhere."""
    model, _ = flows()
    nn.init.zeros_(model.decoder.net[-1].weight)
    nn.init.constant_(model.decoder.net[-1].bias, -np.log(3.0))
    images = torch.zeros(2, 3, 28, 28)
    images[0, 0, :2], images[1] = 1, 1
    assert ink_shares(model, images).tolist() == pytest.approx([(56 * 0.75 + (2352 - 56) * 0.25) / 56, 0.75])


def test_mistakes_are_named():
    model, sequences = flows()
    other = Sequences(torch.rand(3, 1, 20, 20), sequences.factors, 8)
    for make, message in (
        (lambda: body(model, sequences, ()), "indices is empty"),
        (lambda: body(model, other, (0,)), r"\(3, 20, 20\) cannot be drawn"),
        (lambda: body(model, sequences, alt=""), "alt is empty"),
        (lambda: pack_encoder(nn.GRU(3, 3)), "GRU cannot run"),
        (lambda: pack_encoder(nn.Sequential(nn.Linear(3, 4), nn.Tanh())), "ends with Tanh"),
        (lambda: pack_encoder(nn.Sequential(nn.Linear(3, 5))), "ends with Linear"),
        (lambda: pack_encoder(nn.Sequential(nn.Conv2d(3, 4, 3, padding="same"), nn.Linear(3, 4))), "by name"),
        (lambda: pack_encoder(nn.Sequential(nn.Conv2d(3, 4, 3, dilation=2), nn.Linear(3, 4))), "dilation"),
        (lambda: pack_encoder(nn.Sequential(nn.Conv2d(3, 4, 3, padding_mode="reflect"), nn.Linear(3, 4))), "cannot run"),
    ):
        with pytest.raises(FlowlibError, match=message):
            make()
