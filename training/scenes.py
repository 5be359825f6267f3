"""Random scenes in three families: rooms, tabletops, outdoor. Same seed, same scene."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from .raycast import Light, Scene, Shape
from .textures import Pattern

Array = NDArray[np.floating[Any]]
Family = Literal["room", "tabletop", "outdoor"]
FAMILIES: tuple[Family, ...] = get_args(Family)

WALLS = (Pattern.PLAIN, Pattern.BRICKS, Pattern.CHECKER, Pattern.BLOTCHES, Pattern.DOTS, Pattern.PLANKS)
FLOORS = (Pattern.CHECKER, Pattern.PLANKS, Pattern.BRICKS, Pattern.BLOTCHES, Pattern.PLANKS)
THINGS = (Pattern.PLAIN, Pattern.CHECKER, Pattern.PLANKS, Pattern.BLOTCHES, Pattern.DOTS, Pattern.BRICKS)


@dataclass(frozen=True)
class Stage:
    """A scene and where cameras may stand in it.

    Attributes:
        scene: What is drawn.
        focus: Centre of what is worth looking at.
        distance: Usual distance of a camera from the focus, (low, high).
        eye: Height of cameras above Z = 0, (low, high).
        extent: Half sizes of the upright box around the origin that cameras stay in.
        step: Length of one step of a walk.
    """

    scene: Scene
    focus: tuple[float, float, float]
    distance: tuple[float, float]
    eye: tuple[float, float]
    extent: tuple[float, float]
    step: float


@dataclass
class Builder:
    """Collects solids and materials while a family is composed."""

    random: np.random.Generator
    solids: list[list[float]] = field(default_factory=list)
    materials: list[list[float]] = field(default_factory=list)

    def between(self, low: float, high: float) -> float:
        """Uniform random number."""
        return float(self.random.uniform(low, high))

    def colour(self, low: float = 0.1, high: float = 0.95) -> Array:
        """A random colour, more often muted than vivid."""
        grey = self.between(low, high)
        return np.clip(grey + self.random.normal(0.0, 0.16, 3), 0.04, 1.0)

    def material(self, patterns: tuple[Pattern, ...], period: tuple[float, float]) -> int:
        """Add a material of one of `patterns` and return its index."""
        kind = patterns[int(self.random.integers(len(patterns)))]
        first = self.colour()
        second = np.clip(first + self.random.choice((-1.0, 1.0)) * self.between(0.15, 0.45), 0.03, 1.0)
        second = 0.6 * second + 0.4 * self.colour()
        row = [float(kind), self.between(*period), *first, *second, float(self.random.integers(1 << 16))]
        self.materials.append(row)
        return len(self.materials) - 1

    def add(
        self,
        shape: Shape,
        centre: tuple[float, float, float],
        half: tuple[float, float, float],
        turn: float = 0.0,
        materials: tuple[int, int, int] = (0, 0, 0),
    ) -> None:
        """Add one solid; `materials` are those of the sides, the top and the bottom."""
        self.solids.append([float(shape), *centre, *half, math.cos(turn), math.sin(turn), *map(float, materials)])

    def thing(self, x: float, y: float, z: float, size: float, turn: float) -> None:
        """Put a box, cylinder, sphere or a small stack of about `size` on height z."""
        sides = self.material(THINGS, (0.12 * size, 0.6 * size))
        top = sides if self.random.random() < 0.5 else self.material(THINGS, (0.12 * size, 0.6 * size))
        kind = self.random.random()
        if kind < 0.18:
            radius = 0.5 * size * self.between(0.5, 0.9)
            self.add(Shape.SPHERE, (x, y, z + radius), (radius,) * 3, turn, (sides,) * 3)
            return
        shape = Shape.CYLINDER if kind < 0.42 else Shape.BOX
        half = [0.5 * size * self.between(0.35, 1.0) for _ in range(3)]
        if shape == Shape.CYLINDER:
            half[1] = half[0] = 0.7 * half[0]
        self.add(shape, (x, y, z + half[2]), (half[0], half[1], half[2]), turn, (sides, top, top))
        if kind > 0.75:
            self.thing(x, y, z + 2 * half[2], 0.8 * 2 * min(half[0], half[1]), turn + self.between(-0.5, 0.5))

    def scene(self, light: Light, unit: float, far: float = 1e6) -> Scene:
        """Finish."""
        sky = np.array([self.random.uniform(0.7, 0.95, 3), self.random.uniform((0.2, 0.4, 0.6), (0.5, 0.7, 1.0))])
        return Scene(np.array(self.solids), np.array(self.materials), light, sky, unit, far)


def quarter_turn(build: Builder) -> float:
    """Mostly aligned with the walls, sometimes not."""
    aligned = float(build.random.integers(4)) * math.pi / 2
    return aligned + (build.between(-0.8, 0.8) if build.random.random() < 0.3 else build.between(-0.06, 0.06))


def hang_on_walls(build: Builder, half: tuple[float, float, float], count: int) -> None:
    """Pictures, doors and windows: thin boxes on the four walls."""
    for _ in range(count):
        wall, width, height = int(build.random.integers(4)), build.between(0.2, 0.7), build.between(0.2, 0.6)
        door = build.random.random() < 0.2
        z = 1.0 if door else build.between(1.2, 1.9)
        along = build.between(-0.7, 0.7) * half[1 if wall < 2 else 0]
        skin = build.material((*THINGS, Pattern.WINDOWS), (0.15, 0.6))
        sign = 1.0 if wall % 2 else -1.0
        x, y = (sign * half[0], along) if wall < 2 else (along, sign * half[1])
        turn = math.pi / 2 if wall < 2 else 0.0
        size = (0.42, 0.03, 1.0) if door else (width, 0.03, height)
        build.add(Shape.BOX, (x, y, z), size, turn, (skin,) * 3)


def add_shell(build: Builder, half: tuple[float, float, float]) -> None:
    """The room itself: four walls, a floor at Z = 0 and a ceiling."""
    walls, floor = build.material(WALLS, (0.2, 1.0)), build.material(FLOORS, (0.15, 0.8))
    ceiling = build.material((Pattern.PLAIN, Pattern.CHECKER, Pattern.PLANKS), (0.3, 1.0))
    build.add(Shape.SHELL, (0.0, 0.0, half[2]), half, 0.0, (walls, floor, ceiling))


def add_table(build: Builder, x: float, y: float, half: tuple[float, float], height: float, turn: float) -> None:
    """A board on four legs."""
    wood = build.material((Pattern.PLANKS, Pattern.PLAIN, Pattern.CHECKER, Pattern.BLOTCHES), (0.08, 0.3))
    build.add(Shape.BOX, (x, y, height - 0.02), (half[0], half[1], 0.02), turn, (wood,) * 3)
    c, s = math.cos(turn), math.sin(turn)
    for a in (-0.9, 0.9):
        for b in (-0.9, 0.9):
            px, py = a * half[0], b * half[1]
            place = (x + c * px - s * py, y + s * px + c * py, 0.5 * height - 0.02)
            build.add(Shape.BOX, place, (0.03, 0.03, 0.5 * height - 0.02), turn, (wood,) * 3)


def room(build: Builder) -> Stage:
    """A furnished room of 3–7 m with pictures on its walls; cameras at eye height."""
    half = (build.between(1.6, 3.4), build.between(1.6, 3.4), build.between(1.15, 1.7))
    add_shell(build, half)
    hang_on_walls(build, half, int(build.random.integers(3, 8)))
    for _ in range(int(build.random.integers(4, 10))):
        against_wall = build.random.random() < 0.65
        size = build.between(0.4, 1.1)
        x, y = (build.between(-0.9, 0.9) * (half[axis] - 0.5 * size) for axis in (0, 1))
        if against_wall:
            edge = build.random.choice((-1.0, 1.0))
            x, y = (
                (edge * (half[0] - 0.5 * size), y)
                if build.random.random() < 0.5
                else (x, edge * (half[1] - 0.5 * size))
            )
        build.thing(x, y, 0.0, size, quarter_turn(build))
    if build.random.random() < 0.5:
        x, y = build.between(-0.4, 0.4) * half[0], build.between(-0.4, 0.4) * half[1]
        add_table(build, x, y, (build.between(0.4, 0.8), build.between(0.3, 0.5)), 0.75, quarter_turn(build))
        build.thing(x, y, 0.75, build.between(0.15, 0.4), quarter_turn(build))
    lamp = Light((build.between(-1, 1), build.between(-1, 1), 2 * half[2] - 0.1), False, build.between(0.45, 0.7))
    focus = (build.between(-0.4, 0.4) * half[0], build.between(-0.4, 0.4) * half[1], build.between(0.4, 1.1))
    extent = (half[0] - 0.25, half[1] - 0.25)
    return Stage(build.scene(lamp, 1.0), focus, (1.2, 2.8), (0.9, min(1.8, 2 * half[2] - 0.3)), extent, 0.3)


def tabletop(build: Builder) -> Stage:
    """Objects on a table that stands in a room; cameras close, looking down on it."""
    half = (build.between(1.6, 2.8), build.between(1.6, 2.8), build.between(1.2, 1.5))
    add_shell(build, half)
    hang_on_walls(build, half, int(build.random.integers(2, 6)))
    board = (build.between(0.45, 0.8), build.between(0.35, 0.6))
    add_table(build, 0.0, 0.0, board, 0.75, build.between(-0.3, 0.3))
    for _ in range(int(build.random.integers(5, 11))):
        x, y = build.between(-0.75, 0.75) * board[0], build.between(-0.75, 0.75) * board[1]
        build.thing(x, y, 0.75, build.between(0.08, 0.32), build.between(-3.2, 3.2))
    for _ in range(int(build.random.integers(1, 4))):
        x = build.random.choice((-1.0, 1.0)) * (half[0] - 0.4)
        build.thing(float(x), build.between(-0.8, 0.8) * half[1], 0.0, build.between(0.5, 1.0), quarter_turn(build))
    lamp = Light((build.between(-1, 1), build.between(-1, 1), 2 * half[2] - 0.1), False, build.between(0.4, 0.65))
    focus = (build.between(-0.2, 0.2), build.between(-0.15, 0.15), 0.8)
    return Stage(build.scene(lamp, 0.5), focus, (0.7, 1.4), (1.0, 1.75), (half[0] - 0.2, half[1] - 0.2), 0.12)


def outdoor(build: Builder) -> Stage:
    """A yard between facades under a sky, with crates, poles and bushes; cameras at eye height."""
    ground = build.material((Pattern.CHECKER, Pattern.BRICKS, Pattern.BLOTCHES, Pattern.PLANKS), (0.4, 1.5))
    build.add(Shape.GROUND, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 0.0, (ground,) * 3)
    yard = build.between(5.0, 8.0)
    for k in range(int(build.random.integers(4, 8))):
        angle = 2 * math.pi * (k + build.between(-0.3, 0.3)) / 6
        half = (build.between(1.5, 3.5), build.between(1.0, 3.0), build.between(1.2, 3.5))
        reach = yard + half[1]
        facade = build.material((Pattern.WINDOWS, Pattern.WINDOWS, Pattern.BRICKS, Pattern.PLANKS), (0.8, 1.8))
        roof = build.material((Pattern.PLAIN, Pattern.BLOTCHES), (0.5, 1.0))
        place = (reach * math.cos(angle), reach * math.sin(angle), half[2])
        build.add(Shape.BOX, place, half, angle + math.pi / 2 + build.between(-0.2, 0.2), (facade, roof, roof))
    for _ in range(int(build.random.integers(5, 12))):
        angle, reach = build.between(0, 2 * math.pi), yard * math.sqrt(build.random.random())
        size = build.between(0.5, 1.8)
        build.thing(reach * math.cos(angle), reach * math.sin(angle), 0.0, size, build.between(-3.2, 3.2))
    for _ in range(int(build.random.integers(0, 4))):
        pole = build.material((Pattern.PLAIN, Pattern.CHECKER), (0.2, 0.5))
        x, y, height = build.between(-yard, yard), build.between(-yard, yard), build.between(1.2, 2.5)
        build.add(Shape.CYLINDER, (x, y, height), (0.08, 0.08, height), 0.0, (pole,) * 3)
    sun = Light((build.between(-1, 1), build.between(-1, 1), build.between(0.5, 1.5)), True, build.between(0.4, 0.6))
    focus = (build.between(-1.5, 1.5), build.between(-1.5, 1.5), build.between(0.5, 1.4))
    return Stage(build.scene(sun, 2.0, 25.0), focus, (3.0, 6.0), (1.2, 2.6), (yard, yard), 0.6)


BUILDERS = {"room": room, "tabletop": tabletop, "outdoor": outdoor}


def make_stage(family: Family, seed: int) -> Stage:
    """Compose the scene of a family that belongs to a seed."""
    return BUILDERS[family](Builder(np.random.default_rng((seed, FAMILIES.index(family)))))
