"""What the lifter's lessons are worth: the same small training with one thing changed at a time, as one table.

python -m benchmarks.ablation --data DIR --rendered SHARDS --rendered-test SHARDS -o RUNS

DIR holds people/; the shards come from `python apps/render.py stills`, those for the test with `--part test`. Finished rows are
kept in RUNS and not trained again; the table goes to standard output and the figures to RUNS/ablation.json.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from benchmarks.kept import begin, in_one_line, keep, kept
from lift3d.loss import LiftLossConfig
from lift3d.network import LiftConfig
from posecore.errors import ConfigError
from training.augment import AugmentConfig
from training.lift_task import LiftLesson, SourceShares
from training.loop import LoopConfig
from training.runs import IMAGENET, DataFolders, LiftRun, make_trainer

PHOTOS = SourceShares(ccp=0.6, sports=1.8, lspet=1.6, rendered=0.0)
BOTH = replace(PHOTOS, rendered=2.0)
LOSS = LiftLossConfig()
LITE0 = LiftConfig(name="vnect_lite0", trunk="efficientnet_lite0")


@dataclass(frozen=True)
class Row:
    """One training: what it learns from, how, and on which trunk."""

    title: str
    shares: SourceShares = BOTH
    loss: LiftLossConfig = LOSS
    network: LiftConfig = LITE0


ROWS: Mapping[str, Row] = {
    "photos": Row("photos only", shares=PHOTOS),
    "rendered": Row("rendered people only", shares=SourceShares(ccp=0, sports=0, lspet=0, rendered=1)),
    "both": Row("photos and rendered people"),
    "everywhere": Row("both, location maps taught in all cells", loss=replace(LOSS, under_heat=False)),
    "unread": Row("both, the 3D not taught as it is read", loss=replace(LOSS, read=0.0)),
    "resnet18": Row("both, ResNet-18 of half width from scratch", network=LiftConfig()),
    "resnet50": Row("both, vnect_resnet50 from scratch", network=LiftConfig(name="vnect_resnet50")),
}
DEFAULT_ROWS = "photos,rendered,both,everywhere,unread,resnet18"  # the ResNet-50 wants a GPU
COLUMNS = {
    "photos_pck": "photos PCK",
    "photos_mpjpe_mm": "MPJPE to the teacher",
    "lspet_pck": "gymnasts PCK",
    "rendered_pck": "rendered PCK",
    "rendered_mpjpe_mm": "MPJPE",
    "rendered_pa_mpjpe_mm": "PA-MPJPE",
}


def make_run(row: Row, options: argparse.Namespace) -> LiftRun:
    """The settings of one row: all but the row's own are the same."""
    pretrained = row.network.trunk == LITE0.trunk
    loop = LoopConfig(
        samples=options.samples,
        learning_rate=1e-3,
        trunk_rate=0.4 if pretrained else 1.0,
        freeze_blocks=3 if pretrained else 0,
        warmup_steps=50,
        ema_decay=0.99,
        threads=options.threads,
        evaluate_every=10 * options.samples,
        device=options.device,
    )
    data = DataFolders(
        rendered=str(options.rendered.resolve()), rendered_val=str(options.rendered_test.resolve()), coco="", backgrounds=""
    )
    lesson = LiftLesson(
        size_px=options.size,
        easy_samples=options.samples // 4,
        shares=row.shares,
        augment=AugmentConfig(rotation_sd_deg=20, degrade=0.25, occlude=0.15, colour=0.6),
        loss=row.loss,
        network=replace(row.network, input_px=options.size),
    )
    return LiftRun(loop, data, lesson)


def train_row(name: str, options: argparse.Namespace) -> dict[str, float]:
    """Train one row; its figures are kept in its folder."""
    folder, run = options.output / name, make_run(ROWS[name], options)
    init = Path(IMAGENET) if run.lesson.network.trunk == LITE0.trunk else None
    trainer = make_trainer(run, options.data, folder, init, options.workers)
    begin(folder, made_with(options))
    figures = trainer.run(lambda line: print(f"{name}: {line}", flush=True))
    figures = {**figures, **over_photos(figures)}
    keep(folder, made_with(options), figures)
    return figures


def made_with(options: argparse.Namespace) -> dict[str, Any]:
    """The options that figures depend on."""
    folders = {name: str(getattr(options, name).resolve()) for name in ("data", "rendered", "rendered_test")}
    return {"samples": options.samples, "size": options.size, "device": options.device, **folders}


def over_photos(figures: Mapping[str, float]) -> dict[str, float]:
    """Street fashion and sports together, every person counting the same of whom there is such a figure."""
    out: dict[str, float] = {}
    for name, counted in (("pck", "pck_people"), ("mpjpe_mm", "mpjpe_people")):
        people = {source: figures[f"{source}_{counted}"] for source in ("ccp", "sports")}
        known = sum(count * figures[f"{source}_{name}"] for source, count in people.items() if count)
        out[f"photos_{name}"] = known / sum(people.values())
    return out


def table(figures: Mapping[str, Mapping[str, float]]) -> str:
    """The rows as Markdown; shares with three digits, millimetres whole."""
    lines = ["| trained on | " + " | ".join(COLUMNS.values()) + " |", "|---" * (1 + len(COLUMNS)) + "|"]
    for name, row in figures.items():
        cells = (f"{row[c]:.0f} mm" if c.endswith("_mm") else f"{row[c]:.3f}" for c in COLUMNS)
        lines.append(f"| {ROWS[name].title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ablation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, words in (
        ("--data", "folder that holds people/"),
        ("--rendered", "shards of rendered people to train on"),
        ("--rendered-test", "shards of the test part"),
    ):
        parser.add_argument(name, type=Path, required=True, help=words)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--rows", default=DEFAULT_ROWS, help=f"which of {', '.join(ROWS)} (default {DEFAULT_ROWS})")
    parser.add_argument("--samples", type=int, default=6000, help="crops seen in each training (default 6000)")
    parser.add_argument("--size", type=int, default=128, help="side of the crops (default 128)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of the network (default 1)")
    parser.add_argument("--workers", type=int, default=0, help="processes that prepare data (default 0)")
    parser.add_argument("--device", default="cpu")
    return parser


def main(argv: list[str] | None = None) -> int:
    options = make_parser().parse_args(argv)
    return in_one_line("ablation", lambda: run_rows(options))


def run_rows(options: argparse.Namespace) -> None:
    """Train what is not done yet; the table. ConfigError for a row that there is not."""
    names = options.rows.split(",")
    unknown = [name for name in names if name not in ROWS]
    if unknown:
        raise ConfigError(f"unknown row '{unknown[0]}' in --rows; there are {', '.join(ROWS)}")
    figures = {name: kept(options.output / name, made_with(options)) for name in names}
    for name in names:
        figures[name] = figures[name] or train_row(name, options)
    (options.output / "ablation.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(table(figures))


if __name__ == "__main__":
    sys.exit(main())
