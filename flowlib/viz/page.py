"""The HTML and the script behind every moving picture: one image, one control per axis, all frames inside the page."""

import base64
import hashlib
import html
import json
import re
from dataclasses import dataclass

from flowlib.viz.scripts import FRAMES, WIRE

CSS = """
.flowviz{margin:.4em 0!important;padding:0;font:inherit;color:inherit;max-width:100%}
.flowviz *{box-sizing:border-box}
.flowviz>img,.flowviz>canvas{display:block;max-width:100%!important;height:auto;margin:0!important;padding:0!important;
border-radius:6px!important;filter:none!important}
.flowviz img.flowviz-pixels,.flowviz canvas{image-rendering:pixelated;border-radius:3px!important}
.flowviz-row{display:flex;flex-wrap:wrap;align-items:center;gap:0 .6em;min-height:44px}
.flowviz-row>b{font-weight:600}
.flowviz-row>i{width:44px}
.flowviz-row>output{min-width:3.2em;font-variant-numeric:tabular-nums}
.flowviz input[type=range]{-webkit-appearance:none;appearance:none;flex:1 1 5em;min-width:0;height:44px;margin:0;
background:transparent;cursor:pointer}
.flowviz input[type=range]::-webkit-slider-runnable-track{height:4px;border-radius:2px;background:rgba(128,134,142,.5)}
.flowviz input[type=range]::-moz-range-track{height:4px;border-radius:2px;background:rgba(128,134,142,.5)}
.flowviz input[type=range]::-webkit-slider-thumb{-webkit-appearance:none;width:20px;height:20px;margin-top:-8px;border:0;
border-radius:50%;background:#2d98e2}
.flowviz input[type=range]::-moz-range-thumb{width:20px;height:20px;border:0;border-radius:50%;background:#2d98e2}
.flowviz button{width:44px;height:36px;padding:0;border:1px solid rgba(128,134,142,.6);border-radius:6px;background:transparent;
color:inherit;cursor:pointer}
.flowviz button svg{width:13px;height:13px;fill:currentColor;vertical-align:middle}
.flowviz-pick{display:flex;flex-wrap:wrap;gap:.35em}
.flowviz-pick label{position:relative;display:inline-flex;align-items:center;min-height:36px;padding:0 .8em;cursor:pointer;
border:1px solid rgba(128,134,142,.6);border-radius:6px}
.flowviz-pick input{position:absolute;inset:0;margin:0;opacity:0;cursor:pointer}
.flowviz-pick label:has(:checked){border-color:#2d98e2;box-shadow:inset 0 0 0 1px #2d98e2;font-weight:600}
.flowviz select{font:inherit;color:inherit;background:transparent;min-height:36px;padding:0 .5em;border-radius:6px;
border:1px solid rgba(128,134,142,.6)}
.flowviz select option{color:#303439;background:#fcfcfa}
.flowviz :focus-visible,.flowviz-pick label:has(:focus-visible){outline:2px solid #2d98e2;outline-offset:2px}
.flowviz figcaption,.flowviz noscript{display:block;margin:.2em 0 0;padding:0;font-size:.9em;opacity:.85;text-align:left}
.flowviz [hidden]{display:none!important}
html[data-theme=dark] .bd-content div.cell_output .text_html.text_html:has(.flowviz){background:none;color:inherit;padding:0}
"""

@dataclass(frozen=True)
class Axis:
    """One control: its name, the label of each position, its kind ('slider' or 'buttons'), its start, the slider's step."""

    name: str
    labels: tuple
    kind: str
    start: int
    step: float = 1


def frames_html(frames, axes, *, caption="", alt="", height=None, interval=None):
    """The HTML of a picture with one control per axis; `frames` in row-major order of the axes, all of one size."""
    unique, table = _deduplicate(frames)
    flat = 0
    for axis in axes:
        flat = flat * len(axis.labels) + axis.start
    shown = table[flat]
    payload = [base64.b64encode(frame.content).decode("ascii") for frame in unique]
    head = f"data:{frames[0].media_type};base64,"
    data = {"shown": shown, "table": table, "head": head,
            "frames": [0 if index == shown else text for index, text in enumerate(payload)]}
    picture = image_html(frames[0], head + payload[shown], f"{alt} ({_place(axes)})", height)
    return widget_html(picture, axes, data, FRAMES, caption=caption, alt=alt, interval=interval)


def widget_html(picture, axes, data, script, *, caption="", alt="", interval=None):
    """Assemble picture, hidden controls, caption and script; the identifier is a hash of all of it.

    The script finds `data` as `d`, with the description of the axes added, and calls `roots` and `wire` (see scripts).
    """
    slider = next((axis for axis in axes if axis.kind == "slider"), None)
    wide = max(len(axis.name) for axis in axes)
    controls = "".join(_control(axis, axis is slider, len(axes) > 1, wide) for axis in axes)
    ticks = (len(slider.labels) - 1) / slider.step if slider else 1
    data = {"alt": alt, "start": [axis.start for axis in axes], "interval": interval or int(min(600, max(40, 4000 / (ticks + 1)))),
            "axes": [{"name": a.name, "labels": a.labels, "kind": a.kind, "step": a.step} for a in axes], **data}
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    key = hashlib.sha256("\0".join((picture, controls, text, script, caption)).encode()).hexdigest()[:12]
    note = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    call = f'(function (d) {{{_lean(WIRE)}{_lean(script)}}})({{"id":"{key}",{text[1:]})'
    return (f'<figure class="flowviz" data-flowviz="{key}" role="group" aria-label="{html.escape(alt)}"><style>{_lean(CSS)}</style>'
            f"{picture}{controls}{note}<noscript>Without JavaScript the picture stays at {html.escape(_place(axes))}.</noscript>"
            f"<script>{call}</script></figure>")


def _place(axes):
    """Where the controls start, in words."""
    return ", ".join(f"{axis.name} = {axis.labels[axis.start]}".removeprefix(" = ") for axis in axes)


def _lean(text):
    """Without line breaks and indentation: the scripts and styles end every statement themselves."""
    return re.sub(r"\n\s*", "", text.strip())


def _deduplicate(frames):
    """The distinct frames, and for every frame the index of its content among them."""
    seen, unique, table = {}, [], []
    for frame in frames:
        if frame.content not in seen:
            seen[frame.content] = len(unique)
            unique.append(frame)
        table.append(seen[frame.content])
    return unique, table


def image_html(frame, source, alt, height):
    """The picture itself: image arrays enlarged pixel by pixel to `height` (default 224), figures as wide as the page."""
    width_px, height_px = frame.size
    if frame.pixelated:
        shown_height = height or 224
        style, name = f"width:{round(shown_height * width_px / height_px)}px", "dark-light flowviz-pixels"
    else:
        style, name = (f"width:{round(height * width_px / height_px)}px" if height else "width:100%"), "dark-light"
    return (f'<img class="{name}" style="{style}" width="{width_px}" height="{height_px}" alt="{html.escape(alt)}" '
            f'src="{source}">')


def _control(axis, with_play, spare, wide):
    """The HTML of one control; `spare` keeps the place of a play button free, `wide` letters that of the name."""
    name, labels = html.escape(axis.name), [html.escape(label) for label in axis.labels]
    title = f'<b style="min-width:{wide}ch">{name}</b>' if name else ""
    if axis.kind == "slider":
        button = ('<button type="button" aria-label="play"><svg viewBox="0 0 10 10" aria-hidden="true"><path d="M2 1l7 4-7 4z"/>'
                  '</svg></button>') if with_play else "<i></i>" if spare else ""
        inner = (f'{title}<input type="range" min="0" max="{len(labels) - 1}" step="{axis.step}" value="{axis.start}" '
                 f'aria-label="{name or "position"}" aria-valuetext="{labels[axis.start]}"><output>{labels[axis.start]}</output>{button}')
    elif len(labels) > 8:
        options = "".join(f'<option value="{i}"{" selected" if i == axis.start else ""}>{text}</option>'
                          for i, text in enumerate(labels))
        inner = f'{title}<select aria-label="{name or "choice"}">{options}</select>'
    else:
        options = "".join(f'<label><input type="radio" value="{i}"{" checked" if i == axis.start else ""}>{text}</label>'
                          for i, text in enumerate(labels))
        inner = f'{title}<div class="flowviz-pick" role="radiogroup" aria-label="{name or "choice"}">{options}</div>'
    return f'<div class="flowviz-row" hidden>{inner}</div>'
