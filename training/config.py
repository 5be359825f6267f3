"""The recipe as data: one frozen object a run. The runs themselves are in `recipes/`, a file each.

Places in a run are parts of it, 0 to 1, so that a run can be shortened without being rewritten.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import ImageToSceneError
from core.model.config import NetworkConfig


class TrainingError(ImageToSceneError):
    """A recipe, a data folder and a saved state do not go together."""


@dataclass(frozen=True)
class Lesson:
    """What is drawn in one part of a run; lessons follow one another as a curriculum."""

    views: tuple[tuple[int, float], ...]
    """How many views a scene has, with odds."""
    reach: tuple[tuple[float, float], ...] = ((1.0, 1.0),)
    """The part of a scene's cameras, those that stand nearest to one of them, that views are taken from, with odds:
    a small part makes short baselines."""
    until: float = 1.0
    """Place in the run at which the next lesson begins."""


@dataclass(frozen=True)
class Schedule:
    """How long a run is and how fast it learns.

    With `steps` a run can be repeated and resumed to the last digit. With `minutes` it ends in time on any machine, and
    what it learns depends on how fast that machine was.
    """

    learning_rate: float
    steps: int | None = None
    minutes: float | None = None
    warm_up: float = 0.02
    """Place at which the learning rate stops rising."""
    hold: float = 0.5
    """Place from which it falls, as a half cosine, to zero."""

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise TrainingError("A schedule has either steps or minutes; leave the other one None.")

    def progress(self, steps: int, seconds: float) -> float:
        """Part of the run that is over after so many steps, or so long."""
        return steps / self.steps if self.steps is not None else seconds / (60 * (self.minutes or 1))


@dataclass(frozen=True)
class StudentObjective:
    """How much each term of the any-view network's objective counts (`losses.py`); the defaults are the paper's."""

    depth: float = 1.0
    ray: float = 1.0
    point: float = 1.0
    camera: float = 1.0
    gradient: float = 1.0
    confidence: float = 0.2
    """λ of −λ log c. The paper gives no value."""
    field_of_view: float = 1.0
    """Part of the field of view in the camera term."""
    pose_probability: float = 0.2
    """Part of the batches whose cameras are given to the network."""
    teacher_from: float = 1.0
    """Place from which a teacher's depth replaces the truth; 1: never."""
    label_points: int = 1024
    """Known pixels of a picture that the teacher's depth is aligned to."""
    near: float | None = None
    """Not the paper's: depth-like errors are weighted by 1 / (D + near); None: evenly."""
    baseline: float = 0.0
    """Not the paper's: weight of the step between camera centres relative to its length."""
    dense_from: float = 0.0
    """Not the paper's: place from which the dense head is run and trained."""
    dense_images: int | None = None
    """Not the paper's: on how many pictures of a batch the dense head is run; None: on all."""


@dataclass(frozen=True)
class TeacherObjective:
    """How much each term of the teacher's objective counts (`teacher_losses.py`); the defaults are the paper's."""

    gradient: float = 0.5
    regions: float = 1.0
    """The global-local term."""
    normal: float = 1.0
    sky: float = 1.0
    region_sizes: tuple[float, ...] = (1 / 4, 1 / 16, 1 / 64)
    """Radii of the local regions, in half diagonals of the picture at the depth of their centre."""
    region_count: int = 16
    """Regions of each size and picture."""
    region_points: int = 96
    """Pixels of a region (and twice as many of the whole picture) on which scale and shift are found."""


@dataclass(frozen=True)
class Helpers:
    """Weights of the training-only terms (`auxiliary.py`), and the blocks whose attention they listen to."""

    patch: float = 2.0
    match: float = 0.15
    lookup: float = 0.3
    place: float = 1.0
    probe: float = 1.5
    match_blocks: tuple[int, ...] = (3, 5)
    """Global blocks whose head 0 learns to find a patch's match in every other view."""
    lookup_blocks: tuple[int, ...] = (5, 7)
    """Global blocks whose head 0 learns to look at the match in the reference view, and nowhere else."""
    alone_steps: int = 150
    """Steps before the run proper, where it starts from a checkpoint: fresh helpers learn to read the network first."""
    alone_rate: float = 2e-3
    """Learning rate of those steps."""


@dataclass(frozen=True)
class Recipe:
    """Everything a training run depends on, beside its data."""

    name: str
    """`model_name` of the checkpoint."""
    network: NetworkConfig
    objective: StudentObjective | TeacherObjective
    schedule: Schedule
    lessons: tuple[Lesson, ...]
    sizes: tuple[tuple[tuple[int, int], float], ...]
    """(width, height) of a batch's pictures, with odds: the squares that are drawn, brought to the longer side and cut
    in their middle to the shorter. The first is the one that is watched."""
    tokens_per_step: int
    """Patches of a batch, about: fewer scenes where pictures are larger or have more views."""
    helpers: Helpers | None = None
    weights: str | None = None
    """A checkpoint to start from: a preset's name or a folder."""
    seed: int = 0
    head_factor: float = 1.0
    """How much faster the dense head learns than the rest."""
    weight_decay: float = 0.05
    clip: float = 1.0
    average: float = 0.999
    """Decay of the running average of the weights, which is what is shipped; 0: the weights themselves."""

    def lesson(self, progress: float) -> Lesson:
        """The lesson at a place in the run."""
        return next((lesson for lesson in self.lessons if progress < lesson.until), self.lessons[-1])
