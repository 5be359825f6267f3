"""The bundled network from nothing, on two CPU cores: what its steered first run came to, as one curriculum.

Its deviations from the paper, each an option of its own: training-only helpers that let cameras emerge, relative errors
in depth, a baseline term, a dense head that starts late, learns faster and sees some of the pictures, a learning rate
that follows the clock, no teacher. What each was for stands in the model card.
"""

from core.model.presets import PRESETS

from ..config import Helpers, Lesson, Recipe, Schedule, StudentObjective

FEW = ((1, 0.08), (2, 0.27), (3, 0.17), (4, 0.34), (6, 0.14))
MANY = ((1, 0.05), (2, 0.17), (3, 0.16), (4, 0.43), (6, 0.19))

OBJECTIVE = StudentObjective(
    depth=2.5,
    camera=5.0,
    field_of_view=0.5,
    pose_probability=0.1,
    near=0.3,
    baseline=1.5,
    dense_from=0.46,
    dense_images=4,
)

RECIPE = Recipe(
    name="nano",
    network=PRESETS["nano"].network,
    objective=OBJECTIVE,
    helpers=Helpers(),
    schedule=Schedule(learning_rate=4e-4, minutes=75, warm_up=0.02, hold=0.45),
    lessons=(
        Lesson(views=FEW, until=0.45),
        Lesson(views=FEW, reach=((0.5, 0.5), (1.0, 0.5)), until=0.65),
        Lesson(views=MANY, reach=((0.5, 0.3), (1.0, 0.7))),
    ),
    sizes=(
        ((126, 84), 0.62),
        ((126, 98), 0.12),
        ((126, 126), 0.06),
        ((84, 126), 0.08),
        ((98, 126), 0.04),
        ((126, 70), 0.08),
    ),
    tokens_per_step=16 * 9 * 6,
    head_factor=2.5,
    average=0.995,
)
