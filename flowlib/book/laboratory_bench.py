"""What the laboratories share: controls, a button, a line of text, pictures, and training for some seconds with a live loss curve.

Only what ipywidgets 7.7 (Colab) and 8 both have is used. Where ipywidgets is missing, or no kernel runs, a sentence stands in its place.
"""

import html
import time

import torch

from flowlib.errors import FlowlibError
from flowlib.viz import loss_curves
from flowlib.viz.picture import png_bytes

VIEW = "application/vnd.jupyter.widget-view+json"
REDRAW = 1.5  # seconds between two pictures of the loss
AGAIN = 0.3  # seconds after a run in which presses are those that waited for its end


class Bench:
    """Controls by name, and what the button does with their values.

    action : called as action(bench, **values) when the button is pressed; it shows what it finds by `say`, `show` and `train`
    controls : name → an ipywidgets widget;  button : the text on it
    sentence : what stands here where no kernel runs
    """

    def __init__(self, controls, action, button, sentence):
        import ipywidgets

        self.controls, self.action, self.sentence = controls, action, sentence
        self.button = ipywidgets.Button(description=button, button_style="primary")
        self.text, self.pictures = ipywidgets.HTML(), [ipywidgets.Image(format="png"), ipywidgets.Image(format="png")]
        for picture in self.pictures:
            picture.layout.display, picture.layout.max_width = "none", "100%"  # until there is something to see
        rows = [_labelled(name, control) for name, control in controls.items()]
        self.view = ipywidgets.VBox([*rows, self.button, self.text, *self.pictures])
        self._ended = -AGAIN
        self.button.on_click(lambda _: self.run())

    def run(self):
        """What a press of the button does. Whatever goes wrong is a line of text: a kernel shows a widget's errors nowhere else.

        A press during a run waits in the kernel and arrives at its end: it is passed over.
        """
        if time.monotonic() - self._ended < AGAIN:
            return
        self.button.disabled = True
        for picture in self.pictures:
            picture.layout.display = "none"  # of the run before
        try:
            self.action(self, **{name: control.value for name, control in self.controls.items()})
        except FlowlibError as error:
            self.say(html.escape(str(error)))
        except KeyboardInterrupt:
            self.say("Stopped.")
        except Exception as error:
            self.say(html.escape(f"{type(error).__name__}: {error}"))
        finally:
            self.button.disabled = False
            self._ended = time.monotonic()

    def say(self, text):
        """Show a line of text, or HTML."""
        self.text.value = text

    def show(self, figure, place=1):
        """Show a figure in one of the two places."""
        self.pictures[place].value = png_bytes(figure)
        self.pictures[place].layout.display = ""

    def train(self, step, seconds):
        """Call step() → {term: scalar tensor} until the seconds are over; the curves are drawn on the way. Returns term → values."""
        history, begun, drawn = {}, time.monotonic(), 0.0
        while (spent := time.monotonic() - begun) < seconds or not history:
            with torch.enable_grad():
                terms = step()
            for name, value in terms.items():
                history.setdefault(name, []).append(value.item())
            if spent - drawn > REDRAW:
                self._draw(history, f"{seconds - spent:.0f} s to go")
                drawn = spent
        self._draw(history, "")
        return history

    def _draw(self, history, rest):
        count = len(history["loss"])
        self.show(loss_curves(history, range(1, count + 1)), 0)
        self.say(f"{count} steps; {rest}")

    def _repr_mimebundle_(self, include=None, exclude=None):
        """The widgets where there is a kernel; the page keeps the sentence alone."""
        view = {"version_major": 2, "version_minor": 0, "model_id": self.view.model_id}
        return {VIEW: view} | said(self.sentence)


class Said:
    """The sentence alone, where ipywidgets is not installed."""

    def __init__(self, sentence):
        self.sentence = sentence

    def _repr_mimebundle_(self, include=None, exclude=None):
        return said(self.sentence)


def said(sentence):
    """A sentence as HTML and as plain text."""
    return {"text/html": f"<p><em>{sentence}</em></p>", "text/plain": sentence}


def bench(make_controls, action, button, sentence):
    """A Bench with the controls make_controls(ipywidgets), or the sentence where a package that they need is missing."""
    try:
        import ipywidgets

        return Bench(make_controls(ipywidgets), action, button, sentence)
    except ImportError:
        return Said(sentence)


def _labelled(name, control):
    """A control with its name before it, all names equally wide."""
    if hasattr(control, "description"):
        control.description = control.description or name
        control.style.description_width = "9em"
        control.layout.width = "28em"
    return control
