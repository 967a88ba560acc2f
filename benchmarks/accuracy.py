"""All accuracy figures of the default weights in one run: `python -m benchmarks.accuracy --data DIR [--rendered DIR]`.

DIR holds people/ and pose2sim/; --rendered is a folder of test shards written by `apps/render.py stills --part test`. Without
--data there is nothing real to measure on and the run says so.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from apps.evaluate import main as evaluate


def measure(words: list[str], folder: Path, name: str) -> dict[str, Any]:
    """One evaluation by its command line; its figures are kept beside the others."""
    print(f"$ python apps/evaluate.py {' '.join(words)}", flush=True)
    path = folder / f"{name}.json"
    if evaluate([*words, "--json", str(path)]) != 0:
        raise SystemExit(2)
    return json.loads(path.read_text(encoding="utf-8"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with people/ and pose2sim/")
    parser.add_argument("--rendered", type=Path, help="folder of rendered test stills")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/accuracy"), help="folder of the figures")
    options = parser.parse_args()
    if options.data is None:
        print("benchmarks.accuracy: no --data DIR given (people/, pose2sim/); nothing was measured", file=sys.stderr)
        return 0
    options.output.mkdir(parents=True, exist_ok=True)
    jobs = {
        "lift3d_people": ["lift3d", "--set", "people", "--data", str(options.data / "people")],
        "pose2d_people": ["pose2d", "--set", "people", "--data", str(options.data / "people")],
        "pose2sim": ["pose2sim", "--data", str(options.data / "pose2sim")],
    }
    if options.rendered:
        jobs["lift3d_synthetic"] = ["lift3d", "--set", "synthetic", "--data", str(options.rendered)]
    for name, words in jobs.items():
        measure(words, options.output, name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
