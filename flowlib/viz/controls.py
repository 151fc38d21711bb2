"""The controls beside a moving picture: sliders, buttons and lists, native, for keyboard and touch."""

import html
from dataclasses import dataclass

MOST_BUTTONS = 8  # more choices than this become a list
PLAY = (
    '<button type="button" aria-label="play"><svg viewBox="0 0 10 10" aria-hidden="true">'
    '<path d="M2 1l7 4-7 4z"/></svg></button>'
)


@dataclass(frozen=True)
class Axis:
    """One control: name, labels, kind ('slider' or 'buttons'), start, and the slider's step."""

    name: str
    labels: tuple
    kind: str
    start: int
    step: float = 1


def controls_html(axes):
    """The controls, one row each and hidden until the script runs; the first slider has a play button."""
    first = next((axis for axis in axes if axis.kind == "slider"), None)
    wide = max(len(axis.name) for axis in axes)
    rows = []
    for axis in axes:
        name = html.escape(axis.name)
        title = f'<b style="min-width:{wide}ch">{name}</b>' if name else ""
        if axis.kind == "slider":
            end = PLAY if axis is first else "<i></i>"  # the empty element keeps the sliders equally long
            inner = _slider(axis, name or "position") + end
        else:
            inner = (_buttons if len(axis.labels) <= MOST_BUTTONS else _list)(axis, name or "choice")
        rows.append(f'<div class="flowviz-row" hidden>{title}{inner}</div>')
    return "".join(rows)


def where(axes):
    """Where the controls start, in words."""
    return ", ".join(f"{axis.name} = {axis.labels[axis.start]}".removeprefix(" = ") for axis in axes)


def _slider(axis, name):
    label = html.escape(axis.labels[axis.start])
    return (
        f'<input type="range" min="0" max="{len(axis.labels) - 1}" step="{axis.step}" value="{axis.start}" '
        f'aria-label="{name}" aria-valuetext="{label}"><output>{label}</output>'
    )


def _buttons(axis, name):
    choices = "".join(
        f'<label><input type="radio" value="{i}"{" checked" * (i == axis.start)}>{html.escape(text)}</label>'
        for i, text in enumerate(axis.labels)
    )
    return f'<div class="flowviz-pick" role="radiogroup" aria-label="{name}">{choices}</div>'


def _list(axis, name):
    choices = "".join(
        f'<option value="{i}"{" selected" * (i == axis.start)}>{html.escape(text)}</option>'
        for i, text in enumerate(axis.labels)
    )
    return f'<select aria-label="{name}">{choices}</select>'
