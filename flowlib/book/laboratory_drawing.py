"""Chapter 11: draw a digit of one's own with the mouse or a finger, and let the flows of a trained model move it."""

from itertools import combinations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from flowlib.book.laboratory_bench import bench
from flowlib.data import Sequences
from flowlib.errors import FlowlibError
from flowlib.evaluation import decode_mean, frame_errors, superposed_path, superposed_times
from flowlib.viz import image_grid
from flowlib.viz.widget import asset

SENTENCE = "Run this cell in Jupyter or Colab: draw a digit into the black square, choose flows, and see what the model makes of it."
SIZE, INNER = 28, 20  # of MNIST's images: the ink fits into 20 pixels, and its centre of mass is in the middle


def as_mnist(ink: Float[Tensor, "H W"]) -> Float[Tensor, "28 28"]:
    """A drawing in [0, 1] with the size and the place that the training digits have. Raises FlowlibError where nothing is drawn."""
    rows, columns = (torch.nonzero(ink.amax(axis) > 0.1).flatten() for axis in (1, 0))
    if not len(rows):
        raise FlowlibError("the square is empty: draw a digit into it first")
    digit = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = INNER / max(digit.shape)
    size = [max(1, int(scale * side + 0.5)) for side in digit.shape]
    digit = interpolate(digit[None, None], size=size, mode="bilinear", antialias=True)[0, 0].clamp(0, 1)
    mass = digit.sum()
    corner = []
    for axis, side in enumerate(size):
        centre = (digit.sum(1 - axis) * torch.arange(side)).sum() / mass
        corner.append(min(max(int(SIZE / 2 - centre.item() + 1e-3), 0), SIZE - side))
    image = torch.zeros(SIZE, SIZE)
    image[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]] = digit
    return image


@torch.no_grad()
def moved(model, image: Float[Tensor, "28 28"], names, factors, steps):
    """(true and decoded frames (2, steps + 1, 3, 28, 28), wrong pixels of the last frame, those of no motion)."""
    own = Sequences(image[None, None], names, 8)
    true = own.composed([0], superposed_times(own, factors, steps))
    drawn = decode_mean(model, superposed_path(model, model.encode(own.first_frames()).mean, factors, steps))
    wrong, still = (frame_errors(true, frames)[0, -1].item() for frames in (drawn, true[:, :1]))
    return torch.cat([true, drawn]), wrong, still


def drawing(model, names):
    """A square to draw in, a choice of one flow or several at once, and the number of steps.

    model : a model of red digits of 28 pixels;  names : its factors
    """
    sets = [one for size in range(1, len(names) + 1) for one in combinations(range(len(names)), size)]

    def action(bench, pad, flow, steps):
        ink = torch.tensor(pad or [0] * SIZE**2, dtype=torch.float32)
        image = as_mnist(ink.reshape(SIZE, SIZE) / 255)
        frames, wrong, still = moved(model, image, names, flow, steps)
        bench.show(image_grid(frames, ["true", "decoded"], [f"t = {t}" for t in range(steps + 1)]))
        bench.say(f"wrong pixels of the last frame: {wrong:.0f}, without any motion {still:.0f}")

    def controls(widgets):
        return {
            "pad": make_pad(),
            "flow": widgets.Dropdown(options=[(" + ".join(names[k] for k in one), one) for one in sets], value=(1,)),
            "steps": widgets.IntSlider(8, 1, 16),
        }

    return bench(controls, action, "let it flow", SENTENCE)


def make_pad():
    """The square: its trait `value` holds the 28 × 28 grey levels 0 … 255 row by row, empty while nothing is drawn."""
    import anywidget
    import traitlets

    class Pad(anywidget.AnyWidget):
        _esm = asset("square.js") + "\n" + asset("pad.js")
        value = traitlets.List(traitlets.Int()).tag(sync=True)

    return Pad()
