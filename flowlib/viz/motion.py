"""Pictures that move without a kernel: sliders and galleries over frames in the page, and animated GIFs."""

import io
from pathlib import Path

from PIL import Image

from flowlib.errors import FlowlibError
from flowlib.viz.checks import as_labels
from flowlib.viz.controls import Axis
from flowlib.viz.frames import FRAME_DPI, make_frames, to_pil
from flowlib.viz.page import frames_html
from flowlib.viz.picture import write_bytes


def frame_slider(frames, labels=None, *, name="t", caption="", alt="", start=None, **options):
    """A slider with a play button over `frames` (figures, or image arrays in [0, 1]); returns IPython's HTML.

    `labels`: what the slider says at each frame (default 0, 1, …). `start`: the frame shown first and where
    no script runs (default the middle). `alt` describes the picture to those who cannot see it. Further
    options: `height` in screen pixels, `interval` in milliseconds, `dpi`, `kind` ('png', 'jpeg', 'webp'),
    `colors`, `quality`.
    """
    frames = list(frames)
    return _widget(frames, [_axis(name, labels, len(frames), "slider", start)], caption, alt, options)


def frame_grid_slider(
    frames, labels_i=None, labels_j=None, *, names=("i", "j"), caption="", alt="", start=None, **options
):
    """Two sliders over frames[i][j], with the options of `frame_slider`; `start` is a pair."""
    rows = [list(row) for row in frames]
    if len({len(row) for row in rows}) != 1:
        raise FlowlibError(
            f"frames have rows of {[len(row) for row in rows]} frames; every frames[i] needs the same number"
        )
    first, second = start or (None, None)
    axes = [
        _axis(names[0], labels_i, len(rows), "slider", first),
        _axis(names[1], labels_j, len(rows[0]), "slider", second),
    ]
    return _widget([frame for row in rows for frame in row], axes, caption, alt, options)


def choice_gallery(panels, choices, *, slider=None, caption="", alt="", start=None, **options):
    """Buttons (a list above eight) that pick one of several panels, for example digit × factor, with an
    optional slider.

    `choices`: {name: labels}. `panels`: nested lists with one level per choice, and one more for `slider` =
    (name, labels). `start`: the first index of every control (default 0, and the middle of the slider).
    Options as in `frame_slider`.
    """
    controls = [(name, labels, "buttons") for name, labels in choices.items()]
    if slider is not None:
        controls.append((slider[0], slider[1], "slider"))
    start = start or [0] * len(choices) + [None]
    axes = [_axis(name, labels, len(labels), kind, at) for (name, labels, kind), at in zip(controls, start)]
    return _widget(_flatten(panels, axes), axes, caption, alt, options)


def save_gif(frames, path, *, seconds=2.5, pause=0.8, scale=None, dpi=FRAME_DPI, colors=96):
    """Write an endless GIF of figures or image arrays; each pixel of an array becomes `scale` × `scale`.
    Returns the path.

    `seconds`: the time from first to last frame; `pause`: how long the last one stays. Written to a temporary
    name, then renamed.
    """
    made = [to_pil(frame, dpi) for frame in frames]
    if len(made) < 2:
        raise FlowlibError(f"{len(made)} frames are no animation; pass at least two")
    images = []
    for image, pixelated in made:
        factor = scale or (max(1, 168 // image.height) if pixelated else 1)
        images.append(
            image.convert("RGB").resize(
                (factor * image.width, factor * image.height), Image.Resampling.NEAREST
            )
        )
    if len({image.size for image in images}) != 1:
        raise FlowlibError(
            f"frames have the sizes {sorted({image.size for image in images})}; make all of one size"
        )
    sheet = Image.new("RGB", (images[0].width, sum(image.height for image in images)))
    for n, image in enumerate(images):
        sheet.paste(image, (0, n * image.height))
    palette = sheet.quantize(colors, method=Image.Quantize.MEDIANCUT)  # one for all: no flicker
    images = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    times = [int(1000 * seconds / (len(images) - 1))] * (len(images) - 1) + [int(1000 * pause)]
    out = io.BytesIO()
    images[0].save(out, "GIF", save_all=True, append_images=images[1:], duration=times, loop=0, optimize=True)
    return write_bytes(Path(path), out.getvalue())


def _axis(name, labels, count, kind, start):
    labels = as_labels(range(count) if labels is None else labels, count, f"labels of {name!r}")
    start = count // 2 if start is None else start
    if not 0 <= start < max(count, 1):
        raise FlowlibError(f"start {start} of {name!r} is outside 0 … {count - 1}")
    return Axis(str(name), tuple(labels), kind, start)


def _flatten(panels, axes):
    """The leaves of nested lists in row-major order; the length of each level must fit its axis."""
    level = [panels]
    for axis in axes:
        for part in level:
            if len(part) != len(axis.labels):
                raise FlowlibError(
                    f"panels have {len(part)} entries at the level of {axis.name!r}, "
                    f"but there are {len(axis.labels)} labels: nest them as panels[choice][choice]…[slider]"
                )
        level = [leaf for part in level for leaf in part]
    return level


def _widget(frames, axes, caption, alt, options):
    from IPython.display import HTML

    place = {key: options.pop(key) for key in ("height", "interval") if key in options}
    unknown = set(options) - {"dpi", "kind", "colors", "quality"}
    if unknown:
        raise FlowlibError(
            f"options {sorted(unknown)} are unknown; use height, interval, dpi, kind, colors or quality"
        )
    return HTML(frames_html(make_frames(frames, **options), axes, caption=caption, alt=alt, **place))
