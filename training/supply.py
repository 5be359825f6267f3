"""Batches drawn ahead by other processes, for a card that learns faster than one process draws.

The batch of a step depends on its number alone, so a run by steps has the same losses with any number of processes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from .batches import Batch, Sampler
from .config import Schedule

AHEAD = 3
"""Batches that each process keeps ready."""
LOOK = 20
"""Batches after which a process looks for scenes that were drawn meanwhile."""


@dataclass
class Steps(IterableDataset[Batch]):
    """The batches of a run's steps without end, of which each process draws its share."""

    sampler: Sampler
    schedule: Schedule
    first: int
    alone_steps: int
    seconds: float
    """That the run has lasted before."""

    def __iter__(self) -> Iterator[Batch]:
        """Draw this process' share in the order of the steps."""
        torch.set_num_threads(1)
        worker, began = get_worker_info(), time.perf_counter()
        number, count = (worker.id, worker.num_workers) if worker else (0, 1)
        step = self.first + number
        while True:
            if (step - self.first) // count % LOOK == 0:
                self.sampler.ready = self.sampler.count()
            seconds = self.seconds + time.perf_counter() - began
            yield self.sampler.draw(step, self.schedule.progress(max(0, step - self.alone_steps), seconds))
            step += count


def draw_ahead(steps: Steps, processes: int) -> Iterator[Batch]:
    """Start the processes, and hand out what they draw in the order of the steps."""
    return iter(DataLoader(steps, batch_size=None, num_workers=processes, prefetch_factor=AHEAD))
