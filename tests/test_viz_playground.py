"""The playground's page chains and adds flows as torch does, and draws the true picture as the data do."""

import numpy as np
import pytest
import torch
from test_viz_browser import CHROMIUM, browse

from flowlib import viz
from flowlib.config import Config
from flowlib.data import load_sequences
from flowlib.errors import FlowlibError
from flowlib.evaluation import predict, superposed_path
from flowlib.models import build_model

in_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium")
SEEN = """const seen = () => [0, 1].map(n => { const c = $("canvas", n);
const x = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
return [0, 1, 2].map(k => [...x].filter((v, i) => i % 4 === k)) });
const press = n => $(".flowviz-do button", n).click();
const choose = (row, n) => $(".flowviz-row", row).querySelectorAll("input")[n].click();"""


def flows(factors=("scale", "rotation", "hue")):
    """A small model whose flows move visibly, and four digits."""
    config = Config(factors=factors, latent_dim=6, width=4, potential_width=8)
    torch.manual_seed(3)
    model = build_model(config)
    with torch.no_grad():
        for parameter in [*model.potentials.parameters(), *model.decoder.parameters()]:
            parameter += 0.3 * torch.randn_like(parameter)
    return model, load_sequences(config, "test")


def page(model, sequences, **options):
    options = {"precision": "float16", "alt": "an image of noise", **options}
    return viz.playground(model, sequences, [4, 7], ["a", "b"], **options).data


def differ(shown, wanted):
    """The largest difference in grey levels; `shown` three channels of pixels, `wanted` (3, H, W) in [0, 1]."""
    return np.abs(np.array(shown) - 255 * wanted.flatten(1).numpy()).max()


@in_browser
@pytest.mark.parametrize("labels", ["restart", "continue"])
def test_flows_are_chained_and_added(tmp_path, labels):
    model, sequences = flows()
    seen = browse(
        tmp_path,
        page(model, sequences),
        SEEN
        + f"""choose(0, 1); choose(2, {int(labels == "continue")}); press(0); press(0); const first = seen();
        choose(1, 5); press(0); press(0); press(0); return [first, seen(), $(".flowviz-said").textContent]""",
    )
    with torch.no_grad():
        z = model.transport(model.encode(sequences.first_frames([7])).mean, 0, 2)[:, -1]
        wanted = [predict(model, z)[0]]
        for t in range(1, 4):  # rotation + hue, three steps
            label = t if labels == "restart" else 2 + t
            z = z + sum(model.transport(z, k, 1, first=label)[:, 1] - z for k in (1, 2))
        wanted.append(predict(model, z)[0])
    true = sequences.composed([7], torch.tensor([[2, 0, 0], [2, 3, 3]]))[0]
    for shown, decoded, real in zip(seen, wanted, true):
        assert differ(shown[0], decoded) < 1.2 and differ(shown[1], real) < 1.2
    assert np.abs(np.array(seen[0][0]) - np.array(seen[1][0])).max() > 20, "the flows moved the picture"
    off, still = ((true[1] - x).abs().sum().round().int().item() for x in (wanted[1], sequences.first_frames([7])[0]))
    said = [int(word) for word in seen[2].replace(".", "").split() if word.isdigit()]
    assert seen[2].startswith("scale × 2, then rotation + hue × 3")
    assert abs(said[-2] - off) <= 3 and abs(said[-1] - still) <= 3


@in_browser
def test_labels_restarted_or_not_differ():
    """Else the test above would not see which is used."""
    model, sequences = flows()
    z = model.encode(sequences.first_frames([7])).mean
    with torch.no_grad():
        pictures = [predict(model, model.transport(z, 1, 3, first=t)[:, -1]) for t in (1, 3)]
    assert (pictures[0] - pictures[1]).abs().max() > 0.05


@in_browser
def test_undo_and_the_start_and_the_last_step(tmp_path):
    model, sequences = flows()
    seen = browse(
        tmp_path,
        page(model, sequences, most=2),
        SEEN
        + """const b = n => $(".flowviz-do button", n), off = () => [0, 1, 2].map(n => b(n).disabled);
        const before = seen(), all = [off()]; press(0); all.push(off()); press(0); all.push(off());
        press(1); press(1); all.push(off()); press(0); choose(1, 1); press(0); press(2);
        return [all, JSON.stringify(before) === JSON.stringify(seen())]""",
    )
    assert seen[0] == [[False, True, True], [False, False, False], [True, False, False], [False, True, True]]
    assert seen[1]


@in_browser
def test_three_flows_at_once_are_the_superposition(tmp_path):
    model, sequences = flows()
    seen = browse(tmp_path, page(model, sequences), SEEN + "choose(1, 6); press(0); press(0); return seen()")
    with torch.no_grad():
        path = superposed_path(model, model.encode(sequences.first_frames([4])).mean, (0, 1, 2), 2)
        assert differ(seen[0], predict(model, path)[0, -1]) < 1.2


@in_browser
def test_other_factors_in_another_order(tmp_path):
    model, sequences = flows(("hue", "scale"))
    seen = browse(tmp_path, page(model, sequences), SEEN + "press(0); press(0); choose(1, 1); press(0); return seen()")
    assert differ(seen[1], sequences.composed([4], torch.tensor([[2, 1]]))[0, 0]) < 1.2


@in_browser
def test_the_keyboard_reaches_everything_on_a_phone(tmp_path):
    import html

    body = page(*flows())
    frame = f"<iframe style='width:360px;height:1200px;border:0' srcdoc='{html.escape(body)}'></iframe>"
    seen = browse(
        tmp_path,
        frame,
        """await wait(300); const d = $("iframe").contentDocument;
        const all = [...d.querySelectorAll(".flowviz button, .flowviz input")].filter(e => !e.disabled);
        return [d.documentElement.scrollWidth, all.every(e => { e.focus(); return d.activeElement === e }),
                Math.min(...[...d.querySelectorAll("button")].map(b => b.getBoundingClientRect().height)),
                d.querySelectorAll("canvas").length]""",
    )
    assert seen[0] <= 360 and seen[1] and seen[2] >= 44 and seen[3] == 2


def test_without_a_script_nothing_looks_usable():
    body = page(*flows())
    assert '<div class="flowviz-do" hidden>' in body and body.count("<img") == 2


def test_mistakes_are_named():
    model, sequences = flows()
    for make, message in (
        (lambda: viz.playground(model, sequences, [], alt="an image"), "indices is empty"),
        (lambda: viz.playground(model, sequences, [1], ["a", "b"], alt="an image"), "labels"),
        (lambda: viz.playground(model, sequences, [1]), "alt is empty"),
    ):
        with pytest.raises(FlowlibError, match=message):
            make()
