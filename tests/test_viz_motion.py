"""Moving pictures as HTML: the same every time, whole frames, and mistakes named. What they do is tested in a browser."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from flowlib import viz
from flowlib.errors import FlowlibError
from flowlib.viz.picture import make_frame
from flowlib.viz.widget import SCRIPTS, WEB, asset, make_axis, renewed, widget


def digits(count, seed=0):
    return np.random.default_rng(seed).random((count, 1, 8, 8))


def waves(phase):
    figure, axes = viz.new_figure(height=2.5)
    axes.plot(np.arange(50), np.sin(np.arange(50) / 5 + phase))
    return figure


def test_the_same_frames_give_the_same_html_and_others_another_identifier():
    key = re.compile(r'data-flowviz="(\w+)"')
    first, again, other = (viz.frame_slider(digits(3, seed), alt="noise").data for seed in (0, 0, 1))
    assert first == again
    assert key.search(first).group(1) != key.search(other).group(1)


def test_the_page_names_no_other_host():
    assert not re.search(r"https?:|//\w+\.|@import|url\(", viz.frame_slider(digits(3), alt="noise").data)


def test_every_file_of_the_widgets_is_used_and_inlined_without_comments():
    used = {f"{name}.js" for names in SCRIPTS.values() for name in names} | {"widget.css", "quiz.css", "pad.js"}  # the pad is the laboratory's
    assert {path.name for path in WEB.iterdir()} == used
    for name in used:
        assert len(asset(name)) > 100 and "</" not in asset(name).replace("</svg>", "")
        assert not any(line.startswith("//") for line in asset(name).splitlines())


def test_frames_of_arrays_keep_their_pixels():
    frame = make_frame(digits(3))
    image = Image.open(io.BytesIO(frame.content))
    assert frame.size == (3 * 8 + 2, 8) and frame.pixelated
    assert np.array_equal(np.asarray(image.convert("RGB"))[:, 9:17, 0], np.round(255 * digits(3)[1, 0]))


@pytest.mark.parametrize("make, message", [
    (lambda: viz.frame_slider(digits(2)), "alt is empty"),
    (lambda: viz.frame_slider([], alt="a"), "no frames"),
    (lambda: viz.frame_slider(digits(3), [1, 2], alt="a"), "labels of 't' has 2 entries.*3 are needed"),
    (lambda: viz.frame_slider(digits(3), start=3, alt="a"), "start 3.*0 … 2"),
    (lambda: viz.frame_slider([np.zeros((1, 8, 8)), np.zeros((1, 8, 9))], alt="a"), r"frame 1 is \(9, 8\)"),
    (lambda: viz.frame_slider([np.full((1, 8, 8), 7.0)], alt="a"), r"7.*\[0, 1\]"),
    (lambda: viz.frame_slider([np.full((1, 8, 8), np.nan)], alt="a"), "NaN"),
    (lambda: viz.frame_grid_slider([digits(3), digits(2)], alt="a"), r"\[3, 2\]"),
    (lambda: viz.choice_gallery(digits(3), {"digit": [1, 2]}, alt="a"), "3 entries.*'digit'.*2 labels"),
])  # fmt: skip
def test_mistakes_are_named(make, message):
    with pytest.raises(FlowlibError, match=message):
        make()


def test_a_film_that_goes_back_rests_where_it_turns(tmp_path):
    path = viz.save_gif(digits(4), tmp_path / "there.gif", seconds=3, pause=2, back=True)
    with Image.open(path) as film:
        durations = [film.seek(n) or film.info["duration"] for n in range(film.n_frames)]
    assert durations == [1000, 1000, 1000, 2000, 1000, 1000]  # frames 0 … 3, and 2, 1 on the way back


def test_nothing_in_a_text_opens_a_tag_of_the_page():
    from flowlib.viz.widget import make_axis, widget

    page = widget("frames", [make_axis("<!-- <script>", ["a", "b"], 2)], {}, {"": make_frame(digits(1)[0])}, "<!-- <script>").data
    script = page[page.index("<script>") + len("<script>") : page.rindex("</script>")]
    assert "<!--" not in script and "<script" not in script and "\\u003c!-- \\u003cscript>" in script


def test_a_gif_has_every_frame_and_leaves_no_other_file(tmp_path):
    path = viz.save_gif(digits(5), tmp_path / "digits.gif", seconds=2, pause=1)
    image = Image.open(path)
    assert image.n_frames == 5 and image.size == (168, 168) and image.info["loop"] == 0
    durations = []
    for n in range(5):
        image.seek(n)
        durations.append(image.info["duration"])
    assert durations == [500] * 4 + [1000]
    assert [p.name for p in tmp_path.iterdir()] == ["digits.gif"]
    with pytest.raises(FlowlibError, match="at least two"):
        viz.save_gif(digits(1), path)
    with pytest.raises(FlowlibError, match="one size"):
        viz.save_gif([*digits(2), np.zeros((1, 8, 9))], path)


def test_the_picture_of_a_page_without_script_is_that_of_the_start():
    """Of two axes: the last column is the second one's, numbered row by row."""
    frames = [[np.full((1, 8, 8), (3 * row + column) / 10) for column in range(3)] for row in range(2)]
    data = viz.frame_grid_slider(frames, start=(1, 1), alt="levels").data
    picture = re.search(r'src="data:image/png;base64,([^"]+)"', data).group(1)
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))).convert("L"))
    assert (shown == round(255 * 0.4)).all()


def test_a_widget_can_be_renewed_without_its_cell(monkeypatch):
    """Of any kind: with the scripts of today it is what it was, and with others what its cell would then make."""
    first = digits(2)[:, None].repeat(3, 2)[0]
    kinds = {
        kind: lambda kind=kind: widget(
            kind, [make_axis("t", None, 2)], {"a": "x{}"}, {"": make_frame(first), "b": make_frame(first)}, 'an "a"', "a < b"
        )
        for kind in SCRIPTS
    }
    before = {kind: make().data for kind, make in kinds.items()}
    assert all(renewed(page) == page for page in before.values())
    monkeypatch.setattr(viz.widget, "asset", lambda name: f"other {name}")
    assert all(renewed(before[kind]) == make().data != before[kind] for kind, make in kinds.items())
    with pytest.raises(FlowlibError, match="no widget: '<p>'"):
        renewed("<p>")
