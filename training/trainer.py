"""A run: what it owns, one step, and how it is put aside and taken up again.

A step depends on the state before it and on its own number, so a run by steps that was saved and resumed has the same
losses as one that never stopped. Only a schedule by minutes looks at a clock.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from core.model.network import Network

from .batches import Batch, Sampler
from .checkpoint import load_state, read_weights, save_state
from .config import Recipe, StudentObjective, TrainingError
from .data import DataFolder
from .learner import Learner, Machine, Moment
from .optimisation import Average, initialise, make_optimiser, set_rates
from .student import Student
from .supply import Steps, draw_ahead
from .teacher import Teacher


def make_learner(recipe: Recipe, machine: Machine, teacher: Network | None) -> Learner:
    """Build what the recipe's objective is for.

    Raises:
        TrainingError: A teacher is missing or has nothing to do.
    """
    if isinstance(recipe.objective, StudentObjective):
        return Student.start(recipe, machine, teacher)
    if teacher is not None:
        raise TrainingError("A teacher learns from the truth alone; leave --teacher out.")
    return Teacher.start(recipe, machine)


@dataclass
class Trainer:
    """A run."""

    recipe: Recipe
    machine: Machine
    sampler: Sampler
    learner: Learner
    average: Average
    optimiser: torch.optim.AdamW
    alone_steps: int
    """The first steps, in which the network stands still."""
    step: int = 0
    images: int = 0
    seconds: float = 0.0
    """Of the run proper, without the helpers' own steps."""
    sums: dict[str, Tensor] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    ahead: Iterator[Batch] | None = None
    """The batches to come, where other processes draw them."""

    @classmethod
    def start(
        cls, recipe: Recipe, folders: Sequence[DataFolder], machine: Machine, teacher: Network | None = None
    ) -> Trainer:
        """Build everything from the recipe's seed, and from its weights where it has some.

        Raises:
            TrainingError: The recipe does not go with the data, the weights or the teacher.
        """
        torch.manual_seed(recipe.seed)
        learner = make_learner(recipe, machine, teacher)
        initialise(learner.network)
        if recipe.weights:
            read_weights(learner.network, recipe.weights)
        average = Average.of(learner.network)
        if recipe.weights:
            average.steps = 1_000_000  # long enough ago for the average to keep its pace
        alone = recipe.helpers.alone_steps if recipe.weights and recipe.helpers else 0
        optimiser = make_optimiser(learner.network, learner.helpers, recipe)
        return cls(recipe, machine, Sampler(folders, recipe), learner, average, optimiser, alone)

    @property
    def moment(self) -> Moment:
        """Where the run is."""
        progress = self.recipe.schedule.progress(max(0, self.step - self.alone_steps), self.seconds)
        return Moment(self.recipe.seed, self.step, progress, self.step < self.alone_steps)

    @property
    def is_over(self) -> bool:
        """Whether the end is reached."""
        return self.moment.progress >= 1

    def draw_ahead(self, processes: int) -> None:
        """Let other processes draw the batches from here on."""
        steps = Steps(self.sampler, self.recipe.schedule, self.step, self.alone_steps, self.seconds)
        self.ahead = draw_ahead(steps, processes)

    def _draw(self, moment: Moment) -> Batch:
        batch = next(self.ahead) if self.ahead is not None else self.sampler.draw(self.step, moment.progress)
        return batch.to(self.machine.device)

    def advance(self) -> dict[str, Tensor]:
        """Make one step and return its weighted losses."""
        began, moment = time.perf_counter(), self.moment
        self.learner.network.requires_grad_(not moment.is_alone)
        set_rates(self.optimiser, self.recipe, moment)
        batch = self._draw(moment)
        terms = self.learner.losses(batch, moment)
        self.optimiser.zero_grad(set_to_none=True)
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.learner.network.parameters(), self.recipe.clip, foreach=True)
        self.optimiser.step()
        if not moment.is_alone:
            self.average.update(self.recipe.average)
            self.images += batch.pictures
            self.seconds += time.perf_counter() - began
        self.step += 1
        return self._counted(terms)

    def _counted(self, terms: dict[str, Tensor]) -> dict[str, Tensor]:
        """Add a step's terms to the sums, which stay on the device: to look at them is to wait for it."""
        values = {name: term.detach() for name, term in terms.items()}
        for name, value in values.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value
            self.counts[name] += 1
        return values

    def means(self) -> dict[str, float]:
        """Mean of each term since the last call."""
        result = {name: round(float(total) / self.counts[name], 4) for name, total in self.sums.items()}
        self.sums.clear()
        self.counts.clear()
        return result

    def facts(self) -> dict[str, float]:
        """The numbers that a saved state holds."""
        return {
            "step": self.step,
            "images": self.images,
            "seconds": self.seconds,
            "alone_steps": self.alone_steps,
            "averaged": self.average.steps,
            **{f"ready{number}": count for number, count in enumerate(self.sampler.ready)},
        }

    def save(self, path: Path) -> None:
        """Put the run aside."""
        learner = self.learner
        save_state(path, learner.network, learner.helpers, self.average.weights, self.optimiser, self.facts())

    def resume(self, path: Path) -> None:
        """Take the run up where it was put aside.

        Raises:
            TrainingError: The state is not of this run, or the run had other data folders.
        """
        facts = self._load(path)
        folders = sum(name.startswith("ready") for name in facts)
        if folders != len(self.sampler.folders):
            raise TrainingError(
                f"{path} is of a run on {folders} data folders; name those in the same order after --data, or begin"
                " another run with this state as --after."
            )
        self.step, self.images, self.seconds = int(facts["step"]), int(facts["images"]), facts["seconds"]
        self.alone_steps = int(facts["alone_steps"])
        self.sampler.ready = [int(facts[f"ready{number}"]) for number in range(len(self.sampler.folders))]

    def follow(self, path: Path) -> None:
        """Begin a new sitting with all that an earlier run has learned, helpers and optimiser included.

        Raises:
            TrainingError: The state is of another network or of other helpers.
        """
        self._load(path)
        self.alone_steps = 0

    def _load(self, path: Path) -> dict[str, float]:
        learner = self.learner
        facts = load_state(path, learner.network, learner.helpers, self.average.weights, self.optimiser)
        self.average.steps = int(facts.get("averaged", facts["step"]))
        return facts
