"""Studio: what the camera sees against signed distances, shadows against distances of segments, and each factor's effect on the picture."""

import colorsys
from dataclasses import replace

import numpy as np
import pytest

from flowlib.data.scenes import raycast, studio
from flowlib.data.scenes.intervals import FAR
from flowlib.data.scenes.primitives import Ball, Capsule
from flowlib.data.scenes.studio import RANGES, STUDIO, Studio

NAMES = list(RANGES)
MIDDLE = np.array([0.5, 0.3, 4.0, 0.6, 0.2, 2.7, 5.6, 0.6, 0.1, 0.4, 1.8])
SIZE = 32


def picture(**changes):
    """The image (3, SIZE, SIZE) at MIDDLE but for some factors, as whole numbers."""
    values = MIDDLE.copy()
    for name, value in changes.items():
        values[NAMES.index(name)] = value
    return Studio(SIZE).at(values[None])[0].int().numpy()


def seen(camera=tuple(MIDDLE[4:7]), hand=tuple(MIDDLE[9:])):
    return studio.look(camera, hand, SIZE)


def pixels(samples):
    """Whether any of a pixel's samples has a property: (SIZE, SIZE)."""
    return samples.reshape(SIZE, raycast.SAMPLES, SIZE, raycast.SAMPLES).any((1, 3))


def distance(one, point):
    """Of points (3, n) to a primitive's surface, negative inside."""
    kind, column = type(one).__name__, lambda vector: np.array(vector)[:, None]
    if kind == "Plane":
        return (point[one.axis] - one.place) * one.facing
    if kind == "Ball":
        return np.linalg.norm(point - column(one.centre), axis=0) - one.radius
    if kind == "Box":
        return box(np.abs(point - column(one.centre)) - column(one.half))
    if kind == "Cylinder":
        away = point - column(one.foot)
        return box(np.stack([np.hypot(away[0], away[2]) - one.radius, np.abs(away[1] - one.height / 2) - one.height / 2]))
    start, way = column(one.start), column(one.end) - column(one.start)
    share = ((point - start) * way).sum(0) / (way**2).sum()
    return np.linalg.norm(point - start - way * share.clip(0, 1), axis=0) - one.radius


def box(beyond):
    return np.linalg.norm(beyond.clip(0), axis=0) + beyond.max(0).clip(max=0)


@pytest.mark.parametrize("camera, hand", [((0.2, 2.7, 5.6), (0.4, 1.8)), ((-1.5, 1.9, 5.2), (1.1, 2.3)), ((1.5, 3.4, 6.8), (-0.2, 1.45))])
def test_the_first_surface_along_each_ray(camera, hand):
    found = seen(camera, hand)
    point, normal, view = (np.stack(part) for part in (found.point, found.normal, found.view))
    primitives = STUDIO + studio.arm(*hand)
    distances = np.stack([distance(one, point) for one in primitives])
    nearest = abs(distances).argmin(0)
    assert abs(distances.min(0)).max() < 1e-9  # on one surface, and inside of nothing
    regions = np.array([one.region for one in primitives])
    assert (regions[nearest] == found.region).mean() > 0.99 and set(found.region) == set(range(6))  # but where two touch
    eye = np.array(camera)[:, None]
    assert np.allclose(point + view * np.linalg.norm(point - eye, axis=0), eye)
    for share in np.linspace(0.3, 0.99, 24):  # nothing stands in the way
        assert min(distance(one, eye + share * (point - eye)).min() for one in primitives) > 0
    assert np.allclose((normal**2).sum(0), 1) and ((normal * view).sum(0) > 0).all()
    outside = np.stack([distance(one, point + 1e-4 * normal) for one in primitives])
    assert (abs(outside.min(0) - 1e-4) < 1e-7).mean() > 0.99  # but where two touch


def test_a_capsule_alone():
    """Its round ends, which joints hide in the picture."""
    one, random = Capsule(0, (0.1, 0.2, -0.3), (0.7, 0.9, 0.2), 0.3), np.random.RandomState(0)
    origin = random.normal(size=(3, 500)) * 0.1 + np.array([[3.0], [1.0], [2.0]])
    to = random.uniform(-1, 1, (3, 500)) - origin + 0.4
    t = one.entry(tuple(origin), tuple(to))
    point = (origin + t * to)[:, t < FAR]
    assert 50 < (t < FAR).sum() < 400 and abs(distance(one, point)).max() < 1e-9
    normal = np.stack(one.normal(tuple(point)))
    assert np.allclose((normal**2).sum(0), 1) and np.allclose(distance(one, point + 0.1 * normal), 0.1)
    along = np.linspace(0, 2, 200)[:, None, None]
    closest = distance(one, (origin + along * to).transpose(1, 0, 2).reshape(3, -1)).reshape(200, 500).min(0)
    assert (closest[t == FAR] > 0).all() and (t[closest < 0] < FAR).all()


def test_the_camera_is_upright_and_looks_at_the_target():
    found = seen()
    point, view = (np.stack(part).reshape(3, 2 * SIZE, 2 * SIZE) for part in (found.point, found.view))
    middle = view[:, SIZE - 1 : SIZE + 1, SIZE - 1 : SIZE + 1].mean((1, 2))
    way = MIDDLE[4:7] - studio.TARGET
    assert np.allclose(middle / np.linalg.norm(middle), way / np.linalg.norm(way))
    assert (np.diff(-view[0], axis=1) > 0).all() and (np.diff(-view[1], axis=0) < 0).all()  # right is right, and up is up
    assert point[1, 0].min() > point[1, -1].max()


def test_the_hand_is_where_it_should_be():
    """Both parts have the same length at every place on the grid's corners, the elbow is above, and joints are where parts meet."""
    for hand in ((-0.2, 1.45), (1.1, 2.3), (1.1, 1.45), (0.3, 1.9)):
        upper, lower, *joints = studio.arm(*hand)
        assert lower.end[:2] == hand and upper.end == lower.start and [one.centre for one in joints] == [upper.start, lower.start, lower.end]
        for part in (upper, lower):
            assert np.linalg.norm(np.subtract(part.end, part.start)) == pytest.approx(studio.LINK)
        assert upper.end[1] > (upper.start[1] + lower.end[1]) / 2


def test_shadows_are_where_segments_to_the_lamp_pass_the_ball():
    (ball,) = (one for one in STUDIO if type(one).__name__ == "Ball")
    lamp, found = np.array([0.9, 3.5, 0.4]), replace(seen(), solids=(ball,))
    point, normal, to = np.stack(found.point), np.stack(found.normal), lamp[:, None] - np.stack(found.point)
    expected = (normal * to).sum(0) / np.linalg.norm(to, axis=0)
    beside = np.linalg.norm(np.cross(to, np.array(ball.centre)[:, None] - point, axis=0), axis=0) / np.linalg.norm(to, axis=0)
    share = ((np.array(ball.centre)[:, None] - point) * to).sum(0) / (to**2).sum(0)
    dark = (beside < ball.radius) & (share > 0) & (share < 1) & (abs(distance(ball, point)) > 1e-6)
    got = raycast.direct(found, tuple(lamp))
    above = replace(found, solids=(Ball(0, (0.9, 4.5, 0.4), 0.9),))  # beyond the lamp: no shadow
    assert np.allclose(raycast.direct(above, tuple(lamp)), expected.clip(0))
    assert dark[expected > 0].sum() > 20 and (got[dark] == 0).all() and np.allclose(got[~dark], expected.clip(0)[~dark])


def test_shadows_move_against_the_lamp():
    found = replace(seen(), solids=tuple(one for one in STUDIO if type(one).__name__ == "Ball"))
    table = (found.region == studio.TABLE) & (found.normal[1] == 1)
    for place, axis in ((0, 0), (2, 2)):
        centroids = []
        for value in (-0.9, 0.0, 0.9, 1.8):
            lamp = [0.0, 4.0, 0.5]
            lamp[place] = value
            centroids.append(found.point[axis][table & (raycast.direct(found, tuple(lamp)) == 0)].mean())
        assert (np.diff(centroids) < -0.01).all()
    lengths = [(table & (raycast.direct(found, (2.4, height, 0.5)) == 0)).sum() for height in (3.1, 4.0, 5.0)]
    assert lengths[0] > lengths[1] > lengths[2]  # a higher lamp, shorter shadows


def test_the_lamp_changes_the_picture_and_not_what_is_seen():
    studio.look.cache_clear()
    base = picture()
    for name, value in (("light_x", -1.5), ("light_y", 3.2), ("light_z", 2.0), ("light_intensity", 0.3)):
        assert abs(picture(**{name: value}) - base).max() > 20
    assert studio.look.cache_info().misses == 1  # one G-buffer for all of them
    dark = ~pixels(raycast.direct(seen(), tuple(MIDDLE[1:4])) > 0)
    assert dark.sum() > 20 and (picture(light_intensity=0.3) == base)[:, dark].all()  # the lamp adds nothing in its shadow
    levels = [picture(light_intensity=value) for value in (0.25, 0.4, 0.55, 0.7, 0.85)]
    assert all((brighter >= darker).all() and brighter.mean() > darker.mean() + 3 for darker, brighter in zip(levels, levels[1:]))


def test_colours_change_their_region_alone():
    for hue in (0.0, 0.2, 0.4, 0.9):
        for region, tint in studio.TINTS.items():
            assert np.allclose(studio.colours(hue, hue)[region], colorsys.hsv_to_rgb(hue, *tint))
    base = picture()
    for name, region in (("object_hue", studio.OBJECT), ("wall_hue", studio.WALL)):
        changed = (picture(**{name: 0.35}) != base).any(0)
        shown = seen().region == region
        assert not changed[~pixels(shown)].any() and changed[~pixels(~shown)].all()
        assert (picture(**{name: 1.35}) == picture(**{name: 0.35})).mean() > 0.999  # hues go around


def test_the_camera_changes_what_is_seen_with_parallax():
    """What is near moves against what is far: the ball to the left of the cylinder, for a camera that moves to the right."""
    for k, other in enumerate(((1.0, 2.7, 5.6), (0.2, 2.0, 5.6), (0.2, 2.7, 6.6))):
        assert (seen(other).region != seen().region).mean() > 0.02, k
    gaps = []
    for x in (-1.5, -0.5, 0.5, 1.5):
        found = seen((x, 2.7, 5.6))
        column = np.arange(2 * SIZE) + np.zeros((2 * SIZE, 1))
        near, far = (
            abs(distance(one, np.stack(found.point))) < 1e-9 for one in STUDIO if type(one).__name__ in ("Ball", "Cylinder") and one.region == 3
        )
        gaps.append(column.ravel()[near].mean() - column.ravel()[far].mean())
    assert (np.diff(gaps) < 0).all()


def test_the_arm_moves_alone_with_its_shadow():
    for changes, hand in (({"robot_x": 0.9}, (0.9, 1.8)), ({"robot_y": 2.2}, (0.4, 2.2))):
        before, after = seen(), seen(hand=hand)
        changed = (picture(**changes) != picture()).any(0)
        arm = [np.isin(one.region, (studio.ARM, studio.JOINT)) for one in (before, after)]
        lights = [raycast.direct(one, tuple(MIDDLE[1:4])) for one in (before, after)]
        shadow = ~arm[0] & ~arm[1] & (lights[0] != lights[1])
        assert (np.minimum(*lights)[shadow] == 0).all() and shadow.sum() > 10
        assert changed.any() and not changed[~pixels(arm[0] | arm[1] | shadow)].any()
        assert (before.region[~arm[0] & ~arm[1]] == after.region[~arm[0] & ~arm[1]]).all()
