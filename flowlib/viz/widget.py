"""The HTML of a picture that moves: a still image, its description, and a script that adds the controls.

Everything is inside the page: no request, no kernel, and it opens as a file. The scripts and the style are the files in `web`.
"""

import hashlib
import html
import json
import re
from dataclasses import dataclass
from pathlib import Path

from flowlib.errors import FlowlibError
from flowlib.viz.checks import as_labels
from flowlib.viz.picture import as_text

WEB = Path(__file__).with_name("web")
SCRIPTS = {
    "frames": ("controls", "frames"),
    "flow": ("controls", "network", "flow"),
    "playground": ("controls", "network", "truth", "playground"),
    "sketch": ("controls", "network", "truth", "square", "digit", "sketch"),
}
PIXEL_HEIGHT = 224  # of an image array on the screen


@dataclass(frozen=True)
class Axis:
    """One control: its name, its labels, kind ('slider' or 'buttons'), where it starts, and the slider's step."""

    name: str
    labels: tuple
    kind: str
    start: int
    step: float


def make_axis(name, labels, count, kind="slider", start=None, step=1.0):
    """A control over `count` positions; `labels` default to 0, 1, …, `start` to the middle. FlowlibError where they do not fit."""
    labels = as_labels(range(count) if labels is None else labels, count, f"labels of {name!r}")
    start = count // 2 if start is None else start
    if not 0 <= start < max(count, 1):
        raise FlowlibError(f"start {start} of {name!r} is outside 0 … {count - 1}")
    return Axis(str(name), tuple(labels), kind, start, step)


def widget(kind, axes, data, still, alt, caption="", *, height=None, interval=None):
    """IPython's HTML of a picture with one control per axis, under an identifier that is a hash of all of it.

    kind : which of `SCRIPTS` draws;  data : what that script finds in `d`, beside the description of the axes
    still : {heading: Frame}, seen at first and where no script runs;  alt : a sentence for readers who cannot see the picture
    height : of an image in screen pixels;  interval : milliseconds between the slider's steps while it plays (default: 4 s in all)
    """
    from IPython.display import HTML

    if not alt:
        raise FlowlibError("alt is empty; describe in a sentence what the picture shows, for readers who cannot see it")
    where = ", ".join(f"{axis.name} = {axis.labels[axis.start]}".removeprefix(" = ") for axis in axes)
    pictures = "".join(
        f"<div>{heading and f'<b>{heading}</b>'}{_image(frame, f'{alt} ({heading or where})', height)}</div>"
        for heading, frame in still.items()
    )
    description = {"alt": alt, "interval": interval, "axes": [vars(axis) for axis in axes]}
    text = json.dumps(description | data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    note = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    still_at = f"<noscript>Without JavaScript the picture stays at {html.escape(where)}.</noscript>"
    return HTML(_assembled(kind, html.escape(alt), pictures, still_at, note, text[1:]))


def _assembled(kind, alt, pictures, still_at, note, description):
    script = "\n".join(asset(f"{name}.js") for name in SCRIPTS[kind])
    key = hashlib.sha256("\0".join((pictures, description, script, note)).encode()).hexdigest()[:12]
    return (
        f'<figure class="flowviz" data-flowviz="{key}" data-kind="{kind}" role="group" aria-label="{alt}">'
        f'<style>{asset("widget.css")}</style><div class="flowviz-stage">{pictures}</div>'
        f'<div class="flowviz-controls">{still_at}</div>{note}'
        f'<script>(d => {{"use strict";\n{script}\n}})({{"id":"{key}",{description})</script></figure>'
    )


PARTS = re.compile(
    r'<figure class="flowviz" data-flowviz="(?P<key>\w+)" data-kind="(?P<kind>\w+)" role="group" aria-label="(?P<alt>[^"]*)">'
    r'<style>[^<]*</style><div class="flowviz-stage">(?P<pictures>.*?)</div><div class="flowviz-controls">(?P<still_at>.*?)</div>(?P<note>.*?)'
    r'<script>\(d => .*\n\}\)\(\{"id":"(?P=key)",(?P<description>.*)\)</script></figure>',
    re.DOTALL,
)


def renewed(text: str) -> str:
    """The HTML of a widget with the scripts and the style of today, all else as it was: what running its cell again would make of it.

    Raises FlowlibError for what is no widget.
    """
    found = PARTS.fullmatch(text)
    if not found:
        raise FlowlibError(f"no widget: {text[:60]!r} …; run its cell again")
    parts = found.groupdict()
    del parts["key"]
    return _assembled(**parts)


def asset(name):
    """A file of `web` without indentation and lines of comment; a style sheet in one line."""
    lines = (line.strip() for line in (WEB / name).read_text(encoding="utf-8").splitlines())
    return ("\n" if name.endswith(".js") else "").join(line for line in lines if line and not line.startswith("//"))


def _image(frame, alt, height):
    """The picture: image arrays enlarged pixel by pixel to `height`, figures as wide as the page."""
    height = height or (PIXEL_HEIGHT if frame.pixelated else None)
    width = f"{round(height * frame.size[0] / frame.size[1])}px" if height else "100%"
    names = "dark-light flowviz-pixels" if frame.pixelated else "dark-light"  # the theme leaves it alone
    return (
        f'<img class="{names}" style="width:{width}" width="{frame.size[0]}" height="{frame.size[1]}" '
        f'alt="{html.escape(alt)}" src="data:image/png;base64,{as_text(frame.content)}">'
    )
