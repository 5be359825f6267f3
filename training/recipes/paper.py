"""The any-view network as the paper trains it: arXiv 2511.10647 §3.3 and §3.4.

Its figures: 200 000 steps on 128 GPUs, the learning rate rising to 2e-4 over 8 000 of them, eight picture sizes, 2 to
18 views, cameras given in a fifth of the batches, a teacher's labels from step 120 000 on, all weights 1.

Where it is silent, this is ours: the confidence's λ, the fall of the learning rate, AdamW's weight decay, clipping,
the running average, 2 to 18 views at every size (said of 504 × 504), and the tokens of a step (of one GPU, not of 128).
Given cameras have the unit of their own distances, as at prediction, where no points are known yet. The paper starts
from DINOv2: without `--weights FOLDER`, a checkpoint of this network, the run starts from nothing.

Data: `python -m training.data --folder DATA --scenes N --side 896 --views 18`. Teacher: `paper_teacher`.
"""

from core.model.presets import PRESETS

from ..config import Lesson, Recipe, Schedule, StudentObjective

STEPS = 200_000
SIZES = (
    ((504, 504), 1.0),
    ((504, 378), 1.0),
    ((504, 336), 1.0),
    ((504, 280), 1.0),
    ((336, 504), 1.0),
    ((896, 504), 1.0),
    ((756, 504), 1.0),
    ((672, 504), 1.0),
)

RECIPE = Recipe(
    name="da3-base",
    network=PRESETS["base"].network,
    objective=StudentObjective(teacher_from=120_000 / STEPS),
    schedule=Schedule(learning_rate=2e-4, steps=STEPS, warm_up=8_000 / STEPS, hold=8_000 / STEPS),
    lessons=(Lesson(views=tuple((count, 1.0) for count in range(2, 19))),),
    sizes=SIZES,
    tokens_per_step=18 * 36 * 36,
)
