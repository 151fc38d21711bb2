"""Moving pictures in a real browser, opened as a file: no kernel, no server, no network."""

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from flowlib import viz

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium"
)

PAGE = """<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<body>{body}<script>addEventListener("load", async () => {{
const wait = ms => new Promise(done => setTimeout(done, ms));
const $ = (q, n = 0) => document.querySelectorAll(q)[n];
const input = (e, v, type = "input") => {{ e.value = v; e.dispatchEvent(new Event(type)) }};
let result; try {{ result = await (async () => {{ {probe} }})() }}
catch (error) {{ result = {{error: String(error)}} }}
document.body.dataset.probe = JSON.stringify(result) }})</script>"""


def browse(tmp_path, body, probe, *flags):
    """Open `body` as a page and run `probe`, the body of an async function, in it; return what it returns."""
    page = tmp_path / "page.html"
    page.write_text(PAGE.format(body=body, probe=probe), encoding="utf-8")
    for attempt in range(1, 5):  # on a busy machine virtual time can run out before the page is done
        found = re.search(r'data-probe="([^"]*)"', dump(page, tmp_path / f"profile{attempt}", 8000 * attempt, flags))
        if found:
            break
    assert found, "the page did not run"
    result = json.loads(html.unescape(found.group(1)))
    assert not (isinstance(result, dict) and "error" in result), result
    return result


def dump(page, profile, budget, flags):
    """The page's DOM after `budget` milliseconds of virtual time."""
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={profile}",
        f"--virtual-time-budget={budget}",
        "--dump-dom",
        *flags,
        page.as_uri(),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120).stdout


def tones(*shape):
    """Images of one grey each, so that a frame is known by its colour."""
    levels = np.arange(np.prod(shape)).reshape(*shape, 1, 1, 1) / np.prod(shape)
    return np.broadcast_to(levels, (*shape, 1, 4, 4))


SHOWN = """const shown = async (n = 0) => { const i = $("img", n); await i.decode();
const c = document.createElement("canvas");
c.width = c.height = 4; const x = c.getContext("2d"); x.drawImage(i, 0, 0, 4, 4);
return x.getImageData(1, 1, 1, 1).data[0] };"""


def test_the_slider_changes_the_picture(tmp_path):
    body = viz.frame_slider(tones(4), ["a", "b", "c", "d"], alt="grey").data
    seen = browse(
        tmp_path,
        body,
        SHOWN
        + """const before = await shown(), r = $("input");
        input(r, 3); return [before, await shown(), $("output").textContent, $("img").alt,
        r.getAttribute("aria-valuetext")]""",
    )
    assert seen == [128, 191, "d", "grey (t = d)", "d"]


def test_the_keyboard_s_reach_and_names(tmp_path):
    body = viz.frame_grid_slider(tones(2, 3), names=("scale", "rotation"), alt="grey").data
    seen = browse(
        tmp_path,
        body,
        """const all = [...document.querySelectorAll(".flowviz input, .flowviz button")];
        return all.map(e => { e.focus();
        return [document.activeElement === e, e.getAttribute("aria-label")] })""",
    )
    assert seen == [[True, "scale"], [True, "play"], [True, "rotation"]]


def test_play_runs_to_the_end_and_stops(tmp_path):
    body = viz.frame_slider(tones(5), alt="grey", start=3, interval=50).data
    seen = browse(
        tmp_path,
        body,
        """const b = $("button"), all = [], note = () =>
        all.push([$("figure").dataset.at, b.getAttribute("aria-label")]);
        b.click(); note(); await wait(500); note(); b.click(); note(); b.click(); note();
        await wait(300); note(); return all""",
    )
    assert seen == [["3", "pause"], ["4", "play"], ["0", "pause"], ["0", "play"], ["0", "play"]]


def test_two_sliders_move_in_two_directions(tmp_path):
    body = viz.frame_grid_slider(tones(2, 4), alt="grey", start=(0, 0)).data
    seen = browse(
        tmp_path,
        body,
        SHOWN
        + """const all = [await shown()]; input($("input", 0), 1); all.push(await shown());
        input($("input", 1), 3); all.push(await shown()); return all""",
    )
    assert seen == [0, round(255 * 4 / 8), round(255 * 7 / 8)]


def test_a_gallery_picks_by_button_and_by_list(tmp_path):
    body = viz.choice_gallery(tones(2, 10), {"factor": ["scale", "hue"], "digit": range(10)}, alt="grey").data
    seen = browse(
        tmp_path,
        body,
        SHOWN
        + """const all = [await shown()]; $("input", 1).click(); all.push(await shown());
        input($("select"), 9, "change"); all.push(await shown()); return all""",
    )
    assert seen == [0, 128, round(255 * 19 / 20)]


def test_two_copies_of_one_widget_move_apart(tmp_path):
    body = viz.choice_gallery(tones(3, 2), {"factor": ["a", "b", "c"]}, slider=("t", [0, 1]), alt="grey").data
    seen = browse(
        tmp_path,
        body + body,
        SHOWN
        + """$("input", 1).click(); $("input", 6).click();
        return [await shown(0), await shown(1), $("input", 1).checked, $("input", 6).checked]""",
    )
    assert seen == [round(255 * 3 / 6), round(255 * 5 / 6), True, True]


def test_a_notebook_that_inserts_the_output_later_runs_it(tmp_path):
    """JupyterLab sets innerHTML, which runs no script, and then makes every script anew."""
    body = viz.frame_slider(tones(4), alt="grey").data
    place = f"<div id='output'></div><template>{body}</template>"
    seen = browse(
        tmp_path,
        place,
        SHOWN
        + """const output = $("#output"); output.innerHTML = $("template").innerHTML;
        output.querySelectorAll("script").forEach(old => { const fresh = document.createElement("script");
        fresh.textContent = old.textContent; old.replaceWith(fresh) });
        input($("input"), 0); return [await shown(), $("output").textContent]""",
    )
    assert seen == [0, "0"]


def test_a_phone_shows_everything_in_its_width(tmp_path):
    figure, axes = viz.new_figure(1, 2)
    body = viz.frame_slider([figure, figure], ["a long label", "another long label"], alt="plot").data
    body += viz.choice_gallery(tones(6), {"digit": [f"choice number {n}" for n in range(6)]}, alt="grey").data
    frame = f"<iframe style='width:360px;height:900px;border:0' srcdoc='{html.escape(body)}'></iframe>"
    seen = browse(
        tmp_path,
        frame,
        """const d = $("iframe").contentDocument; await wait(300);
        return [d.documentElement.scrollWidth, d.querySelector("input").getBoundingClientRect().height,
                d.querySelector("input").getBoundingClientRect().width]""",
    )
    assert seen[0] <= 360 and seen[1] >= 44 and seen[2] > 120


def test_a_question_opens_its_feedback(tmp_path):
    body = viz.prediction("Is it?", [("yes", True, "since"), ("no", False, "because")]).data
    seen = browse(
        tmp_path,
        body,
        """const d = [...document.querySelectorAll("details")]; d[1].querySelector("summary").click();
        await wait(50); const first = d.map(e => e.open);
        d[0].querySelector("summary").click(); await wait(50);
        return [first, d.map(e => e.open), d[0].innerText.includes("since")]""",
    )
    assert seen == [[False, True], [True, False], True]
