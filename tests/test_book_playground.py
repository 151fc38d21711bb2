"""The playground's page chains and adds flows as torch does, and draws the true picture as the data do."""

import numpy as np
import pytest
import torch
from browsing import browser, needs_browser, page  # noqa: F401

from flowlib.book.playground import playground
from flowlib.config import Config
from flowlib.data import load_sequences
from flowlib.errors import FlowlibError
from flowlib.evaluation import decode_mean, superposed_path
from flowlib.models import build_model

SEEN = """const seen = () => [pixels(0), pixels(1)], b = n => $(".flowviz-do button", n), press = n => b(n).click();
const choose = (row, n) => $(".flowviz-row", row).querySelectorAll("input")[n].click();"""
LEVELS = 2  # grey levels of 255


def flows(factors=("scale", "rotation", "hue")):
    """A small model whose flows move visibly, and four digits."""
    config = Config(factors=factors, latent_dim=6, width=4, potential_width=8)
    torch.manual_seed(3)
    model = build_model(config)
    with torch.no_grad():
        for parameter in [*model.potentials.parameters(), *model.decoder.parameters()]:
            parameter += 0.3 * torch.randn_like(parameter)
    return model, load_sequences(config, "test")


def body(model, sequences, **options):
    options = {"precision": "float16", "alt": "an image of noise", **options}
    return playground(model, sequences, [4, 7], ["a", "b"], **options).data


def differ(shown, wanted):
    """The largest difference in grey levels; `shown` three channels of pixels, `wanted` (3, H, W) in [0, 1]."""
    return np.abs(np.array(shown) - 255 * wanted.flatten(1).numpy()).max()


@needs_browser
@pytest.mark.parametrize("labels", ["restart", "continue"])
@torch.no_grad()
def test_flows_are_chained_and_added(page, labels):
    model, sequences = flows()
    page.open(body(model, sequences))
    first = page.probe(f"{SEEN} choose(0, 1); choose(2, {int(labels == 'continue')}); press(0); press(0); return seen()")
    second = page.probe(f"{SEEN} choose(1, 5); press(0); press(0); press(0); return seen()")
    z = model.transport(model.encode(sequences.first_frames([7])).mean, 0, 2)[:, -1]
    wanted = [decode_mean(model, z)[0]]
    for t in range(1, 4):  # rotation + hue, three steps
        label = t if labels == "restart" else 2 + t
        z = z + sum(model.transport(z, k, 1, first=label)[:, 1] - z for k in (1, 2))
    wanted.append(decode_mean(model, z)[0])
    true = sequences.composed([7], torch.tensor([[2, 0, 0], [2, 3, 3]]))[0]
    for shown, decoded, real in zip((first, second), wanted, true):
        assert differ(shown[0], decoded) <= LEVELS and differ(shown[1], real) <= LEVELS
    assert np.abs(np.array(first[0]) - np.array(second[0])).max() > 20, "the flows moved the picture"
    off, still = ((true[1] - x).abs().sum().round().int().item() for x in (wanted[1], sequences.first_frames([7])[0]))
    text = page.probe('return $(".flowviz-said").textContent')
    said = [int(word) for word in text.replace(".", "").split() if word.isdigit()]
    assert text.startswith("scale × 2, then rotation + hue × 3")
    assert abs(said[-2] - off) <= 3 and abs(said[-1] - still) <= 3
    spoken = page.probe('return [$("canvas", 0), $("canvas", 1)].map(c => c.getAttribute("aria-label"))')
    assert spoken == [f"{name}: scale × 2, then rotation + hue × 3" for name in ("decoded", "true")]


def test_labels_restarted_or_not_differ():
    """Else the test above would not see which is used."""
    model, sequences = flows()
    z = model.encode(sequences.first_frames([7])).mean
    with torch.no_grad():
        pictures = [decode_mean(model, model.transport(z, 1, 3, first=t)[:, -1]) for t in (1, 3)]
    assert (pictures[0] - pictures[1]).abs().max() > 0.05


@needs_browser
def test_undo_and_the_start_and_the_last_step(page):
    page.open(body(*flows(), most=2))
    before = page.probe(f"{SEEN} return seen()")
    off = "return [0, 1, 2].map(n => b(n).getAttribute('aria-disabled') === 'true')"
    seen = [page.probe(f"{SEEN} {presses} {off}") for presses in ("", "press(0);", "press(0);", "press(1); press(1);")]
    assert seen == [[False, True, True], [False, False, False], [True, False, False], [False, True, True]]
    assert page.probe(f"{SEEN} press(0); choose(1, 1); press(0); press(2); return seen()") == before


@needs_browser
def test_a_button_without_use_keeps_the_keyboards_place_and_does_nothing(page):
    page.open(body(*flows(), most=2))
    where = "return [document.activeElement.textContent, $('.flowviz-said').textContent]"
    focus, name = page.probe(f"{SEEN} press(0); b(1).focus(); press(1); {where}")
    assert focus == "undo" and name.startswith("Nothing has moved yet")
    assert page.probe(f"{SEEN} press(1); {where}") == ["undo", name]
    assert page.probe(f"{SEEN} press(0); press(0); {where}")[1].endswith(" 2 steps of a factor are the most.")
    assert page.probe(f"{SEEN} press(0); {where}")[1].startswith("scale × 2.")


@needs_browser
@torch.no_grad()
def test_three_flows_at_once_are_the_superposition(page):
    model, sequences = flows()
    seen = page.open(body(model, sequences)).probe(f"{SEEN} choose(1, 6); press(0); press(0); return seen()")
    path = superposed_path(model, model.encode(sequences.first_frames([4])).mean, (0, 1, 2), 2)
    assert differ(seen[0], decode_mean(model, path)[0, -1]) <= LEVELS


@needs_browser
def test_other_factors_in_another_order(page):
    model, sequences = flows(("hue", "scale"))
    seen = page.open(body(model, sequences)).probe(f"{SEEN} press(0); press(0); choose(1, 1); press(0); return seen()")
    assert differ(seen[1], sequences.composed([4], torch.tensor([[2, 1]]))[0, 0]) <= LEVELS


@needs_browser
def test_the_keyboard_reaches_everything_on_a_phone(page):
    page.open(body(*flows()), width=360)
    name = "const e = document.activeElement; return e.textContent || e.parentElement.textContent"
    assert [page.press("Tab").probe(name) for _ in range(6)] == ["one step", "undo", "from the start", "a", "scale", "anew after a change"]
    assert page.press("ArrowRight").probe(name) == "go on"
    seen = page.probe("""return [document.documentElement.scrollWidth, document.querySelectorAll("canvas").length,
        Math.min(...[...document.querySelectorAll("button")].map(b => b.getBoundingClientRect().height))]""")
    assert seen[0] <= 360 and seen[1] == 2 and seen[2] >= 44


def test_mistakes_are_named():
    model, sequences = flows()
    for make, message in (
        (lambda: playground(model, sequences, [], alt="an image"), "indices is empty"),
        (lambda: playground(model, sequences, [1], ["a", "b"], alt="an image"), "labels"),
        (lambda: playground(model, sequences, [1]), "alt is empty"),
    ):
        with pytest.raises(FlowlibError, match=message):
            make()
