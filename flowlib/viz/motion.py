"""Pictures that move without a kernel: sliders and galleries over frames in the page, and animated GIFs."""

import io

from PIL import Image

from flowlib.errors import FlowlibError
from flowlib.viz.picture import FRAME_DPI, as_text, make_frame, to_pil, write_bytes
from flowlib.viz.widget import make_axis, widget


def frame_slider(frames, labels=None, *, name="t", caption="", alt="", start=None, **options):
    """A slider with a play button over `frames` (figures, or image arrays in [0, 1]); returns IPython's HTML.

    `labels`: what the slider says at each frame (default 0, 1, …). `start`: the frame shown first and where no script runs (default
    the middle). `alt` describes the picture to those who cannot see it. Further options: `height` in screen pixels, `interval` in
    milliseconds, `dpi`, and `colors` of a figure's palette.
    """
    frames = list(frames)
    return _moving(frames, [make_axis(name, labels, len(frames), start=start)], alt, caption, **options)


def frame_grid_slider(frames, labels_i=None, labels_j=None, *, names=("i", "j"), caption="", alt="", start=None, **options):
    """Two sliders over frames[i][j], with the options of `frame_slider`; `start` is a pair."""
    rows = [list(row) for row in frames]
    lengths = [len(row) for row in rows]
    if len(set(lengths)) != 1:
        raise FlowlibError(f"frames have rows of {lengths} frames; every frames[i] needs the same number")
    first, second = start or (None, None)
    axes = [make_axis(names[0], labels_i, len(rows), start=first), make_axis(names[1], labels_j, lengths[0], start=second)]
    return _moving([frame for row in rows for frame in row], axes, alt, caption, **options)


def choice_gallery(panels, choices, *, slider=None, caption="", alt="", start=None, **options):
    """Buttons (a list above eight) that pick one of several panels, for example digit × factor, with an optional slider.

    `choices`: {name: labels}. `panels`: nested lists with one level per choice, and one more for `slider` = (name, labels).
    `start`: the first index of every control (default 0, and the middle of the slider). Options as in `frame_slider`.
    """
    controls = [(name, list(labels), "buttons") for name, labels in choices.items()]
    if slider is not None:
        controls.append((slider[0], list(slider[1]), "slider"))
    start = start or [0] * len(choices) + [None]
    axes = [make_axis(name, labels, len(labels), kind, at) for (name, labels, kind), at in zip(controls, start)]
    return _moving(_flatten(panels, axes), axes, alt, caption, **options)


def save_gif(frames, path, *, seconds=2.5, pause=0.8, back=False, scale=None, dpi=FRAME_DPI, colors=96):
    """Write an endless GIF of figures or image arrays; each pixel of an array becomes `scale` × `scale`. Returns the path.

    `seconds`: the time from first to last frame; `pause`: how long the last one stays; `back`: then the same way back to the first. Written
    to a temporary name, then renamed.
    """
    made = [to_pil(frame, dpi) for frame in frames]
    if len(made) < 2:
        raise FlowlibError(f"{len(made)} frames are no animation; pass at least two")
    images = []
    for image, pixelated in made:
        factor = scale or (max(1, 168 // image.height) if pixelated else 1)
        size = factor * image.width, factor * image.height
        images.append(image.convert("RGB").resize(size, Image.Resampling.NEAREST))
    _one_size([image.size for image in images])
    stack = Image.new("RGB", (images[0].width, sum(image.height for image in images)))
    for n, image in enumerate(images):
        stack.paste(image, (0, n * image.height))
    palette = stack.quantize(colors, method=Image.Quantize.MEDIANCUT)  # one for all: no flicker
    images = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    times = [int(1000 * seconds / (len(images) - 1))] * (len(images) - 1) + [int(1000 * pause)]
    if back:
        images, times = images + images[-2:0:-1], times + times[-2:0:-1]
    out = io.BytesIO()
    images[0].save(out, "GIF", save_all=True, append_images=images[1:], duration=times, loop=0, optimize=True)
    return write_bytes(path, out.getvalue())


def _flatten(panels, axes):
    """The leaves of nested lists in row-major order; the length of each level must fit its axis."""
    level = [panels]
    for axis in axes:
        for part in level:
            if len(part) != len(axis.labels):
                found = f"panels have {len(part)} entries at the level of {axis.name!r}, but there are {len(axis.labels)} labels"
                raise FlowlibError(f"{found}: nest them as panels[choice][choice]…[slider]")
        level = [leaf for part in level for leaf in part]
    return level


def _moving(frames, axes, alt, caption, *, dpi=FRAME_DPI, colors=64, **place):
    """A widget over frames in row-major order of the axes; equal frames are stored once, the first one in the picture itself."""
    if not frames:
        raise FlowlibError("there are no frames; pass at least one figure or image")
    made = [make_frame(frame, dpi=dpi, colors=colors) for frame in frames]
    _one_size([frame.size for frame in made])
    shown = 0
    for axis in axes:
        shown = shown * len(axis.labels) + axis.start
    index = {content: n for n, content in enumerate(dict.fromkeys(frame.content for frame in made))}
    data = {
        "head": "data:image/png;base64,",
        "table": [index[frame.content] for frame in made],
        "frames": [0 if content == made[shown].content else as_text(content) for content in index],
    }
    return widget("frames", axes, data, {"": made[shown]}, alt, caption, **place)


def _one_size(sizes):
    """FlowlibError names the first frame whose size differs from the first one's."""
    for n, size in enumerate(sizes):
        if size != sizes[0]:
            raise FlowlibError(f"frame {n} is {size} pixels, frame 0 is {sizes[0]}; make all of one size")
