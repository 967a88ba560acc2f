"""One training loop for every network: AdamW, warm-up and cosine, bf16, EMA, resume, a log line per interval, curves."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from backbones.efficientnet_lite import EfficientNetLite0
from posecore.errors import ConfigError, InputError
from training.curves import draw_curves
from training.parallel import averaged, join, place

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class LoopConfig:
    """How long and how fast."""

    samples: int = 200_000  # samples seen in all
    time_limit_s: float = 0.0  # end by then, the rate falling by the clock, where time is what is short; 0: no limit
    batch: int = 32
    learning_rate: float = 1.5e-3  # peak
    trunk_rate: float = 1.0  # of it for the trunk's published features, not what merges or narrows them; less from ImageNet
    freeze_blocks: int = 0  # of EfficientNet-Lite0: its stem and this many blocks stay as they came
    weight_decay: float = 0.02
    warmup_steps: int = 200
    final_share: float = 0.02  # of the peak rate, at the end of the cosine
    ema_decay: float = 0.998
    clip_norm: float = 5.0  # of the gradient
    seed: int = 1
    threads: int = 2  # CPU threads of the network
    log_every_s: float = 60.0
    save_every_s: float = 300.0
    evaluate_every: int = 20_000  # samples
    device: str = "cpu"


class Task(Protocol):
    """What is trained."""

    def loss(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Loss terms; `total` is minimised, the others are logged."""

    def batches(self, config: LoopConfig, seen: int) -> Iterator[Batch]:
        """Endless batches, going on after `seen` samples."""

    def evaluate(self, network: nn.Module) -> dict[str, float]:
        """Figures on data that is never trained on."""


class Ema:
    """An exponential moving average of the weights (and a copy of the buffers), which is what is evaluated and shipped."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {k: v.detach().clone() for k, v in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move towards the network; quickly in the first steps, so that the start is forgotten."""
        decay = min(self.decay, (1 + step) / (10 + step))
        live = network.state_dict()
        moving = [key for key, value in live.items() if value.dtype.is_floating_point]
        torch._foreach_lerp_([self.state[key] for key in moving], [live[key] for key in moving], 1 - decay)
        for key in live.keys() - set(moving):
            self.state[key].copy_(live[key])


def rate_at(step: int, progress: float, config: LoopConfig) -> float:
    """Learning rate as a share of the peak: linear warm-up, then a cosine of the run's progress 0..1."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    return config.final_share + (1 - config.final_share) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def is_feature(name: str) -> bool:
    """Whether a parameter is the feature extractor's: of a trunk, without the pyramid or the layers that narrow it."""
    parts = name.split(".")
    return "trunk" in parts and not {"pyramid", "narrow"}.intersection(parts)


def make_optimizer(network: nn.Module, config: LoopConfig) -> torch.optim.Optimizer:
    """AdamW; biases and normalisations do not decay. Every group keeps its `share` of the learning rate.

    ConfigError for a `trunk_rate` of a network without a trunk.
    """
    if config.trunk_rate != 1 and not any(is_feature(name) for name, _ in network.named_parameters()):
        raise ConfigError(f"loop.trunk_rate={config.trunk_rate:g}: this network has no trunk; leave it at 1")
    groups = []
    for features in (False, True):
        some = [p for name, p in network.named_parameters() if is_feature(name) == features and p.requires_grad]
        share = config.trunk_rate if features else 1.0
        decay, plain = ([p for p in some if (p.ndim > 1) == big] for big in (True, False))
        groups.append({"params": decay, "weight_decay": config.weight_decay, "share": share})
        groups.append({"params": plain, "weight_decay": 0.0, "share": share})
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=config.learning_rate)


def regrouped(saved: dict[str, Any], network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """An optimizer's saved state for today's groups; earlier runs kept all of a ResNet or a VGG in two, by decay alone."""
    now = [p for group in optimizer.param_groups for p in group["params"]]
    count = sum(len(group["params"]) for group in saved["param_groups"])
    if len(saved["param_groups"]) == len(optimizer.param_groups) or count != len(now):
        return saved
    trained = [p for p in network.parameters() if p.requires_grad]
    before = [p for big in (True, False) for p in trained if (p.ndim > 1) == big]
    places = {id(p): k for k, p in enumerate(before)}
    state = {k: saved["state"][places[id(p)]] for k, p in enumerate(now) if places[id(p)] in saved["state"]}
    return {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}


def freeze_start(network: nn.Module, blocks: int) -> None:
    """Freeze the stem and the first `blocks` blocks of EfficientNet-Lite0. ConfigError for a network without it."""
    if not blocks:
        return
    parts = [part for part in network.modules() if isinstance(part, EfficientNetLite0)]
    if not parts:
        raise ConfigError(f"loop.freeze_blocks={blocks}: this network has no EfficientNet-Lite0 to freeze; leave it at 0")
    for part in parts:
        part.freeze(blocks)


class Trainer:
    """Runs a task; `folder` keeps checkpoint.pt, log.jsonl and curves.png, and an interrupted run goes on from there.

    Under torchrun every process runs one; the first alone writes and evaluates (training.parallel).
    """

    def __init__(self, task: Task, network: nn.Module, config: LoopConfig, folder: Path) -> None:
        self.task, self.config, self.folder = task, config, folder
        torch.manual_seed(config.seed)
        torch.set_num_threads(config.threads)
        self.device = join(config.device)
        self.leads = place()[0] == 0
        self.network = network.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        freeze_start(self.network, config.freeze_blocks)
        self.optimizer = make_optimizer(self.network, config)
        self.ema = Ema(self.network, config.ema_decay)
        self.step, self.seen, self.spent_s = 0, 0, 0.0
        if config.time_limit_s and place()[1] > 1:
            raise ConfigError("loop.time_limit_s is for one process: several would not stop at the same step; set loop.samples")
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "checkpoint.pt").is_file():
            self._resume()
        self._loss = averaged(task.loss, self.network)

    @property
    def progress(self) -> float:
        """How much of the run is behind us, 0..1: of its samples after the warm-up or of its time, whichever is more.

        Samples, not steps: a run may go on with another batch.
        """
        batch, limit = self.config.batch, self.config.time_limit_s
        warmup, last = self.config.warmup_steps * batch, self.config.samples // batch * batch
        by_samples = (self.seen - warmup) / max(batch, last - warmup)
        return max(0.0, by_samples, self.spent_s / limit if limit else 0.0)

    def run(self, say: Callable[[str], None] = print) -> dict[str, Any]:
        """Train to the end; returns the figures of the weights it ends with, of other processes than the first nothing."""
        last_log = last_save = now = time.monotonic()
        sums: dict[str, float] = {}
        count, figures, measured = 0, {}, -1  # the step that the figures are of
        for batch in self.task.batches(self.config, self.seen):
            if self.seen + self.config.batch > self.config.samples or self.progress >= 1:
                break
            for name, value in self._one_step(batch).items():
                sums[name] = sums.get(name, 0.0) + value
            before, now = now, time.monotonic()
            self.spent_s += now - before
            if not self.leads:
                continue
            count += 1
            if now - last_log >= self.config.log_every_s:
                speed = count * self.config.batch / (now - last_log)
                self._log({**{k: v / count for k, v in sums.items()}, "samples_per_s": speed}, say)
                sums, count, last_log = {}, 0, now
            if now - last_save >= self.config.save_every_s:
                self.save()
                last_save = now
            if self.seen // self.config.evaluate_every != (self.seen - self.config.batch) // self.config.evaluate_every:
                figures, measured = self.evaluate(say), self.step
                last_log += time.monotonic() - now
        if not self.leads:
            return {}
        self.save()
        return figures if measured == self.step else self.evaluate(say)

    def _one_step(self, batch: Batch) -> dict[str, float]:
        for group in self.optimizer.param_groups:
            group["lr"] = group["share"] * self.config.learning_rate * rate_at(self.step, self.progress, self.config)
        batch = {k: v.to(self.device, non_blocking=True) for k, v in batch.items()}
        self.network.train()
        terms = self._loss(batch)
        self.optimizer.zero_grad(set_to_none=True)
        terms["total"].backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip_norm)
        self.optimizer.step()
        self.step += 1
        self.seen += self.config.batch
        self.ema.update(self.network, self.step)
        return {k: float(v.detach()) for k, v in terms.items()}

    def evaluate(self, say: Callable[[str], None] = print) -> dict[str, float]:
        """The task's figures with the averaged weights."""
        live = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.network.load_state_dict(self.ema.state)
        self.network.eval()
        with torch.inference_mode():
            figures = self.task.evaluate(self.network)
        self.network.load_state_dict(live)
        self._log({f"val_{k}": v for k, v in figures.items()}, say)
        draw_curves(self.folder / "log.jsonl", self.folder / "curves.png")
        return figures

    def _log(self, figures: dict[str, float], say: Callable[[str], None]) -> None:
        row = {"seen": self.seen, **{k: round(v, 5) for k, v in figures.items()}}
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
        say("  ".join(f"{k} {v:g}" for k, v in row.items()))

    def save(self) -> None:
        """Write the checkpoint; the old one stays until the new one is whole."""
        state = {
            "network": self.network.state_dict(),
            "ema": self.ema.state,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seen": self.seen,
            "spent_s": self.spent_s,
            "config": asdict(self.config),
        }
        part = self.folder / "checkpoint.part"
        torch.save(state, part)
        part.replace(self.folder / "checkpoint.pt")

    def _resume(self) -> None:
        """Go on from the checkpoint; learning rates and decays are those of today's settings. InputError if it does not fit."""
        state = torch.load(self.folder / "checkpoint.pt", map_location=self.device, weights_only=True)
        settings = [{k: group[k] for k in ("share", "weight_decay")} for group in self.optimizer.param_groups]
        try:
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(regrouped(state["optimizer"], self.network, self.optimizer))
        except (RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"{self.folder} holds a run of another network or other frozen blocks ({reason}); go on with its settings, "
                "or start a new folder with --init"
            ) from None
        for group, own in zip(self.optimizer.param_groups, settings, strict=True):
            group.update(own)
        self.ema.state = state["ema"]
        self.step, self.seen, self.spent_s = state["step"], state["seen"], state.get("spent_s", 0.0)
