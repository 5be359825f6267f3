"""What stands in rooms and on tables; everything is put on a point, turned about the vertical."""

from __future__ import annotations

import math

from . import materials
from .chance import Chance
from .shapes import Place, beside, box, rough, turned


def table(chance: Chance, at: Place, size: Place, turn: float = 0.0) -> None:
    """A table of a size, on four legs or, if it is nearly square, maybe round on one."""
    wood = chance.pick((materials.wood, materials.wood, materials.paint))(chance)
    x, y, z = size
    thick = chance.between(0.025, 0.05)
    if abs(x - y) < 0.25 and chance.happens(0.5):
        half = 0.5 * min(x, y)
        turned([(0, z - thick), (half, z - thick), (half, z), (0, z)], at, wood)
        turned(
            [(0, 0), (0.6 * half, 0), (0.55 * half, 0.03), (0.05, 0.06), (0.04, z - thick), (0, z - thick)], at, wood
        )
        return
    box((x, y, thick), (at[0], at[1], at[2] + z - thick), wood, turn=turn, bevel=0.008)
    leg = chance.between(0.04, 0.07)
    for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        foot = beside(at, turn, i * (0.5 * x - leg), j * (0.5 * y - leg))
        box((leg, leg, z - thick), foot, wood, turn=turn)


def chair(chance: Chance, at: Place, turn: float) -> None:
    """A chair that looks along its −Y."""
    wood = chance.pick((materials.wood, materials.paint))(chance)
    seat, width, leg = chance.between(0.43, 0.48), chance.between(0.4, 0.48), 0.035
    box(
        (width, width, 0.04),
        beside(at, turn, 0, 0, seat - 0.04),
        chance.pick((materials.cloth, materials.wood))(chance),
        turn=turn,
        bevel=0.012,
    )
    for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        high = seat - 0.04 if j < 0 else seat + chance.between(0.38, 0.42)
        box((leg, leg, high), beside(at, turn, i * (0.5 * width - leg), j * (0.5 * width - leg)), wood, turn=turn)
    for level in (0.16, 0.32):
        box((width - 0.06, 0.02, 0.08), beside(at, turn, 0, 0.5 * width - leg, seat + level - 0.02), wood, turn=turn)


def sofa(chance: Chance, at: Place, turn: float) -> None:
    """A sofa that looks along its −Y."""
    cover = materials.cloth(chance)
    width, deep = chance.between(1.5, 2.2), chance.between(0.8, 0.95)
    box((width, deep, 0.28), beside(at, turn, 0, 0, 0.08), cover, turn=turn, bevel=0.03)
    box((width, 0.22, 0.5), beside(at, turn, 0, 0.5 * deep - 0.11, 0.3), cover, turn=turn, bevel=0.06)
    for side in (-1, 1):
        box((0.18, deep, 0.34), beside(at, turn, side * (0.5 * width - 0.09), 0, 0.24), cover, turn=turn, bevel=0.05)
    for index in range(chance.whole(1, 3)):
        pillow = materials.cloth(chance)
        x = (index - 0.8) * 0.5 + chance.near(0, 0.06)
        box((0.42, 0.14, 0.36), beside(at, turn, x, 0.12, 0.38), pillow, turn=turn + chance.near(0, 0.15), bevel=0.06)


def bed(chance: Chance, at: Place, turn: float) -> None:
    """A bed whose head is at its +Y."""
    width, length = chance.between(1.2, 1.8), 2.05
    box((width, length, 0.3), at, materials.wood(chance), turn=turn)
    box(
        (width - 0.06, length - 0.08, 0.2),
        beside(at, turn, 0, -0.02, 0.3),
        materials.white(chance),
        turn=turn,
        bevel=0.05,
    )
    box((width + 0.04, 1.3, 0.1), beside(at, turn, 0, -0.3, 0.45), materials.cloth(chance), turn=turn, bevel=0.045)
    box((width, 0.06, 0.95), beside(at, turn, 0, 0.5 * length), materials.wood(chance), turn=turn, bevel=0.02)
    for side in (-1, 1):
        box(
            (0.5, 0.34, 0.15),
            beside(at, turn, side * 0.24 * width, 0.72, 0.48),
            materials.cloth(chance),
            turn=turn,
            bevel=0.06,
        )


def shelf(chance: Chance, at: Place, turn: float) -> None:
    """Shelves with books and things, open to its −Y."""
    wood = chance.pick((materials.wood, materials.white, materials.paint))(chance)
    width, deep, high, board = chance.between(0.7, 1.4), chance.between(0.26, 0.36), chance.between(1.2, 2.1), 0.025
    for side in (-1, 1):
        box((board, deep, high), beside(at, turn, side * 0.5 * (width - board)), wood, turn=turn)
    box((width, board, high), beside(at, turn, 0, 0.5 * (deep - board)), wood, turn=turn)
    levels = chance.whole(3, 6)
    for level in range(levels + 1):
        z = 0.05 + (high - 0.08) * level / levels
        box((width, deep, board), beside(at, turn, 0, 0, z), wood, turn=turn)
        if level < levels:
            room = (high - 0.08) / levels - board - 0.03
            _fill_shelf(chance, beside(at, turn, 0, -0.03, z + board), turn, width - 0.1, room)


def _fill_shelf(chance: Chance, at: Place, turn: float, width: float, room: float) -> None:
    covers = [materials.print_(chance), *(materials.paint(chance) for _ in range(3))]
    x = -0.5 * width
    while x < 0.5 * width - 0.1:
        if chance.happens(0.12):
            x += chance.between(0.08, 0.25)
        elif chance.happens(0.1):
            vase(chance, beside(at, turn, x + 0.07, 0, 0), min(0.9 * room, chance.between(0.12, 0.3)))
            x += 0.16
        else:
            thick, high = chance.between(0.018, 0.05), min(room, chance.between(0.17, 0.3))
            box(
                (thick, chance.between(0.13, 0.2), high),
                beside(at, turn, x + 0.5 * thick, 0, 0),
                chance.pick(covers),
                turn=turn,
            )
            x += thick + 0.002


def cabinet(chance: Chance, at: Place, turn: float) -> float:
    """A chest with doors or drawers towards its −Y; returns its height."""
    wood = chance.pick((materials.wood, materials.paint, materials.white))(chance)
    width, deep, high = chance.between(0.7, 1.6), chance.between(0.38, 0.5), chance.between(0.55, 0.95)
    box((width, deep, high), at, wood, turn=turn, bevel=0.006)
    columns, rows = chance.whole(1, 3), chance.whole(1, 3)
    front, knob = materials.trim(chance), materials.metal(chance)
    for i in range(columns):
        for j in range(rows):
            w, h = width / columns, (high - 0.08) / rows
            middle = (-0.5 * width + (i + 0.5) * w, -0.5 * deep - 0.008, 0.06 + j * h)
            box((w - 0.03, 0.02, h - 0.03), beside(at, turn, *middle), front, turn=turn, bevel=0.005)
            box(
                (0.1, 0.025, 0.015), beside(at, turn, middle[0], middle[1] - 0.02, middle[2] + 0.5 * h), knob, turn=turn
            )
    return high


def lamp(chance: Chance, at: Place, high: float, strength: float = 6.0) -> None:
    """A lamp with a glowing shade, standing on a point."""
    size = 0.16 * high + 0.06
    turned(
        [(0, 0), (0.7 * size, 0), (0.6 * size, 0.03), (0.015, 0.05), (0.012, 0.8 * high), (0, 0.8 * high)],
        at,
        materials.metal(chance),
    )
    shade = materials.glowing(strength, chance.between(0.3, 0.8))(chance)
    upper = chance.between(0.55, 1.0)
    turned([(0.01, 0.7 * high), (size, 0.72 * high), (upper * size, high), (0.01, 0.99 * high)], at, shade)


def plant(chance: Chance, at: Place, high: float) -> None:
    """A plant in a pot."""
    pot, leaves = chance.pick((materials.ceramic, materials.paint))(chance), materials.grass(chance)
    r = chance.between(0.16, 0.24) * high
    turned(
        [(0, 0), (0.75 * r, 0), (r, 0.28 * high), (0.9 * r, 0.28 * high), (0.85 * r, 0.25 * high), (0, 0.25 * high)],
        at,
        pot,
    )
    for _ in range(chance.whole(7, 14)):
        lean, way = chance.between(0.0, 0.3) * high, chance.between(0, 2 * math.pi)
        where = (at[0] + lean * math.cos(way), at[1] + lean * math.sin(way), at[2] + chance.between(0.4, 0.9) * high)
        rough((0.13 * high, 0.05 * high, 0.12 * high), where, leaves, chance, depth=0.3)


def vase(chance: Chance, at: Place, high: float) -> None:
    """A vase, a bottle or a jug: some belly under some neck."""
    belly, neck = chance.between(0.22, 0.45) * high, chance.between(0.08, 0.3) * high
    middle = chance.between(0.25, 0.5)
    profile = [
        (0.0, 0.0),
        (0.6 * belly, 0.0),
        (0.85 * belly, 0.4 * middle),
        (belly, middle),
        (0.8 * belly, middle + 0.2),
        (neck, middle + 0.38),
        (chance.between(0.9, 1.5) * neck, 1.0),
        (0.0, 0.98),
    ]
    turned([(r, z * high) for r, z in profile], at, materials.ceramic(chance))


def jug(chance: Chance, at: Place) -> None:
    """A vase of the size that stands on furniture."""
    vase(chance, at, chance.between(0.24, 0.34))


def mug(chance: Chance, at: Place) -> None:
    """A mug without a handle."""
    r, high = chance.between(0.035, 0.05), chance.between(0.08, 0.12)
    turned(
        [(0, 0), (0.9 * r, 0), (r, high), (0.88 * r, high), (0.8 * r, 0.01), (0, 0.01)], at, materials.ceramic(chance)
    )


def bowl(chance: Chance, at: Place) -> None:
    """A bowl with fruit."""
    r, high = chance.between(0.1, 0.17), chance.between(0.05, 0.09)
    turned(
        [
            (0, 0),
            (0.4 * r, 0),
            (0.8 * r, 0.4 * high),
            (r, high),
            (0.94 * r, high),
            (0.7 * r, 0.45 * high),
            (0, 0.2 * high),
        ],
        at,
        materials.ceramic(chance),
    )
    for _ in range(chance.whole(2, 5)):
        size, way = chance.between(0.03, 0.042), chance.between(0, 2 * math.pi)
        fruit(chance, (at[0] + 0.45 * r * math.cos(way), at[1] + 0.45 * r * math.sin(way), at[2] + 0.5 * high), size)


def fruit(chance: Chance, at: Place, size: float | None = None) -> None:
    """An apple, a lemon or the like, lying on a point."""
    r = size or chance.between(0.032, 0.05)
    long = chance.between(0.9, 1.3)
    skin = materials.fruit(chance)
    rough((long * r, r, 0.95 * r), (at[0], at[1], at[2] + 0.93 * r), skin, chance, depth=0.06)


def books(chance: Chance, at: Place, turn: float = 0.4) -> None:
    """A pile of books."""
    z = 0.0
    for _ in range(chance.whole(1, 5)):
        thick = chance.between(0.015, 0.045)
        cover = chance.pick((materials.print_, materials.paint))(chance)
        size = (chance.between(0.14, 0.22), chance.between(0.2, 0.3), thick)
        box(size, (at[0], at[1], at[2] + z), cover, turn=turn + chance.near(0, 0.25), bevel=0.002)
        z += thick


def carton(chance: Chance, at: Place, turn: float, largest: float = 0.25) -> None:
    """A box of cardboard, tin or wood."""
    kind = chance.pick((materials.print_, materials.wood, materials.paint, materials.cloth))
    size = (chance.between(0.05, largest), chance.between(0.04, 0.7 * largest), chance.between(0.04, largest))
    box(size, at, kind(chance), turn=turn, bevel=0.003)


def laptop(chance: Chance, at: Place, turn: float) -> None:
    """An open computer whose screen looks along its −Y."""
    case = materials.metal(chance)
    box((0.33, 0.23, 0.018), at, case, turn=turn, bevel=0.004)
    screen = materials.print_(chance)
    box((0.33, 0.012, 0.22), beside(at, turn, 0, 0.12, 0.015), case, turn=turn, bevel=0.004)
    box((0.31, 0.004, 0.19), beside(at, turn, 0, 0.112, 0.028), screen, turn=turn)


def stones(chance: Chance, at: Place) -> None:
    """Some pebbles."""
    kind = materials.stone(chance)
    for index in range(chance.whole(1, 3)):
        r = chance.between(0.02, 0.05)
        where = (at[0] + 0.06 * index - 0.06, at[1] + chance.near(0, 0.02), at[2] + 0.55 * r)
        rough((1.3 * r, r, 0.65 * r), where, kind, chance, depth=0.15)


def candle(chance: Chance, at: Place) -> None:
    """A candlestick."""
    r, high = chance.between(0.035, 0.05), chance.between(0.12, 0.28)
    turned(
        [(0, 0), (r, 0), (r, 0.01), (0.012, 0.025), (0.01, 0.6 * high), (0.6 * r, 0.65 * high), (0, 0.65 * high)],
        at,
        materials.metal(chance),
    )
    turned([(0.011, 0.6 * high), (0.011, high), (0, high)], at, materials.white(chance))
