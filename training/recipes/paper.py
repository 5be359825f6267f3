"""The any-view network as the paper trains it: arXiv 2511.10647 §3.3 and §3.4.

Its figures: 200 000 steps on 128 GPUs, the learning rate rising to 2e-4 over 8 000 of them, eight picture sizes, 2 to
18 views, cameras given in a fifth of the batches, a teacher's labels from step 120 000 on, all weights 1.

Where it is silent, this is ours: the confidence's λ, the fall of the learning rate, AdamW's weight decay, clipping,
the running average, 2 to 18 views at every size (said of 504 × 504), and the tokens of a step (of one GPU, not of 128).
The paper starts from DINOv2: without `--weights FOLDER`, a checkpoint of this network, the run starts from nothing.

Data: `python -m training.data --folder DATA --scenes N --side 896 --views 18`.
"""

from core.model.presets import PRESETS

from ..config import Lesson, Recipe, Schedule, StudentObjective

STEPS = 200_000

RECIPE = Recipe(
    name="da3-base",
    network=PRESETS["base"].network,
    objective=StudentObjective(teacher_from=120_000 / STEPS),
    schedule=Schedule(learning_rate=2e-4, steps=STEPS, warm_up=8_000 / STEPS, hold=8_000 / STEPS),
    lessons=(Lesson(views=tuple((count, 1.0) for count in range(2, 19))),),
    sizes=tuple(
        (size, 1.0)
        for size in (
            (504, 504),
            (504, 378),
            (504, 336),
            (504, 280),
            (336, 504),
            (896, 504),
            (756, 504),
            (672, 504),
        )
    ),
    tokens_per_step=18 * 36 * 36,
)
