"""A teacher for nano: `paper_teacher` with a network and pictures that two CPU cores can train.

The smallest regions are left out: at 126 pixels a 64th of the half diagonal is one pixel.
"""

from core.model.config import BackboneConfig, HeadConfig, NetworkConfig

from ..config import Lesson, Recipe, Schedule, TeacherObjective
from .nano import RECIPE as NANO

NETWORK = NetworkConfig(
    backbone=BackboneConfig(embed_dim=256, depth=12, num_heads=4, img_size=126, out_layers=(2, 5, 8, 11)),
    head=HeadConfig(type="dpt", dim_in=256, features=64, out_channels=(48, 64, 96, 128)),
    resolution=126,
    resolution_range=(126, 126),
)

RECIPE = Recipe(
    name="nano-teacher",
    network=NETWORK,
    objective=TeacherObjective(region_sizes=(1 / 4, 1 / 16), region_count=8, region_points=48),
    schedule=Schedule(learning_rate=5e-4, steps=6_000, warm_up=0.04, hold=0.3),
    lessons=(Lesson(views=((1, 1.0),)),),
    sizes=NANO.sizes,
    tokens_per_step=NANO.tokens_per_step,
)
