"""Tables with things on them, seen from near, in a corner of a room."""

from __future__ import annotations

import math

from . import furniture, materials
from .chance import Chance
from .lighting import dark_world, table_lights
from .shapes import Place, box, ground
from .stage import Stage


def make_tabletop(chance: Chance) -> Stage:
    """Build one table, its middle above the origin."""
    dark_world(chance)
    size = (chance.between(0.9, 1.4), chance.between(0.75, 1.1), chance.between(0.6, 0.78))
    turn = chance.near(0.0, 0.3)
    _corner(chance)
    furniture.table(chance, (0.0, 0.0, 0.0), size, turn)
    if chance.happens(0.5):
        box((0.75 * size[0], 0.6 * size[1], 0.004), (0.0, 0.0, size[2]), materials.cloth(chance), turn=turn)
    half = 0.5 * min(size[0], size[1])
    for at, room in _spots(chance, 0.95 * half, size[2] + 0.004):
        _thing(chance, at, room)
    table_lights(chance, 1.5)
    middle = -0.5 * math.pi + chance.near(0.0, 0.3)
    return Stage(
        focus=(0.0, 0.0, size[2] + 0.08),
        spread=(0.1, 0.1, 0.05),
        distance=(0.65, 1.15),
        eye=(size[2] + 0.25, size[2] + 0.85),
        azimuth=(middle - 1.35, middle + 1.35),
    )


def _corner(chance: Chance) -> None:
    """Floor, and two walls behind the table with something before them."""
    ground(
        (8.0, 8.0), (0.0, 0.0, 0.0), chance.pick((materials.planks, materials.tiles, materials.carpet))(chance), chance
    )
    paper = chance.pick((materials.plaster, materials.wallpaper, materials.bricks))(chance)
    far, side = chance.between(1.2, 2.0), chance.pick((-1, 1))
    box((8.0, 0.1, 2.7), (0.0, far + 0.05, 0.0), paper)
    box(
        (0.1, 8.0, 2.7),
        (side * chance.between(1.7, 2.4), 0.0, 0.0),
        chance.pick((materials.plaster, materials.wallpaper))(chance),
    )
    furniture.shelf(chance, (chance.between(-0.9, 0.0), far - 0.2, 0.0), 0.0)
    if chance.happens(0.6):
        furniture.plant(chance, (0.9, far - 0.35, 0.0), chance.between(0.8, 1.3))
    for x in (-1.4, 0.9):
        size = (chance.between(0.4, 0.8), 0.03, chance.between(0.4, 0.7))
        box(size, (x + chance.near(0, 0.2), far - 0.015, chance.between(1.25, 1.5)), materials.print_(chance))
    if chance.happens(0.7):
        way = chance.between(0.3, 2.8)
        furniture.chair(chance, (0.85 * math.cos(way), 0.85 * math.sin(way), 0.0), way - 0.5 * math.pi)


def _spots(chance: Chance, half: float, z: float) -> list[tuple[Place, float]]:
    """Find places on the table that do not overlap, and how much room each has."""
    spots: list[tuple[Place, float]] = []
    for _ in range(200):
        room, away, way = chance.between(0.05, 0.17), chance.between(0.0, 1.0) ** 0.5, chance.between(0.0, 2 * math.pi)
        at = ((half - room) * away * math.cos(way), (half - room) * away * math.sin(way), z)
        if all(math.hypot(at[0] - its[0], at[1] - its[1]) > room + other for its, other in spots):
            spots.append((at, room))
    return spots[: chance.whole(7, 13)]


def _thing(chance: Chance, at: Place, room: float) -> None:
    """Put something on a spot that fits on it."""
    turn = chance.between(0.0, 2 * math.pi)
    if room > 0.13:
        kind = chance.pick(("bowl", "books", "lamp", "vase", "plant", "laptop"))
    elif room > 0.085:
        kind = chance.pick(("vase", "carton", "books", "vase", "plant"))
    else:
        kind = chance.pick(("mug", "fruit", "stones", "candle", "carton"))
    if kind == "vase":
        furniture.vase(chance, at, min(2.2 * room, chance.between(0.14, 0.36)))
    elif kind == "plant":
        furniture.plant(chance, at, 1.8 * room)
    elif kind == "lamp":
        furniture.lamp(chance, at, chance.between(0.3, 0.42), 3.0)
    elif kind == "carton":
        furniture.carton(chance, at, turn, 1.3 * room)
    elif kind in ("books", "laptop"):
        getattr(furniture, kind)(chance, at, 0.3 * math.sin(turn))
    else:
        getattr(furniture, kind)(chance, at)
