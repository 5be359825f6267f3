"""Furnished rooms: four walls with windows and a door, and furniture along them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from . import furniture, materials
from .chance import Chance
from .lighting import ceiling_light, dark_world
from .shapes import Place, beside, box, curtain, wall
from .stage import Stage

THICK = 0.15


@dataclass(frozen=True)
class _Side:
    """One of the four walls, seen from inside."""

    away: float
    """From the room's middle."""
    turn: float
    """Radians, of what stands with its back to it."""
    width: float

    def at(self, along: float, out: float = 0.0, up: float = 0.0) -> Place:
        """Return a point by its way along the wall, out of it and up."""
        return beside((0.0, 0.0, 0.0), self.turn, along, self.away - out, up)


def _sides(x: float, y: float) -> list[_Side]:
    return [_Side(0.5 * (y, x)[k % 2], (0.0, -0.5, 1.0, 0.5)[k] * math.pi, (x, y)[k % 2]) for k in range(4)]


def make_room(chance: Chance) -> Stage:
    """Build one room around the origin, its floor at Z = 0."""
    x, y, high = chance.between(3.4, 5.6), chance.between(3.2, 5.0), chance.between(2.4, 3.1)
    dark_world(chance)
    _shell(chance, x, y, high)
    ceiling_light(chance, (0.25 * x * chance.between(-1, 1), 0.2 * y * chance.between(-1, 1), high), x * y)
    _furnish(chance, x, y)
    _middle(chance, x, y)
    start = chance.pick((0.25, 0.75, 1.25, 1.75)) * math.pi
    return Stage(
        focus=(0.0, 0.0, 0.9),
        spread=(0.22 * x, 0.22 * y, 0.25),
        distance=(0.5 * min(x, y) - 0.9, 0.5 * max(x, y)),
        eye=(1.1, 1.75),
        azimuth=(start - 1.3, start + 1.3),
        bounds=(-0.5 * x + 0.35, -0.5 * y + 0.35, 0.5 * x - 0.35, 0.5 * y - 0.35),
    )


def _shell(chance: Chance, x: float, y: float, high: float) -> None:
    """Floor, ceiling and walls; two of them with a window, one with a door."""
    floors = (materials.planks, materials.planks, materials.tiles, materials.carpet, materials.stone)
    papers = (materials.plaster, materials.plaster, materials.wallpaper, materials.bricks)
    around = (x + 2 * THICK, y + 2 * THICK, 0.1)
    box(around, (0.0, 0.0, -0.1), chance.pick(floors)(chance))
    box(around, (0.0, 0.0, high), materials.white(chance))
    most, accent, skirting = chance.pick(papers)(chance), chance.pick(papers)(chance), materials.trim(chance)
    window, door = chance.whole(0, 3), chance.whole(1, 3)
    for index, side in enumerate(_sides(x, y)):
        holes: list[tuple[float, float, float, float]] = []
        if index in (window, (window + 2) % 4) and side.width > 2.4:
            holes = [_window(chance, side, high)]
        elif index == (window + door) % 4:
            _door(chance, side)
        paper = most if index else accent
        wall(side.width + 2 * THICK, high, THICK, holes, side.at(0.0), paper, turn=side.turn)
        box((side.width, 0.02, chance.between(0.06, 0.12)), side.at(0.0, 0.01), skirting, turn=side.turn)


def _window(chance: Chance, side: _Side, high: float) -> tuple[float, float, float, float]:
    """Glaze a window that lets light in, and return the opening for it."""
    wide, sill = chance.between(0.9, min(1.8, 0.6 * side.width)), chance.between(0.7, 0.95)
    tall = min(chance.between(1.0, 1.4), high - sill - 0.2)
    x = chance.between(-0.3, 0.3) * (side.width - wide)
    frame, glass, turn = materials.white(chance), materials.glowing(chance.between(6.0, 11.0))(chance), side.turn
    box((wide, 0.02, tall), side.at(x, -0.12, sill), glass, turn=turn)
    for offset in (-0.5 * wide + 0.03, 0.0, 0.5 * wide - 0.03):
        box((0.06, 0.05, tall), side.at(x + offset, -0.09, sill), frame, turn=turn)
    for z in (sill, sill + 0.62 * tall, sill + tall - 0.06):
        box((wide, 0.05, 0.06), side.at(x, -0.09, z), frame, turn=turn)
    box((wide + 0.2, 0.2, 0.04), side.at(x, 0.0, sill - 0.04), frame, turn=turn, bevel=0.008)
    if chance.happens(0.6):
        cover = materials.cloth(chance)
        for end in (-1, 1):
            hung = side.at(x + end * (0.5 * wide + 0.12), 0.1, 0.05)
            curtain((0.42, sill + tall + 0.07), hung, cover, chance, turn=turn)
    return x - 0.5 * wide, sill, x + 0.5 * wide, sill + tall


def _door(chance: Chance, side: _Side) -> None:
    leaf, turn = materials.trim(chance), side.turn
    x = chance.between(-0.5, 0.5) * (side.width - 1.2)
    box((1.0, 0.06, 2.08), side.at(x, 0.005), materials.white(chance), turn=turn)
    box((0.86, 0.04, 2.0), side.at(x, 0.035), leaf, turn=turn, bevel=0.004)
    for z in (0.2, 1.1):
        box((0.6, 0.02, 0.7), side.at(x, 0.05, z), leaf, turn=turn, bevel=0.009)
    box((0.12, 0.05, 0.02), side.at(x + 0.33, 0.08, 1.02), materials.metal(chance), turn=turn)


def _furnish(chance: Chance, x: float, y: float) -> None:
    """Put something along every wall, with its back to it."""
    for side in _sides(x, y):
        free = [-0.28, 0.28] if side.width > 3.6 else [chance.between(-0.15, 0.15)]
        for part in free:
            _piece(chance, side, part * side.width)
        if chance.happens(0.8):
            high, wide = chance.between(0.4, 0.8), chance.between(0.4, 0.9)
            where = side.at(chance.between(-0.3, 0.3) * side.width, 0.02, chance.between(1.3, 1.5))
            box((wide, 0.03, high), where, materials.print_(chance), turn=side.turn)


def _piece(chance: Chance, side: _Side, along: float) -> None:
    """Put one piece of furniture along a wall."""
    kind = chance.pick(("shelf", "shelf", "cabinet", "cabinet", "sofa", "bed", "plant", "lamp", "desk"))
    turn = side.turn
    if kind == "cabinet":
        high = furniture.cabinet(chance, side.at(along, 0.3), turn)
        chance.pick((furniture.bowl, furniture.stones, furniture.jug))(chance, side.at(along, 0.28, high))
        furniture.lamp(chance, side.at(along + 0.25, 0.28, high), chance.between(0.35, 0.5))
    elif kind == "desk":
        furniture.table(chance, side.at(along, 0.4), (1.1, 0.6, 0.74), turn)
        furniture.laptop(chance, side.at(along + 0.1, 0.4, 0.74), turn)
        furniture.books(chance, side.at(along - 0.35, 0.4, 0.74), turn)
        furniture.chair(chance, side.at(along + 0.1, 0.95), turn + math.pi + chance.near(0, 0.3))
    elif kind == "plant":
        furniture.plant(chance, side.at(along, 0.4), chance.between(0.8, 1.5))
    elif kind == "lamp":
        furniture.lamp(chance, side.at(along, 0.4), chance.between(1.4, 1.7), 9.0)
    else:
        make, out = {"shelf": (furniture.shelf, 0.22), "sofa": (furniture.sofa, 0.5), "bed": (furniture.bed, 1.1)}[kind]
        make(chance, side.at(along, out), turn)


def _middle(chance: Chance, x: float, y: float) -> None:
    """Put something low in the middle, on a rug maybe."""
    turn = chance.near(0.0, 0.2)
    if chance.happens(0.7):
        box((0.5 * x, 0.5 * y, 0.012), (0.0, 0.0, 0.0), materials.carpet(chance), turn=turn)
    size = (chance.between(0.8, 1.3), chance.between(0.6, 0.9), chance.pick((0.42, 0.75)))
    furniture.table(chance, (0.0, 0.0, 0.012), size, turn)
    for where in (-0.25, 0.2):
        thing = chance.pick((furniture.bowl, furniture.mug, furniture.books, furniture.jug))
        thing(chance, (where * size[0], chance.near(0.0, 0.08), 0.012 + size[2]))
    if size[2] > 0.6:
        for side in range(chance.whole(1, 3)):
            way = turn + side * math.pi / 2 + chance.near(0, 0.15)
            furniture.chair(chance, beside((0.0, 0.0, 0.0), way, 0.0, 0.85), way)
