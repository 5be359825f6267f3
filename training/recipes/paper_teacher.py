"""The teacher as the paper trains it: arXiv 2511.10647 §4.1, a plain transformer with one dense head.

Its objective's weights are the paper's; without its object mask, as our scenes have none without a background and the
published networks answer none. Size, length, learning rate and batch are not stated: the size here is that of the
published single-view network, the rest is ours.

Data: `python -m training.data --folder DATA --scenes N --side 896`.
"""

from core.model.presets import PRESETS

from ..config import Lesson, Recipe, Schedule, TeacherObjective
from .paper import SIZES

RECIPE = Recipe(
    name="da3-teacher",
    network=PRESETS["mono"].network,
    objective=TeacherObjective(),
    schedule=Schedule(learning_rate=5e-5, steps=100_000, warm_up=0.04, hold=0.04),
    lessons=(Lesson(views=((1, 1.0),)),),
    sizes=SIZES,
    tokens_per_step=16 * 36 * 36,
)
