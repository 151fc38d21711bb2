"""Moving pictures as text: the same every time, small, whole without a script, and mistakes named."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from flowlib import viz
from flowlib.errors import FlowlibError
from flowlib.viz.frames import make_frame


def digits(count, seed=0):
    return np.random.default_rng(seed).random((count, 1, 8, 8))


def figures(count):
    made = []
    for n in range(count):
        figure, axes = viz.new_figure(height=2.5)
        axes.plot(np.arange(50), np.sin(np.arange(50) / 5 + n))
        made.append(figure)
    return made


def test_the_same_frames_give_the_same_html_and_others_another_identifier():
    key = re.compile(r'data-flowviz="(\w+)"')
    first, again, other = (viz.frame_slider(digits(3, seed), alt="noise").data for seed in (0, 0, 1))
    assert first == again
    assert key.search(first).group(1) != key.search(other).group(1)


def test_the_page_asks_for_nothing_from_outside():
    page = viz.frame_slider(digits(3), alt="noise").data
    assert not re.search(r"https?:|//\w+\.|@import|url\(", page)


def test_without_a_script_the_middle_frame_is_seen_and_the_controls_are_not():
    frames = digits(5)
    page = viz.frame_slider(frames, alt="noise").data
    source = re.search(r'src="data:image/png;base64,([^"]+)"', page).group(1)
    import base64

    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(source))))
    assert np.array_equal(shown, np.round(255 * frames[2, 0]))
    assert (
        '<div class="flowviz-row" hidden>' in page
        and "<noscript>Without JavaScript the picture stays at t = 2." in page
    )


def test_every_picture_has_its_description_and_labels_are_escaped():
    page = viz.frame_slider(digits(2), ["<b>", "</script>"], alt='a "quoted" <alt>', caption="1 < 2").data
    assert "a &quot;quoted&quot; &lt;alt&gt;" in page and "1 &lt; 2" in page
    assert page.count("</script>") == 1
    with pytest.raises(FlowlibError, match="alt is empty"):
        viz.frame_slider(digits(2))


def test_bytes_stay_small():
    assert len(viz.frame_slider(digits(9), alt="noise").data) < 12_000
    assert len(viz.frame_slider(figures(9), alt="waves").data) < 120_000


def test_a_repeated_frame_is_stored_once():
    same = [np.zeros((1, 8, 8))] * 20
    assert len(viz.frame_slider(same, alt="black").data) < 8_000


def test_frames_of_arrays_keep_their_pixels():
    frame = make_frame(digits(3))
    image = Image.open(io.BytesIO(frame.content))
    assert frame.size == (3 * 8 + 2, 8) and frame.pixelated
    assert np.array_equal(np.asarray(image.convert("RGB"))[:, 9:17, 0], np.round(255 * digits(3)[1, 0]))


@pytest.mark.parametrize("kind, magic", [("png", b"\x89PNG"), ("jpeg", b"\xff\xd8"), ("webp", b"RIFF")])
def test_kinds_of_frames(kind, magic):
    assert make_frame(figures(1)[0], kind=kind).content.startswith(magic)


def test_a_gallery_has_one_control_per_choice():
    page = viz.choice_gallery(
        digits(24).reshape(2, 3, 4, 1, 8, 8),
        {"digit": [3, 8], "factor": ["scale", "rotation", "hue"]},
        slider=("t", range(4)),
        alt="digits",
    ).data
    assert page.count('type="radio"') == 5 and page.count('type="range"') == 1 and page.count("<button") == 1
    many = viz.choice_gallery(digits(10), {"digit": range(10)}, alt="digits").data
    assert many.count("<option") == 10 and "<button" not in many


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: viz.frame_slider([], alt="a"), "no frames"),
        (lambda: viz.frame_slider(digits(3), [1, 2], alt="a"), "labels of 't' has 2 entries.*3 are needed"),
        (lambda: viz.frame_slider(digits(3), start=3, alt="a"), "start 3.*0 … 2"),
        (lambda: viz.frame_slider(digits(3), alt="a", hieght=3), "hieght.*height"),
        (
            lambda: viz.frame_slider([np.zeros((1, 8, 8)), np.zeros((1, 8, 9))], alt="a"),
            r"frame 1 is \(9, 8\)",
        ),
        (lambda: viz.frame_slider([np.full((1, 8, 8), 7.0)], alt="a"), r"7.*\[0, 1\]"),
        (lambda: viz.frame_slider([np.full((1, 8, 8), np.nan)], alt="a"), "NaN"),
        (lambda: viz.frame_grid_slider([digits(3), digits(2)], alt="a"), r"\[3, 2\]"),
        (lambda: viz.choice_gallery(digits(3), {"digit": [1, 2]}, alt="a"), "3 entries.*'digit'.*2 labels"),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(FlowlibError, match=message):
        make()


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


def test_a_question_is_the_same_every_time_and_needs_a_right_and_a_wrong_answer():
    answers = [("yes", True, r"since \(a * b * c < d\) and `x < y`"), ("no", False, "*not* so")]
    page = viz.prediction("Is it?", answers).data
    assert page == viz.prediction("Is it?", answers).data
    assert page.count("<details") == 2 and "<script" not in page
    assert r"\(a * b * c &lt; d\)" in page and "<code>x &lt; y</code>" in page and "<em>not</em>" in page
    with pytest.raises(FlowlibError, match="one correct and one wrong"):
        viz.prediction("Is it?", answers[:1])
    with pytest.raises(FlowlibError, match="triples"):
        viz.prediction("Is it?", [("yes", True)])
