"""Streets and yards: houses with windows and doors, trees, cars and benches, under sun or cloud."""

from __future__ import annotations

import math

import bpy

from . import materials
from .chance import Chance
from .lighting import daylight
from .shapes import Place, beside, box, ground, roof, rough, turned, wall
from .stage import Stage

STOREY = 3.0
Opening = tuple[float, float, float, float]
"""Left, lower, right, upper."""


def make_facade(chance: Chance) -> Stage:
    """Build one street; its house stands behind the origin and looks along −Y."""
    daylight(chance)
    ground((160.0, 160.0), (0.0, 0.0, -0.12), chance.pick((materials.asphalt, materials.grass))(chance), chance)
    ground((160.0, 10.0), (0.0, -13.0, -0.1), materials.asphalt(chance), chance)
    box((60.0, 9.0, 0.1), (0.0, -3.5, -0.1), materials.paving(chance))
    width, storeys = chance.between(8.0, 14.0), chance.whole(1, 3)
    house(chance, (0.0, 0.0, 0.0), width, storeys)
    for side in (-1, 1):
        if chance.happens(0.75):
            its, gap = chance.between(7.0, 11.0), chance.pick((0.05, chance.between(2.0, 5.0)))
            beyond = side * (0.5 * (width + its) + gap)
            house(chance, (beyond, chance.between(-0.4, 1.5), 0.0), its, chance.whole(1, 3))
    _street(chance, width)
    high = STOREY * storeys
    return Stage(
        focus=(chance.near(0.0, 0.1 * width), 0.0, 0.35 * high + 0.6),
        spread=(0.2 * width, 0.5, 0.5),
        distance=(7.0, 12.0),
        eye=(1.4, 2.2),
        azimuth=(-0.5 * math.pi - 0.75, -0.5 * math.pi + 0.75),
        bounds=(-20.0, -14.0, 20.0, -4.5),
    )


def house(chance: Chance, at: Place, width: float, storeys: int) -> None:
    """A house whose front is at `at`, with a grid of windows and one door."""
    face = chance.pick((materials.bricks, materials.bricks, materials.plaster, materials.stone))(chance)
    deep, high = chance.between(7.0, 10.0), STOREY * storeys + chance.between(0.3, 0.9)
    bays = max(2, int(width / chance.between(2.2, 3.2)))
    door, half, tall = chance.whole(0, bays - 1), chance.between(0.45, 0.65), chance.between(1.3, 1.7)
    edge = chance.pick((materials.white, materials.stone))(chance)
    kinds = (edge, materials.trim(chance), materials.pane(chance))
    holes = []
    for storey in range(storeys):
        for bay in range(bays):
            x, sill = (bay + 0.5) * width / bays - 0.5 * width, STOREY * storey + 0.9
            if storey == 0 and bay == door:
                holes.append((x - 0.5, 0.0, x + 0.5, 2.2))
                _door(at, holes[-1], kinds)
            else:
                holes.append((x - half, sill, x + half, sill + tall))
                _window(chance, at, holes[-1], kinds)
    wall(width, high, 0.3, holes, at, face)
    box((width, deep - 0.3, high), beside(at, 0.0, 0.0, 0.5 * deep + 0.15), face)
    box((width + 0.3, 0.35, 0.2), beside(at, 0.0, 0.0, 0.0, high), edge)
    if chance.happens(0.6):
        tiled = chance.pick((materials.bricks, materials.tiles))(chance)
        roof((width + 0.6, deep + 0.8, chance.between(2.0, 3.5)), beside(at, 0.0, 0.0, 0.5 * deep, high + 0.2), tiled)
    if storeys > 1 and chance.happens(0.5):
        _balcony(chance, beside(at, 0.0, ((door + 0.5) / bays - 0.5) * width, 0.0, STOREY))


def _door(at: Place, hole: Opening, kinds: tuple[bpy.types.Material, ...]) -> None:
    """Close an opening of a front by a door with a step before it."""
    edge, frame, _ = kinds
    x, wide, tall = 0.5 * (hole[0] + hole[2]), hole[2] - hole[0], hole[3]
    box((wide, 0.04, tall), beside(at, 0.0, x, 0.2), frame)
    box((wide + 0.25, 0.1, 0.18), beside(at, 0.0, x, -0.03, tall), edge)
    for z in (0.3, 1.2):
        box((0.7, 0.04, 0.75), beside(at, 0.0, x, 0.17, z), frame, bevel=0.015)
    box((1.4, 0.5, 0.12), beside(at, 0.0, x, -0.25), edge)


def _window(chance: Chance, at: Place, hole: Opening, kinds: tuple[bpy.types.Material, ...]) -> None:
    """Glaze an opening of a front; some have flowers."""
    edge, frame, glass = kinds
    x, wide, tall = 0.5 * (hole[0] + hole[2]), hole[2] - hole[0], hole[3] - hole[1]
    box((wide, 0.04, tall), beside(at, 0.0, x, 0.2, hole[1]), glass)
    box((wide + 0.25, 0.1, 0.18), beside(at, 0.0, x, -0.03, hole[3]), edge)
    box((wide + 0.2, 0.3, 0.08), beside(at, 0.0, x, -0.02, hole[1] - 0.08), edge)
    for offset in (-0.5 * wide + 0.04, 0.0, 0.5 * wide - 0.04):
        box((0.07, 0.06, tall), beside(at, 0.0, x + offset, 0.16, hole[1]), frame)
    box((wide, 0.06, 0.07), beside(at, 0.0, x, 0.16, hole[1] + 0.6 * tall), frame)
    if chance.happens(0.25):
        box((wide, 0.22, 0.2), beside(at, 0.0, x, -0.16, hole[1]), frame)
        for k in range(3):
            where = beside(at, 0.0, x + (k - 1) * 0.3 * wide, -0.16, hole[1] + 0.24)
            rough((0.2, 0.14, 0.16), where, materials.grass(chance), chance, depth=0.3)


def _balcony(chance: Chance, at: Place) -> None:
    iron = materials.metal(chance)
    box((2.4, 1.0, 0.15), beside(at, 0.0, 0.0, -0.5), materials.stone(chance))
    box((2.4, 0.06, 0.06), beside(at, 0.0, 0.0, -0.95, 1.0), iron)
    for k in range(9):
        box((0.05, 0.05, 0.9), beside(at, 0.0, -1.15 + k * 2.3 / 8, -0.95, 0.12), iron)


def _street(chance: Chance, width: float) -> None:
    """Put things between the house and those who look at it."""
    for _ in range(chance.whole(1, 3)):
        tree(chance, (chance.pick((-1, 1)) * chance.between(0.32, 0.75) * width, chance.between(-4.0, -1.8), 0.0))
    if chance.happens(0.8):
        car(chance, (chance.between(-0.4, 0.4) * width, -6.9, -0.1))
    if chance.happens(0.6):
        bench(chance, (chance.between(-0.35, 0.35) * width, -1.2, 0.0))
    for _ in range(chance.whole(1, 4)):
        pot(chance, (chance.between(-0.5, 0.5) * width, chance.between(-2.5, -0.7), 0.0))
    if chance.happens(0.7):
        post(chance, (chance.pick((-1, 1)) * chance.between(0.2, 0.5) * width, -4.6, 0.0))
    if chance.happens(0.5):
        box(
            (chance.between(2.0, 4.0), 0.6, chance.between(0.7, 1.1)),
            (chance.between(-0.4, 0.4) * width, -0.9, 0.0),
            materials.grass(chance),
            bevel=0.12,
        )


def tree(chance: Chance, at: Place) -> None:
    """A tree with some lumps of leaves."""
    high = chance.between(2.2, 3.4)
    turned([(0.2, 0.0), (0.13, 0.4), (0.1, high), (0.0, high)], at, materials.wood(chance))
    leaves = materials.grass(chance)
    for _ in range(chance.whole(4, 7)):
        r, way = chance.between(0.5, 0.95), chance.between(0.0, 2 * math.pi)
        where = (at[0] + 0.7 * math.cos(way), at[1] + 0.7 * math.sin(way), at[2] + high + chance.between(-0.2, 1.1))
        rough((r, r, 0.8 * r), where, leaves, chance, depth=0.35, period=0.5)


def car(chance: Chance, at: Place) -> None:
    """A parked car, along x."""
    lacquer, glass, tyre = materials.paint(chance), materials.pane(chance), materials.asphalt(chance)
    box((4.2, 1.75, 0.55), beside(at, 0.0, 0, 0, 0.3), lacquer, bevel=0.14)
    box((2.3, 1.55, 0.55), beside(at, 0.0, 0.15, 0, 0.82), glass, bevel=0.2)
    box((2.0, 1.4, 0.06), beside(at, 0.0, 0.15, 0, 1.34), lacquer, bevel=0.025)
    for x in (-1.3, 1.3):
        for y in (-0.85, 0.85):
            wheel = turned([(0, -0.1), (0.31, -0.1), (0.33, 0.0), (0.31, 0.1), (0, 0.1)], (0, 0, 0), tyre)
            wheel.location, wheel.rotation_euler = beside(at, 0.0, x, y, 0.33), (0.5 * math.pi, 0.0, 0.0)


def bench(chance: Chance, at: Place) -> None:
    """A bench that looks along −Y."""
    wood, foot = materials.wood(chance), materials.stone(chance)
    for k in range(4):
        box((1.6, 0.09, 0.04), beside(at, 0.0, 0.0, -0.17 + 0.11 * k, 0.43), wood)
    for k in range(2):
        box((1.6, 0.04, 0.12), beside(at, 0.0, 0.0, 0.25, 0.58 + 0.16 * k), wood)
    for side in (-1, 1):
        box((0.1, 0.45, 0.43), beside(at, 0.0, side * 0.65), foot)
        box((0.06, 0.06, 0.85), beside(at, 0.0, side * 0.65, 0.28), foot)


def pot(chance: Chance, at: Place) -> None:
    """A big pot with a bush."""
    r = chance.between(0.22, 0.4)
    turned(
        [(0, 0), (0.7 * r, 0), (r, 1.3 * r), (0.85 * r, 1.3 * r), (0.8 * r, 1.15 * r), (0, 1.15 * r)],
        at,
        chance.pick((materials.ceramic, materials.stone))(chance),
    )
    rough(
        (1.2 * r, 1.2 * r, 1.3 * r),
        (at[0], at[1], at[2] + 2.0 * r),
        materials.grass(chance),
        chance,
        depth=0.3,
        period=0.5,
    )


def post(chance: Chance, at: Place) -> None:
    """A street lamp."""
    iron, high = materials.metal(chance), chance.between(3.2, 4.2)
    turned([(0, 0), (0.16, 0), (0.14, 0.5), (0.06, 0.6), (0.05, high), (0, high)], at, iron)
    turned(
        [(0, high), (0.1, high), (0.24, high + 0.4), (0.05, high + 0.55), (0, high + 0.55)], at, materials.white(chance)
    )
