"""The sitting of the bundled network on a graphics card: large batches, many furnished scenes, all of the dense head.

From the stored weights, for as long as the card is there (`--minutes`); `--workers` draws its batches.
"""

from dataclasses import replace

from ..config import Lesson, Schedule
from .nano import OBJECTIVE
from .nano_onward import RECIPE as ONWARD

VIEWS = ((1, 0.12), (2, 0.14), (3, 0.14), (4, 0.34), (6, 0.14), (8, 0.12))

RECIPE = replace(
    ONWARD,
    seed=14,
    objective=replace(OBJECTIVE, dense_from=0.0, pose_probability=0.35, dense_images=None),
    schedule=Schedule(learning_rate=1.2e-3, minutes=7, warm_up=0.04, hold=0.2),
    lessons=(Lesson(views=VIEWS, reach=((0.5, 0.3), (1.0, 0.7))),),
    tokens_per_step=640 * 9 * 6,
    average=0.998,
)
