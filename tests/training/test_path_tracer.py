"""Light of the path tracer against closed forms; what it leaves out, it leaves out without a difference."""

import math

import numpy as np
import pytest

from training.cameras import intrinsics, look_at
from training.catalogue import Composition
from training.furnished import bounding_balls, develop, draw_on_processor, dress, in_world
from training.path_tracer import GROUP, Tables, first_hit, is_blocked
from training.solids import BALL, BOX, NEVER, hit

SIDE = 14
WHITE = np.full((1, 4, 4, 3), 255, np.uint8)
DARK = np.zeros((2, 3))
FLOOR = (BOX, 0, 0, -1, 50, 50, 1)


def tables(*solids, lights=(), sky=DARK, glow=(0, 0, 0), textures=WHITE):
    """White solids, each a kind, its centre and its sizes."""
    rows = [(kind, 1, 0, 0, -x, 0, 1, 0, -y, 0, 0, 1, -z, *size, 0) for kind, x, y, z, *size in solids]
    table = np.array(rows, np.float32)
    materials = np.array([(0, 1, 1, 1, *glow, 0, 0)], np.float32)
    lights = np.array(lights, np.float32).reshape(-1, 16)
    return Tables(table, bounding_balls(table), materials, textures, lights, np.array(sky, np.float32))


def seen(scene, place=(0.0, -4.0, 3.0), target=(0.0, 0.0, 0.0), degrees=40.0):
    camera = look_at(np.array(place), np.array(target))[None]
    return draw_on_processor(scene, camera, intrinsics(degrees, (SIDE, SIDE))[:1, 0], SIDE)


def test_a_white_ball_under_an_even_sky_cannot_be_seen():
    """Every white surface that sees nothing but light of one radiance sends on the same."""
    light, depth = seen(tables((BALL, 0, 0, 0, 1, 0.7, 0.5), sky=np.full((2, 3), 0.8)))
    assert (depth > 0).any()
    assert (depth == 0).any()
    np.testing.assert_allclose(light, 0.8, rtol=1e-5)


@pytest.mark.parametrize("elevation", [0.3, 0.9, 1.5])
def test_sunlight_on_the_ground_is_lamberts(elevation):
    sun = (1, math.cos(elevation), 0, math.sin(elevation), *(9 * [0]), 3.0, 2.0, 1.0)
    light, _ = seen(tables(FLOOR, lights=[sun]))
    expected = np.broadcast_to(np.array((3.0, 2.0, 1.0)) * math.sin(elevation) / math.pi, light.shape)
    np.testing.assert_allclose(light, expected, rtol=1e-4)


def test_a_small_lamp_shines_by_the_inverse_square():
    half, high, radiance = 0.01, 2.0, 100.0
    lamp = (0, 0, 0, high, 0, 0, -1, half, 0, 0, 0, half, 0, radiance, radiance, radiance)
    light, depth = seen(tables(FLOOR, lights=[lamp]), place=(0.0, -1.0, 5.0))
    middle = light[0, SIDE // 2 - 1 : SIDE // 2 + 1, SIDE // 2 - 1 : SIDE // 2 + 1].mean()
    assert middle == pytest.approx(radiance * (2 * half) ** 2 / high**2 / math.pi, rel=0.02)
    assert depth[0, SIDE // 2, SIDE // 2] == pytest.approx(math.sqrt(26), rel=0.05)


def test_what_stands_before_the_sun_throws_a_shadow():
    sun = (1, 0, 0, 1, *(9 * [0]), 1.0, 1.0, 1.0)
    light, _ = seen(tables(FLOOR, (BOX, 0, 0, 20, 1, 1, 0.1), lights=[sun]), place=(0.0, -4.0, 3.0))
    middle = light[0, SIDE // 2, SIDE // 2]
    np.testing.assert_allclose(middle, 0)
    np.testing.assert_allclose(light[0, 0, 0], 1 / math.pi, rtol=1e-4)


def test_light_comes_over_one_other_surface():
    """Below a low ceiling that hides the sky, a floor is lit by the sun on the wall alone."""
    sun = (1, 0, -1, 0, *(9 * [0]), 5.0, 5.0, 5.0)
    wall, ceiling = (BOX, 0, 3.5, 0, 50, 0.5, 5), (BOX, 0, 0, 4.5, 50, 3, 0.5)
    lit, _ = seen(tables(FLOOR, wall, ceiling, lights=[sun]), place=(0.0, -2.0, 2.0), target=(0.0, 1.0, 0.0))
    assert lit.min() > 0.02
    dark, _ = seen(tables(FLOOR, ceiling, lights=[sun]), place=(0.0, -2.0, 2.0), target=(0.0, 1.0, 0.0))
    np.testing.assert_allclose(dark, 0)


def test_what_glows_is_as_bright_as_it_says():
    light, depth = seen(tables((BALL, 0, 0, 0, 3, 3, 3), glow=(7.0, 5.0, 2.0)))
    inside = depth[0] > 0
    np.testing.assert_allclose(light[0][inside], np.broadcast_to((7.0, 5.0, 2.0), light[0][inside].shape), rtol=1e-5)


def crowd(count=50):
    chance = np.random.default_rng(5)
    objects = np.column_stack((np.tile(np.eye(3, 4).reshape(-1), (count, 1)), np.zeros(count)))
    objects[:, 3:12:4] = chance.uniform(-3, 3, (count, 3))
    kinds, sizes = chance.integers(0, 4, count), chance.uniform(0.05, 0.6, (count, 3))
    sizes[::9] *= 5
    solids = np.column_stack((np.arange(count), kinds, np.zeros((count, 3)), sizes))
    return Composition(solids, objects, np.zeros((1, 4)), np.zeros((0, 16)), DARK, np.eye(4)[None], np.ones(1))


def test_balls_around_solids_hide_none_of_them():
    solids = in_world(crowd())
    groups, chance = bounding_balls(solids), np.random.default_rng(6)
    assert len(groups) == math.ceil(len(solids) / GROUP)
    met = 0
    for _ in range(300):
        origin, way = chance.uniform(-4, 4, 3), chance.normal(size=3)
        origin, way = tuple(origin), tuple(way / np.linalg.norm(way))
        distances = [hit(solid, origin, way) for solid in solids]
        index, distance = first_hit(origin, way, solids, groups)
        assert distance == min(distances)
        assert index == (int(np.argmin(distances)) if distance < NEVER else -1)
        assert is_blocked(origin, way, solids, groups, 4.0) == (distance < 4.0)
        met += index >= 0
    assert 50 < met < 290


def test_a_scene_is_dressed_by_its_seed_alone():
    textures = np.arange(2 * 3 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 3, 4, 4, 3)
    one, again, other = (dress(crowd(), textures, np.random.default_rng(seed)) for seed in (1, 1, 2))
    for a, b in zip(one, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (one.materials != other.materials).any()
    np.testing.assert_array_equal(one.solids, other.solids)


def test_exposure_makes_brighter_light_brighter():
    light = np.linspace(0, 2, 8 * 8)[:, None].repeat(3, 1).reshape(1, 8, 8, 3).astype(np.float32)
    pictures = develop(light, np.random.default_rng(0))
    steps = np.diff(pictures[0, ..., 0].reshape(-1).astype(int))
    assert (steps >= 0).all()
    assert pictures.max() > 100
