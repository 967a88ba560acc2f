"""Several processes on one training, one a GPU: `torchrun --nproc_per_node=N apps/train.py ...`; on a CPU it works too.

Each process makes and sees its own share of every batch and the gradients are averaged, so N processes take the step that one
would take with the whole batch, but for batch normalisation, whose statistics are each share's own. Process 0 logs, evaluates
and saves.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import torch
from torch import Tensor, distributed, nn

LONGEST_WAIT = timedelta(hours=3)  # the others wait while process 0 evaluates

Batch = dict[str, Tensor]
Loss = Callable[[nn.Module, Batch], dict[str, Tensor]]


def join(device: str) -> str:
    """Join the processes that torchrun started, if it did; the device of this one, of several GPUs its own."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return device
    on_gpu = device.startswith("cuda")
    if on_gpu:
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if on_gpu else "gloo", timeout=LONGEST_WAIT)
    return device


def leave() -> None:
    """Part from the other processes, if there are any."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def place() -> tuple[int, int]:
    """(number of this process, how many there are); (0, 1) alone."""
    if distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


class _LossOf(nn.Module):
    """A task's loss of a network as a module of its own, because tasks ask a network for more than its forward()."""

    def __init__(self, loss: Loss, network: nn.Module) -> None:
        super().__init__()
        self.loss, self.network = loss, network

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        return self.loss(self.network, batch)


def averaged(loss: Loss, network: nn.Module) -> Callable[[Batch], dict[str, Tensor]]:
    """The loss of a batch; among several processes its gradients are averaged, and all start from process 0's weights."""
    if not distributed.is_initialized():
        return partial(loss, network)
    return nn.parallel.DistributedDataParallel(_LossOf(loss, network))
