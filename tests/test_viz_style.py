"""Colours that stay apart and readable, and figures that show themselves."""

import base64
import io
from itertools import combinations
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from flowlib import viz
from flowlib.errors import FlowlibError
from flowlib.viz.palette import CARD, CYCLE, INK, MUTED
from flowlib.viz.picture import encode, pixels_of, png_bytes, write_bytes

# Machado, Oliveira, Fernandes (2009), severity 1, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(color):
    c = np.array(mpl.colors.to_rgb(color))
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    xyz = TO_XYZ @ np.clip(rgb, 0, 1) / [0.9505, 1, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(a, b):
    low, high = sorted((TO_XYZ @ linear(c))[1] for c in (a, b))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("colors", [tuple(viz.COLORS.values()), CYCLE], ids=["roles", "factors"])
def test_colors_stay_apart_for_every_colour_vision(vision, colors):
    matrix = np.array(VISION[vision])
    distance = {(a, b): np.linalg.norm(lab(matrix @ linear(a)) - lab(matrix @ linear(b))) for a, b in combinations(colors, 2)}
    assert min(distance.values()) > 20, min(distance, key=distance.get)


def test_the_three_factors_of_the_digits_are_farther_apart_under_deuteranopia():
    matrix = np.array(VISION["deuteranopia"])
    colors = viz.factor_colors(["scale", "rotation", "hue"])
    assert min(np.linalg.norm(lab(matrix @ linear(a)) - lab(matrix @ linear(b))) for a, b in combinations(colors, 2)) > 40


@pytest.mark.parametrize("color", [*viz.COLORS.values(), *CYCLE])
def test_colors_stand_out_from_the_card(color):
    assert contrast(color, CARD) > 3  # WCAG 2.1, graphical objects


def test_text_is_readable_on_the_card():
    assert contrast(INK, CARD) > 7
    assert contrast(MUTED, CARD) > 4.5


def test_contrast_oracle():
    assert contrast("black", "white") == pytest.approx(21, abs=0.01)


def test_factor_colors_are_fixed_by_name_and_distinct():
    assert viz.factor_colors(["hue", "scale"]) == [viz.FACTOR_COLORS["hue"], viz.FACTOR_COLORS["scale"]]
    names = ["floor_hue", "wall_hue", "object_hue", "scale", "orientation"]
    colors = viz.factor_colors(names)
    assert len(set(colors)) == 5 and colors[3] == viz.FACTOR_COLORS["scale"]


def test_an_unknown_role_names_the_known_ones():
    assert viz.color_of("posterior") == viz.COLORS["posterior"]
    assert viz.color_of("#123456") == "#123456"
    with pytest.raises(FlowlibError, match="'postreior'.*posterior"):
        viz.color_of("postreior")


def test_a_figure_shows_itself_as_a_small_png_on_the_card():
    figure, axes = viz.new_figure(1, 2, title="Two panels")
    axes[0].plot([0, 1], [0, 1])
    data, metadata = figure._repr_mimebundle_()
    image = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert image.mode == "P" and image.convert("RGB").getpixel((2, 2)) == (252, 252, 250)
    assert len(base64.b64decode(data["image/png"])) < 25_000
    assert data["text/plain"] == "<Picture with 2 panels>"
    assert metadata["image/png"]["width"] == 691  # 7.2 inches at 96 to the inch


def test_a_figure_is_the_same_bytes_every_time():
    def draw():
        figure, axes = viz.new_figure(height=2)
        axes.plot([0, 1, 4])
        return png_bytes(figure)

    assert draw() == draw()


def test_pyplot_keeps_no_figure():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    viz.new_figure()
    assert plt.get_fignums() == before


def decoded(content):
    return Image.open(io.BytesIO(content)).convert("RGB")


def test_a_palette_keeps_few_colours_exactly():
    few = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 20, 3), dtype=np.uint8))
    assert np.array_equal(decoded(encode(few)), few)


def test_a_small_palette_keeps_a_figure_s_card_and_nearly_all_else():
    figure, axes = viz.new_figure(1, 2)
    for panel, role in zip(axes, ("posterior", "target")):
        viz.plane_axes(panel, 3, title="A title")
        viz.field_image(panel, lambda z: z.prod(-1), lines=0)
        viz.density_contours(panel, lambda z: -0.5 * (z**2).sum(-1), role)
    image = pixels_of(figure)
    kept = decoded(encode(image, 64))
    assert len(kept.getcolors(100)) <= 64 < len(image.getcolors(1 << 20))
    assert kept.getpixel((2, 2)) == image.getpixel((2, 2)) == (252, 252, 250)
    assert np.abs(np.asarray(kept, float) - np.asarray(image)).mean() < 2


def test_saving_leaves_only_the_file(tmp_path):
    figure, _ = viz.new_figure(height=2)
    path = figure.save(tmp_path / "deep" / "figure.png")
    assert [p.name for p in path.parent.iterdir()] == ["figure.png"]
    assert Image.open(path).size == (1036, 288) or Image.open(path).size == (1037, 288)


def test_a_picture_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = write_bytes(tmp_path / "figure.png", b"whole")

    def half(self, content):
        with open(self, "wb") as file:
            file.write(content[:2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(FlowlibError, match="figure.png could not be written .No space left"):
        write_bytes(path, b"another")
    assert path.read_bytes() == b"whole" and [one.name for one in tmp_path.iterdir()] == ["figure.png"]
