"""Endless, seeded, resumable batches made by worker processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from posecore.errors import ConfigError
from training.parallel import place

Example = dict[str, NDArray]


class ExampleDataset(Dataset):
    """Example i is made by `make(i, rng_i)` with a generator seeded by (seed, i): the same whichever worker makes it."""

    def __init__(
        self, make: Callable[[int, np.random.Generator], Example], seed: int, first: int, length: int, step: int = 1
    ) -> None:
        self.make, self.seed, self.first, self.length, self.step = make, seed, first, length, step

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, i: int) -> Example:
        i = self.first + i * self.step
        return self.make(i, np.random.default_rng([self.seed, i]))


def _start_worker(_: int) -> None:
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    os.nice(1)


def batches(
    make: Callable[[int, np.random.Generator], Example], batch: int, seed: int, first: int, last: int, workers: int
) -> Iterator[dict[str, Any]]:
    """Batches of examples first..last-1, stacked into tensors.

    Of several processes (training.parallel) each gets its own share of every batch. ConfigError where they cannot share evenly.
    """
    process, processes = place()
    if batch % processes:
        raise ConfigError(f"loop.batch={batch} cannot be shared by {processes} processes; choose a multiple")
    data = ExampleDataset(make, seed, first + process, max(0, last - first) // processes, processes)
    return iter(
        DataLoader(
            data,
            batch_size=batch // processes,
            shuffle=False,
            drop_last=True,
            num_workers=workers,
            worker_init_fn=_start_worker,
            prefetch_factor=4 if workers else None,
            persistent_workers=False,
            pin_memory=torch.cuda.is_available(),
        )
    )
