"""Time of decoding 10 people on 46x82 cells, one core, and its ratio to the slow twin. Run: python benchmarks/decode.py"""

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pose2d.codec import DecodeSettings, decode
from pose2d.targets import encode
from tests import reference
from tests.people2d import crowd

CELLS_HW, STRIDE, PEOPLE = (46, 82), 8, 10


def noisy_maps(noise=0.03):
    """Maps of ten people side by side as a network might give them: targets, damped, with noise."""
    people = crowd(PEOPLE, (CELLS_HW[1] * STRIDE, CELLS_HW[0] * STRIDE), 250)
    rng = np.random.default_rng(0)
    heat, paf = encode(people, np.ones((PEOPLE, 18)), CELLS_HW, STRIDE)
    return [(0.85 * m + rng.normal(0, noise, m.shape)).astype(np.float32) for m in (heat, paf)]


def median_ms(call, repeats):
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return 1e3 * float(np.median(times))


def main():
    heat, paf = noisy_maps()
    found = len(decode(heat, paf, STRIDE))
    fast_ms = median_ms(lambda: decode(heat, paf, STRIDE), 101)
    slow_ms = median_ms(lambda: reference.decode(heat, paf, STRIDE, DecodeSettings()), 1)
    print(f"{found} of {PEOPLE} people on {CELLS_HW[0]}x{CELLS_HW[1]} cells")
    print(f"decode {fast_ms:.2f} ms median, slow twin {slow_ms:.0f} ms, ratio {slow_ms / fast_ms:.0f}")


if __name__ == "__main__":
    main()
