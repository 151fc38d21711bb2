"""Moving pictures in a real browser: what the reader sees after moving a control, by mouse and by keyboard."""

import html

import numpy as np
import pytest
from browsing import browser, needs_browser, page  # noqa: F401

from flowlib import viz

pytestmark = needs_browser


def tones(*shape):
    """Images of one grey each, so that a frame is known by its colour."""
    levels = np.arange(np.prod(shape)).reshape(*shape, 1, 1, 1) / np.prod(shape)
    return np.broadcast_to(levels, (*shape, 1, 4, 4))


def test_the_slider_changes_the_picture_its_label_and_its_description(page):
    page.open(viz.frame_slider(tones(4), ["a", "b", "c", "d"], alt="grey").data)
    assert page.probe('return [await shown(), $("img").alt]') == [128, "grey (t = c)"]
    seen = page.probe('input($("input"), 3); return [await shown(), $("output").textContent, $("img").alt]')
    assert seen == [191, "d", "grey (t = d)"]
    assert page.probe('return $("input").getAttribute("aria-valuetext")') == "d"


def test_the_keyboard_reaches_every_control_in_order_and_moves_it(page):
    page.open(viz.frame_grid_slider(tones(2, 3), names=("scale", "rotation"), alt="grey", start=(0, 0)).data)
    name = 'return document.activeElement.getAttribute("aria-label")'
    assert [page.press("Tab").probe(name) for _ in range(3)] == ["scale", "play", "rotation"]
    assert page.press("ArrowRight", "ArrowRight").probe('return [$("figure").dataset.at, await shown()]') == ["0,2", round(255 * 2 / 6)]


def test_the_keyboard_chooses_a_button_and_plays(page):
    body = viz.choice_gallery(tones(3, 3), {"factor": "abc"}, slider=("t", range(3)), alt="grey", interval=30, start=[0, 0]).data
    page.open(body).press("Tab", "ArrowRight", "ArrowRight", "Tab", "Tab", "Space")
    assert page.probe('await wait(400); return [$("figure").dataset.at, await shown()]') == ["2,2", round(255 * 8 / 9)]


def test_play_runs_to_the_end_and_stops_and_starts_anew(page):
    page.open(viz.frame_slider(tones(5), alt="grey", start=3, interval=200).data)
    note = 'return [$("figure").dataset.at, $("button").getAttribute("aria-label")]'
    assert page.probe(f'$("button").click(); {note}') == ["3", "pause"]
    assert page.probe(f"await wait(600); {note}") == ["4", "play"]
    assert page.probe(f'$("button").click(); {note}') == ["0", "pause"]
    assert page.probe(f'$("button").click(); await wait(400); {note}') == ["0", "play"]


def test_a_hand_on_the_slider_stops_the_play(page):
    page.open(viz.frame_slider(tones(9), alt="grey", start=0, interval=50).data)
    stopped = '$("button").click(); await wait(120); input($("input"), 2); await wait(200); return [$("figure").dataset.at, $("input").value]'
    assert page.probe(stopped) == ["2", "2"]


def test_two_sliders_move_in_two_directions(page):
    page.open(viz.frame_grid_slider(tones(2, 4), alt="grey", start=(0, 0)).data)
    seen = [
        page.probe("return shown()"),
        page.probe('input($("input", 0), 1); return shown()'),
        page.probe('input($("input", 1), 3); return shown()'),
    ]
    assert seen == [0, round(255 * 4 / 8), round(255 * 7 / 8)]


def test_a_gallery_picks_by_button_and_by_list(page):
    page.open(viz.choice_gallery(tones(2, 10), {"factor": ["scale", "hue"], "digit": range(10)}, alt="grey").data)
    assert page.probe('return [$("[role=radiogroup]").getAttribute("aria-label"), $("select").getAttribute("aria-label")]') == [
        "factor",
        "digit",
    ]
    assert page.probe('return document.querySelectorAll("button").length') == 0, "there is nothing to play"
    assert page.probe('$("input", 1).click(); return shown()') == 128
    assert page.probe('input($("select"), 9, "change"); return shown()') == round(255 * 19 / 20)


def test_a_repeated_frame_and_the_first_one_are_found_again(page):
    frames = tones(3)[[0, 1, 0, 2, 1]]
    page.open(viz.frame_slider(frames, alt="grey", start=1).data)
    seen = [page.probe(f'input($("input"), {n}); return shown()') for n in (0, 1, 2, 3, 4, 1)]
    assert seen == [0, 85, 0, 170, 85, 85]


def test_two_copies_of_one_widget_move_apart(page):
    body = viz.choice_gallery(tones(3, 2), {"factor": ["a", "b", "c"]}, slider=("t", [0, 1]), alt="grey").data
    seen = page.open(body + body).probe("""$("input", 1).click(); $("input", 6).click();
        return [await shown(0), await shown(1), $("input", 1).checked, $("input", 6).checked]""")
    assert seen == [round(255 * 3 / 6), round(255 * 5 / 6), True, True]


def test_a_notebook_that_inserts_the_output_later_runs_it(page):
    """JupyterLab sets innerHTML, which runs no script, and then makes every script anew."""
    body = viz.frame_slider(tones(4), alt="grey").data
    seen = page.open(f"<div id='output'></div><template>{body}</template>").probe("""
        const output = $("#output"); output.innerHTML = $("template").innerHTML;
        output.querySelectorAll("script").forEach(old => { const fresh = document.createElement("script");
        fresh.textContent = old.textContent; old.replaceWith(fresh) });
        input($("input"), 0); return [await shown(), $("output").textContent]""")
    assert seen == [0, "0"]


def test_labels_are_text_not_markup(page):
    page.open(viz.frame_slider(tones(2), ["<b>", "</script><i>"], name="<u>", alt='a "quoted" <alt>', caption="1 < 2").data)
    seen = page.probe('return [$("output").textContent, $("img").alt, $("figcaption").textContent, !$("figure i, figure u, output b")]')
    assert seen == ["</script><i>", 'a "quoted" <alt> (<u> = </script><i>)', "1 < 2", True]


def test_without_a_script_the_start_is_seen_and_no_control(page):
    body = viz.frame_slider(tones(5), alt="grey").data
    page.open(f"<iframe sandbox='allow-same-origin' srcdoc='{html.escape(body)}'></iframe>")
    seen = page.probe("""const d = $("iframe").contentDocument; await wait(200);
        return [d.querySelectorAll("input, button, select").length, d.querySelector("img").alt, d.body.innerText.trim()]""")
    assert seen == [0, "grey (t = 2)", "Without JavaScript the picture stays at t = 2."]


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_shows_everything_in_its_width_in_the_page_s_colours(page, dark):
    figure, axes = viz.new_figure(1, 2)
    body = "<style>@media (prefers-color-scheme: dark) { body { color: #eee; background: #111 } }</style>"
    body += viz.frame_slider([figure, figure], ["a long label", "another long label"], alt="plot").data
    body += viz.choice_gallery(tones(6), {"digit": [f"choice number {n}" for n in range(6)]}, alt="grey").data
    page.open(body, width=360, dark=dark)
    wide, *range_ = page.probe("""const r = $("input").getBoundingClientRect();
        return [document.documentElement.scrollWidth, r.height, r.width]""")
    assert wide <= 360 and range_[0] >= 44 and range_[1] > 120
    ink = page.probe('return ["output", "button", ".flowviz-pick label"].map(q => getComputedStyle($(q)).color)')
    assert set(ink) == {"rgb(238, 238, 238)" if dark else "rgb(0, 0, 0)"}


def test_a_question_opens_its_feedback_by_mouse_and_keyboard(page):
    page.open(viz.prediction("Is it?", [("yes", True, "since"), ("no", False, "because")]).data)
    opened = 'await wait(50); return [...document.querySelectorAll("details")].map(e => e.open)'
    assert page.probe(f'$("summary", 1).click(); {opened}') == [False, True]
    assert page.probe(f'$("summary", 0).focus(); {opened}') == [False, True]
    assert page.press("Space").probe(opened) == [True, False]
    assert page.probe('return $("details").innerText.includes("since")')
