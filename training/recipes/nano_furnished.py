"""The sitting in which the bundled network first saw furnished scenes: more depth, more given cameras.

Its data are two folders, the ray-caster's scenes and furnished ones (then drawn by Workbench, now by `furnished.py`).
"""

from dataclasses import replace

from .nano import OBJECTIVE
from .nano import RECIPE as NANO
from .nano_onward import RECIPE as ONWARD

RECIPE = replace(
    ONWARD,
    seed=12,
    objective=replace(OBJECTIVE, dense_from=0.0, pose_probability=0.3, dense_images=6),
    schedule=replace(NANO.schedule, minutes=110, warm_up=0.03, hold=0.35),
)
