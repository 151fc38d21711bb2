"""Rooms: solids against other ways of intersecting them, geometry and light of the pictures, their bytes, cache and colouring."""

import hashlib
import math

import numpy as np
import pytest

from flowlib.data.factorial import FactorialSequences
from flowlib.data.scenes import GRID, Rooms, rooms, store
from flowlib.data.scenes.intervals import FAR
from flowlib.data.scenes.render import SIDE, render, sine_cosine
from flowlib.data.scenes.solids import SHAPES, Solid
from flowlib.errors import FlowlibError

RANDOM = np.random.RandomState(0)


def inside(shape, solid, x, y, z):
    """How far inside the solid a point is, by its definition; negative outside."""
    r, h = solid.radius, solid.height
    flat = np.sqrt(x * x + z * z)
    return {
        "cube": np.minimum.reduce([r - abs(x), r - abs(z), y, h - y]), "cylinder": np.minimum.reduce([r - flat, y, h - y]),
        "sphere": r - np.sqrt(flat**2 + (y - r) ** 2), "capsule": r - np.sqrt(flat**2 + (y - np.clip(y, r, h - r)) ** 2),
    }[shape]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
class TestSolids:
    def rays(self, count=400):
        origin = RANDOM.normal(size=(3, count)) * 0.5 + np.array([[3.0], [3.0], [2.0]])
        to = RANDOM.uniform(-1.3, 1.3, (3, count)) + np.array([[0.0], [1.0], [0.0]])
        return origin, to - origin

    def test_entry_by_marching(self, shape):
        """The first of many points along the ray that is inside."""
        solid, (origin, direction) = Solid.of(shape, 0.9), self.rays()
        t = np.linspace(0, 2, 4001)[:, None]
        within = inside(shape, solid, *(origin[i] + t * direction[i] for i in range(3))) > 0
        expected = np.where(within.any(0), t[within.argmax(0), 0], FAR)
        found = solid.body.entry(tuple(origin), tuple(direction))
        agree = abs(np.minimum(found, 3) - np.minimum(expected, 3)) < 6e-4
        assert 0.2 < (expected < FAR).mean() < 0.95 and agree.mean() > 0.985  # but for rays that graze

    def test_normals_are_gradients(self, shape):
        solid, (origin, direction) = Solid.of(shape, 1.1), self.rays()
        t = solid.body.entry(tuple(origin), tuple(direction))
        point = (origin + t * direction)[:, t < FAR]
        found = np.stack(solid.body.normal(tuple(point)))
        step = 1e-6
        slopes = [
            (inside(shape, solid, *(point - step * one)) - inside(shape, solid, *(point + step * one))) / (2 * step)
            for one in np.eye(3)[:, :, None]
        ]
        close = abs(found - np.stack(slopes)).max(0) < 1e-3
        assert np.allclose((found**2).sum(0), 1) and close.mean() > 0.97  # but at edges
        assert ((found * direction[:, t < FAR]).sum(0) < 1e-9).all()  # they face the ray

    def test_stands_on_the_floor(self, shape):
        solid = Solid.of(shape, 1.0)
        for offset in (0.0, 1e-3):
            up = solid.body.entry((offset, -1.0, 0.0), (0.0, 1.0, 0.0))
            down = solid.body.entry((offset, 9.0, 0.0), (0.0, -1.0, 0.0))
            assert up == pytest.approx(1, abs=1e-5) and 9 - down == pytest.approx(solid.height, abs=1e-5)


def test_sine_and_cosine():
    for degrees in np.linspace(-80, 80, 33):
        assert sine_cosine(degrees) == pytest.approx((math.sin(math.radians(degrees)), math.cos(math.radians(degrees))), abs=1e-15)


class TestPictures:
    def test_every_pixel_is_shared_out_among_the_regions(self):
        """Where an object covers a pixel, floor and wall do not; nothing is brighter than white."""
        floor, wall, thing, white = render("sphere", 1.0, 0.0).astype(int)
        assert (floor + wall + thing).max() <= 256 and (floor + wall + thing + white).min() > 20
        assert floor[-5:].min() > 100 and (wall[-5:] == 0).all() and wall[:5].min() > 60 and (floor[:5] == 0).all()
        assert thing[30:40, 28:36].min() > 0 and (thing[:, :10] == 0).all()

    def test_anti_aliased_and_soft(self):
        floor, _, thing, _ = render("sphere", 1.0, 0.0).astype(int)
        left = thing[36, :32]
        first = np.flatnonzero(left)[0]
        assert 0 < left[first] < 0.8 * left[first + 1]  # a pixel that the ball covers in part
        row = floor[45, 33:56]  # through the shadow to its right: many levels, no step
        assert row.max() - row.min() > 80 and abs(np.diff(row)).max() < 30

    def test_a_contact_shadow(self):
        """On the side of the lamp, where no shadow falls, the floor is darkest at the object, and lightens away from it."""
        floor, _, thing, _ = render("cylinder", 1.0, 0.0).astype(int)
        bottom = np.flatnonzero(thing[:, 31])[-1]
        below = floor[bottom + 1 :, 31]
        assert (np.diff(below) >= 0).all() and below[-1] - below[0] > 5

    def test_scale_and_orientation(self):
        sizes = [(render("cube", scale, 0.0)[2] > 0).sum() for scale in (0.75, 1.0, 1.25)]
        assert sizes[2] / sizes[0] == pytest.approx((1.25 / 0.75) ** 2, rel=0.2) and sizes[0] < sizes[1] < sizes[2]
        front = {degrees: render("sphere", 1.0, degrees) for degrees in (-30.0, 0.0, 30.0)}
        assert abs((front[-30.0][2] > 0).sum() - (front[30.0][2] > 0).sum()) <= 4  # a ball looks alike from all sides
        assert abs(front[-30.0][1].astype(int) - front[30.0][1]).max() > 60  # the room does not


@pytest.fixture(scope="module")
def made():
    """The rooms in the cache; a first run renders them there."""
    return Rooms()


class TestStore:
    def test_bytes(self, made):
        """A few geometries afresh are those of the checksum."""
        for s, k, o in ((0, 0, 0), (7, 3, 14), (3, 2, 7), (5, 1, 2)):
            again = render(SHAPES[k], store.SCALES[s], store.ORIENTATIONS[o])
            assert (made._geometries[(s * 4 + k) * 15 + o] == again).all()
        assert hashlib.sha256(made._geometries.tobytes()).hexdigest() == store.SHA256

    @pytest.fixture
    def quick(self, monkeypatch):
        """Three bytes in place of the geometries."""
        content, calls = np.arange(3, dtype=np.uint8), []
        monkeypatch.setattr(store, "SHA256", hashlib.sha256(content.tobytes()).hexdigest())
        monkeypatch.setattr(store, "SHAPE", (3,))
        monkeypatch.setattr(store, "_render_all", lambda: calls.append(1) or content)
        return calls

    def test_rendered_once_and_again_where_damaged(self, quick, tmp_path):
        for _ in range(2):
            assert store.geometries(tmp_path / "new").tolist() == [0, 1, 2]
        assert len(quick) == 1
        (path,) = (tmp_path / "new").iterdir()
        path.write_bytes(b"\0\1")
        assert store.geometries(tmp_path / "new").tolist() == [0, 1, 2] and len(quick) == 2 and path.read_bytes() == b"\0\1\2"

    def test_other_bytes_are_not_passed_off(self, quick, tmp_path, monkeypatch):
        monkeypatch.setattr(store, "_render_all", lambda: np.zeros(3, np.uint8))
        with pytest.raises(FlowlibError, match="computes otherwise"):
            store.geometries(tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_a_cache_that_cannot_be(self, quick, tmp_path):
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(FlowlibError, match="FLOWLIB_CACHE"):
            store.geometries(tmp_path / "file" / "rooms")


class TestRooms:
    def test_numbers_are_the_grids(self, made):
        """Every factor's step changes what it should in the weights of the regions."""
        assert len(made) == 480_000 and made.read([479_999]).shape == (1, 3, SIDE, SIDE)
        base = GRID.indices(np.array([2, 5, 8, 3, 0, 7]))
        first = made.read([base])[0].int()
        layers = render("cube", store.SCALES[3], store.ORIENTATIONS[7])
        for name, region in (("floor_hue", 0), ("wall_hue", 1), ("object_hue", 2)):
            other = made.read(GRID.moved(np.array([base]), name, np.array([1]))[0])[0].int()
            changed = (other != first).any(0).numpy()
            assert not changed[layers[region] == 0].any() and changed[layers[region] > 60].all()

    def test_colours_are_hsv(self):
        import colorsys

        for hue in np.linspace(0, 2, 41):
            for region, (saturation, brightness) in enumerate(rooms.COLOURS):
                expected = np.array(colorsys.hsv_to_rgb(hue % 1, saturation, brightness)) * 255
                assert abs(rooms._colours(np.full((1, 3), hue))[0, region] - expected).max() <= 0.5 + 1e-9

    def test_composition_is_the_sum_of_the_regions(self, made):
        number = GRID.indices(np.array([1, 4, 7, 6, 3, 10]))
        weights = render("capsule", store.SCALES[6], store.ORIENTATIONS[10]) / 255.0
        colours = rooms._colours(np.array([[0.1, 0.4, 0.7]]))[0] / 255.0
        expected = np.minimum(np.einsum("rhw,rc->chw", weights[:3], colours) + weights[3], 1)
        assert abs(made.read([number])[0].numpy() / 255.0 - expected).max() < 1 / 255

    def test_sequences(self, made, generator):
        source = FactorialSequences(made)
        assert source.lengths == (9, 9, 9, 7, 3, 14) and source.steps == 14
        batch = source.training_batch(12, 2, generator).check()
        assert batch.frames.shape == (12, 3, 3, 64, 64) and batch.lengths.tolist() == [9] * 6 + [7, 7, 3, 3, 14, 14]
