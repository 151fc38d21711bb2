"""The style sheets of the moving pictures and of the questions: the page's own colours, light and dark."""

PICTURE = """
.flowviz { margin: .4em 0 !important; padding: 0; font: inherit; color: inherit; max-width: 100%; }
.flowviz * { box-sizing: border-box; }
.flowviz > img, .flowviz > canvas {
  display: block; max-width: 100% !important; height: auto; margin: 0 !important; padding: 0 !important;
  border-radius: 6px !important; filter: none !important;
}
.flowviz .flowviz-pixels { image-rendering: pixelated; border-radius: 3px !important; }
.flowviz-row { display: flex; flex-wrap: wrap; align-items: center; gap: 0 .6em; min-height: 44px; }
.flowviz-row > b { font-weight: 600; }
.flowviz-row > i { width: 44px; }
.flowviz-row > output { min-width: 3.2em; font-variant-numeric: tabular-nums; }
.flowviz input[type=range] {
  -webkit-appearance: none; appearance: none; flex: 1 1 5em; min-width: 0; height: 44px; margin: 0;
  background: transparent; cursor: pointer;
}
.flowviz input[type=range]::-webkit-slider-runnable-track {
  height: 4px; border-radius: 2px; background: rgba(128,134,142,.5);
}
.flowviz input[type=range]::-moz-range-track {
  height: 4px; border-radius: 2px; background: rgba(128,134,142,.5);
}
.flowviz input[type=range]::-webkit-slider-thumb {
  -webkit-appearance: none; width: 20px; height: 20px; margin-top: -8px; border: 0; border-radius: 50%;
  background: #2d98e2;
}
.flowviz input[type=range]::-moz-range-thumb {
  width: 20px; height: 20px; border: 0; border-radius: 50%; background: #2d98e2;
}
.flowviz button {
  width: 44px; height: 36px; padding: 0; border: 1px solid rgba(128,134,142,.6); border-radius: 6px;
  background: transparent; color: inherit; cursor: pointer;
}
.flowviz button svg { width: 13px; height: 13px; fill: currentColor; vertical-align: middle; }
.flowviz-pick { display: flex; flex-wrap: wrap; gap: .35em; }
.flowviz-pick label {
  position: relative; display: inline-flex; align-items: center; min-height: 36px; padding: 0 .8em;
  border: 1px solid rgba(128,134,142,.6); border-radius: 6px; cursor: pointer;
}
.flowviz-pick input { position: absolute; inset: 0; margin: 0; opacity: 0; cursor: pointer; }
.flowviz-pick label:has(:checked) {
  border-color: #2d98e2; box-shadow: inset 0 0 0 1px #2d98e2; font-weight: 600;
}
.flowviz select {
  font: inherit; color: inherit; background: transparent; min-height: 36px; padding: 0 .5em;
  border: 1px solid rgba(128,134,142,.6); border-radius: 6px;
}
.flowviz select option { color: #303439; background: #fcfcfa; }
.flowviz :focus-visible, .flowviz-pick label:has(:focus-visible) {
  outline: 2px solid #2d98e2; outline-offset: 2px;
}
.flowviz figcaption, .flowviz noscript {
  display: block; margin: .2em 0 0; padding: 0; font-size: .9em; opacity: .85; text-align: left;
}
.flowviz [hidden] { display: none !important; }
html[data-theme=dark] .bd-content div.cell_output .text_html.text_html:has(.flowviz) {
  background: none; color: inherit; padding: 0;
}
"""

QUESTION = """
.flowquiz {
  margin: .8em 0; padding: .7em 1em; border: 1px solid rgba(128,134,142,.5); border-left: 4px solid #2d98e2;
  border-radius: 6px; color: inherit;
}
.flowquiz > p { margin: .1em 0 .6em; font-weight: 600; }
.flowquiz details {
  margin: .35em 0; border: 1px solid rgba(128,134,142,.5); border-radius: 6px; background: transparent;
  box-shadow: none;
}
.flowquiz summary {
  display: flex; align-items: center; box-sizing: border-box; min-height: 44px; margin: 0; padding: .4em .8em;
  cursor: pointer; list-style: none; color: inherit; background: transparent;
}
.flowquiz summary::-webkit-details-marker { display: none; }
.flowquiz summary::before { content: '○'; flex: 0 0 1.5em; }
.flowquiz details[open].flowquiz-right { border-color: #009e5c; box-shadow: inset 4px 0 0 #009e5c; }
.flowquiz details[open].flowquiz-wrong { border-color: #de640d; box-shadow: inset 4px 0 0 #de640d; }
.flowquiz details[open].flowquiz-right > summary::before { content: '✓'; }
.flowquiz details[open].flowquiz-wrong > summary::before { content: '✗'; }
.flowquiz details > p { margin: 0 .8em .6em 2.3em; }
.flowquiz summary:focus-visible { outline: 2px solid #2d98e2; outline-offset: 2px; }
html[data-theme=dark] .bd-content div.cell_output .text_html.text_html:has(.flowquiz) {
  background: none; color: inherit; padding: 0;
}
"""


def lean(text):
    """A style sheet or script without line breaks and indentation: every statement ends itself."""
    return "".join(line.strip() for line in text.splitlines())
