"""A playground: flows chained in any order and mixed, decoded in the page beside what really happens to the picture.

The true picture needs no stored frames: the page makes it from x_0 by the one composed warp of
`flowlib.data.transforms`, with the strengths that Python looked up, and paints it in the colour of its hue.
"""

from itertools import combinations

import numpy as np
import torch

from flowlib.data import rotate_hue, strength
from flowlib.errors import FlowlibError
from flowlib.viz.checks import as_labels
from flowlib.viz.controls import Axis
from flowlib.viz.frames import make_frame
from flowlib.viz.live import pack_network, pack_potentials
from flowlib.viz.page import base64_text, image_html, widget_html
from flowlib.viz.scripts import NETWORK, POTENTIALS
from flowlib.viz.sheet import lean

STYLE = """
.flowviz-pair { display: flex; flex-wrap: wrap; gap: .8em; }
.flowviz-pair > div { flex: 0 1 auto; max-width: calc(50% - .4em); }
.flowviz-pair img, .flowviz-pair canvas {
  display: block; max-width: 100% !important; height: auto; margin: 0 !important; padding: 0 !important;
  filter: none !important;
}
.flowviz-pair b { font-weight: 600; }
.flowviz-pair ~ .flowviz-row > b { text-align: left; }
.flowviz .flowviz-said { margin: .3em 0; min-height: 3.2em; text-align: left; }
.flowviz-do { display: flex; flex-wrap: wrap; gap: .35em; }
.flowviz .flowviz-do button { width: auto; height: 44px; padding: 0 .9em; font: inherit; }
.flowviz .flowviz-do button:first-child { border-color: #2d98e2; font-weight: 600; }
.flowviz .flowviz-do button:disabled { opacity: .45; cursor: default; }
"""

ROWS = """
<p class="flowviz-said" aria-live="polite">Nothing has moved yet.</p>
<div class="flowviz-do" hidden><button type="button">one step</button><button type="button">undo</button>
<button type="button">from the start</button></div>
"""

PLAY = """
var photos = bytes(d.photos);
function truth(n, steps) {
  var h = d.shape[1], w = d.shape[2], x = new Float32Array(3 * h * w);
  function at(table, place) { return table[place < 0 ? 0 : steps[place]]; }
  var s = at(d.scale, d.places[0]), a = at(d.angle, d.places[1]), tint = at(d.tint, d.places[2]);
  var cos = Math.cos(a) / s, sin = Math.sin(a) / s, cx = (w - 1) / 2, cy = (h - 1) / 2;
  function grey(r, c) { return r < 0 || c < 0 || r >= h || c >= w ? 0 : photos[(n * h + r) * w + c] / 255; }
  for (var i = 0; i < h; i++) for (var j = 0; j < w; j++) {
    var u = cx + cos * (j - cx) - sin * (i - cy), v = cy + sin * (j - cx) + cos * (i - cy);
    var c = Math.floor(u), r = Math.floor(v), p = u - c, q = v - r;
    var value = (1 - q) * ((1 - p) * grey(r, c) + p * grey(r, c + 1))
      + q * ((1 - p) * grey(r + 1, c) + p * grey(r + 1, c + 1));
    for (var k = 0; k < 3; k++) x[(k * h + i) * w + j] = value * tint[k];
  }
  return x;
}
function flowing(n, program, restart) {
  var z = code(n), label = 0;
  program.forEach(function (part) {
    if (restart) label = 0;
    for (var t = 0; t < part.steps; t++) {
      label++;
      var moves = d.sets[part.set].map(function (k) { return gradient(d.potentials[k], z, label); });
      z = z.map(function (x, i) { return moves.reduce(function (sum, g) { return sum + g[i]; }, x); });
    }
  });
  return z;
}
function counted(program) {
  return d.potentials.map(function (u, k) {
    return program.reduce(function (sum, p) { return sum + (d.sets[p.set].indexOf(k) < 0 ? 0 : p.steps); }, 0);
  });
}
function apart(x, y) {
  return Math.round(x.reduce(function (sum, v, i) { return sum + Math.abs(v - y[i]); }, 0));
}
roots(function (root, copy) {
  var images = root.querySelectorAll('img'), decoded = screen(images[0]), real = screen(images[1]);
  var said = root.querySelector('.flowviz-said'), row = root.querySelector('.flowviz-do');
  var buttons = row.querySelectorAll('button'), program = [], now = d.start;
  function draw() {
    var steps = counted(program), n = now[0];
    var x = forward(d.layers, flowing(n, program, now[2] === 0)), y = truth(n, steps);
    var names = program.map(function (p) { return d.axes[1].labels[p.set] + ' × ' + p.steps; }).join(', then ');
    var still = apart(y, truth(n, steps.map(function () { return 0; })));
    decoded(x, 'decoded: ' + (names || 'nothing has moved'));
    real(y, 'true: ' + (names || 'nothing has moved'));
    said.textContent = (names || 'Nothing has moved yet') + '. Off by ' + apart(x, y)
      + ' pixels; the first picture would be off by ' + still + '.';
    buttons[0].disabled = d.sets[now[1]].some(function (k) { return steps[k] >= d.most; });
    buttons[1].disabled = buttons[2].disabled = !program.length;
  }
  buttons[0].addEventListener('click', function () {
    var last = program[program.length - 1];
    if (last && last.set === now[1]) last.steps++;
    else program.push({set: now[1], steps: 1});
    draw();
  });
  buttons[1].addEventListener('click', function () {
    if (!--program[program.length - 1].steps) program.pop();
    draw();
  });
  buttons[2].addEventListener('click', function () { program = []; draw(); });
  row.hidden = false;
  wire(root, copy, function (at) { now = at; draw(); });
});
"""


def playground(model, sequences, indices, labels=None, *, most=None, alt="", caption="", precision="int8", height=168):
    """Let the reader move the codes of the images at `indices` step by step, by any flow or any sum of flows (M18).

    Each step is z ← z + Σ_k ∇u^k(z, t) over the chosen factors, from z_0 = μ(x_0). Time labels count anew from 1 after
    every change of the factors, or go on, as the reader chooses. Beside the decoded picture stands the true one, and
    ‖x − E[x|z]‖₁ of both is printed beside ‖x − x_0‖₁.

    model : a flow model with Bernoulli decoder;  sequences : `flowlib.data.Sequences`, of scale, rotation and hue or some of them
    most : the most steps of a factor (default 2 T);  labels : a name for each image;  precision : 'int8' or 'float16'
    """
    from IPython.display import HTML

    indices, names = list(indices), sequences.factors
    if not indices:
        raise FlowlibError("indices is empty; name one or more images")
    most = 2 * sequences.steps if most is None else most
    first = sequences.first_frames(indices)
    with torch.no_grad():
        codes = model.encode(first).mean.numpy()
    image, network = pack_network(model.decoder, codes, codes[0], precision)
    sets = [one for size in range(1, len(names) + 1) for one in combinations(range(len(names)), size)]
    axes = [
        Axis("digit", tuple(as_labels(indices if labels is None else labels, len(indices), "labels")), "buttons", 0),
        Axis("flow", tuple(" + ".join(names[k] for k in one) for one in sets), "buttons", 0),
        Axis("time labels", ("anew after a change", "go on"), "buttons", 0),
    ]
    data = network | pack_potentials(model.potentials) | _truth(first, names, sequences.steps, most) | {"sets": sets, "most": most}
    pair = (("decoded", image), ("true", first[0].numpy()))
    pictures = "".join(f"<div><b>{name}</b>{image_html(make_frame(x), f'{alt} ({name})', height)}</div>" for name, x in pair)
    picture = f'<style>{lean(STYLE)}</style><div class="flowviz-pair">{pictures}</div>{lean(ROWS)}'
    return HTML(widget_html(picture, axes, data, POTENTIALS + NETWORK + PLAY, caption=caption, alt=alt))


def _truth(first, names, steps, most):
    """What the page needs to make the true pictures: x_0 in grey, and the strengths after 0 … most steps."""
    unknown = set(names) - {"scale", "rotation", "hue"}
    if unknown:
        raise FlowlibError(f"factors {sorted(unknown)} cannot be drawn in the page; it knows scale, rotation and hue")
    count = torch.arange(most + 1)
    scale, degrees, hue = (strength(name, count, steps) for name in ("scale", "rotation", "hue"))
    red = torch.tensor([1.0, 0, 0])[None, :, None, None].expand(most + 1, 3, 1, 1)
    return {
        "photos": base64_text(np.round(255 * first[:, 0].numpy()).astype(np.uint8).tobytes()),
        "scale": scale.tolist(), "angle": torch.deg2rad(degrees).tolist(),
        "tint": rotate_hue(red, hue)[:, :, 0, 0].tolist(),
        "places": [names.index(name) if name in names else -1 for name in ("scale", "rotation", "hue")],
    }  # fmt: skip
