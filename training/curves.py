"""Training curves as a picture, from the run's log."""

from __future__ import annotations

import json
from pathlib import Path


def draw_curves(log: Path, picture: Path) -> None:
    """One small plot per logged figure over the samples seen; without any figure no picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    names = sorted({key for row in rows for key in row if key != "seen"})
    if not names:
        return  # a run too short to log anything
    columns = 4
    figure, axes = plt.subplots(
        -(-len(names) // columns), columns, figsize=(16, 2.6 * -(-len(names) // columns)), squeeze=False
    )
    for axis, name in zip(axes.flat, names, strict=False):
        points = [(row["seen"], row[name]) for row in rows if name in row]
        axis.plot(*zip(*points, strict=True), ".-")
        axis.set_title(name, fontsize=9)
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(picture, dpi=60)
    plt.close(figure)
