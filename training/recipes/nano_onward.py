"""The next sitting of the bundled network: from its weights, with fresh helpers that first learn alone."""

from dataclasses import replace

from ..config import Schedule
from .nano import OBJECTIVE
from .nano import RECIPE as NANO

RECIPE = replace(
    NANO,
    weights="nano",
    seed=11,
    objective=replace(OBJECTIVE, dense_from=0.0, pose_probability=0.2),
    schedule=Schedule(learning_rate=4e-4, minutes=150, warm_up=0.03, hold=0.3),
    lessons=(replace(NANO.lessons[-1], until=1.0),),
)
