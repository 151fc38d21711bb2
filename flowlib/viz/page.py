"""The HTML behind every moving picture: one image, one control per axis, everything inside the page."""

import base64
import hashlib
import html
import json

from flowlib.errors import FlowlibError
from flowlib.viz.controls import controls_html, where
from flowlib.viz.scripts import FRAMES, WIRE
from flowlib.viz.sheet import PICTURE, lean

PIXEL_HEIGHT = 224  # of an image array on the screen


def frames_html(frames, axes, *, caption="", alt="", height=None, interval=None):
    """A picture with one control per axis; `frames` of one size, in row-major order of the axes."""
    unique, table = _deduplicate(frames)
    flat = 0
    for axis in axes:
        flat = flat * len(axis.labels) + axis.start
    shown = table[flat]
    head = f"data:{frames[0].media_type};base64,"
    texts = [0 if index == shown else base64_text(frame.content) for index, frame in enumerate(unique)]
    data = {"shown": shown, "table": table, "head": head, "frames": texts}
    picture = image_html(unique[shown], f"{alt} ({where(axes)})", height)
    return widget_html(picture, axes, data, FRAMES, caption=caption, alt=alt, interval=interval)


def widget_html(picture, axes, data, script, *, caption="", alt="", interval=None):
    """Assemble picture, controls, caption and script, under an identifier that is a hash of all of it.

    The script finds `data` as `d`, with the description of the axes added, and calls `roots` and `wire` (see
    scripts). `interval`: milliseconds between the slider's steps while it plays (default: 4 seconds in all).
    """
    if not alt:
        raise FlowlibError(
            "alt is empty; describe in a sentence what the picture shows, for readers who cannot see it"
        )
    data = {**_description(axes, alt, interval), **data}
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    key = hashlib.sha256("\0".join((picture, text, script, caption)).encode()).hexdigest()[:12]
    note = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return (
        f'<figure class="flowviz" data-flowviz="{key}" role="group" aria-label="{html.escape(alt)}">'
        f"<style>{lean(PICTURE)}</style>{picture}{controls_html(axes)}{note}"
        f"<noscript>Without JavaScript the picture stays at {html.escape(where(axes))}.</noscript>"
        f'<script>(function (d) {{{lean(WIRE)}{lean(script)}}})({{"id":"{key}",{text[1:]})</script></figure>'
    )


def image_html(frame, alt, height=None):
    """The picture: image arrays enlarged pixel by pixel to `height`, figures as wide as the page."""
    if frame.pixelated:
        height = height or PIXEL_HEIGHT
    width = f"{round(height * frame.size[0] / frame.size[1])}px" if height else "100%"
    names = "dark-light flowviz-pixels" if frame.pixelated else "dark-light"  # the theme leaves it alone
    return (
        f'<img class="{names}" style="width:{width}" width="{frame.size[0]}" height="{frame.size[1]}" '
        f'alt="{html.escape(alt)}" src="data:{frame.media_type};base64,{base64_text(frame.content)}">'
    )


def base64_text(content):
    """Bytes as base64 text."""
    return base64.b64encode(content).decode("ascii")


def _description(axes, alt, interval):
    """What the script has to know of the controls."""
    slider = next((axis for axis in axes if axis.kind == "slider"), None)
    ticks = (len(slider.labels) - 1) / slider.step + 1 if slider else 1
    return {
        "alt": alt,
        "start": [axis.start for axis in axes],
        "interval": interval or int(min(600, max(40, 4000 / ticks))),
        "axes": [{"name": a.name, "labels": a.labels, "kind": a.kind, "step": a.step} for a in axes],
    }


def _deduplicate(frames):
    """The distinct frames, and for every frame the index of its content among them."""
    seen, unique, table = {}, [], []
    for frame in frames:
        if frame.content not in seen:
            seen[frame.content] = len(unique)
            unique.append(frame)
        table.append(seen[frame.content])
    return unique, table
