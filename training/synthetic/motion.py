"""Motion capture: clips of role rotations and root translations at 30 Hz (CMU Graphics Lab Motion Capture Database)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from training.synthetic.assets import AssetPack, Part, split
from training.synthetic.retarget import ROLE, ROLES

RATE_HZ = 30.0
_HEAD_UP_DEG = {"salsa": 5.0, "indian": 5.0, "martial": 5.0}  # these takes look up at the studio's rafters by so much
_SMOOTH_FRAMES = 1.5  # the pack's 8-bit quaternions step by half a degree; this much blur hides it


@dataclass(frozen=True)
class MotionClip:
    """One take: quaternion_xyzw (T, 21, 4) of the roles, stage axes; root_m (T, 3) in the take's own length unit."""

    name: str
    category: str
    quaternion_xyzw: NDArray[np.float32]
    root_m: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.root_m)

    def rotations(self, frame: int) -> NDArray[np.float64]:
        """(21, 3, 3) role rotations of one frame."""
        return self._level_head(Rotation.from_quat(self.quaternion_xyzw[frame]).as_matrix())

    def smooth_rotations(self) -> NDArray[np.float64]:
        """(T, 21, 3, 3) role rotations of the whole take, free of the quantisation's jitter."""
        q = self.quaternion_xyzw / np.linalg.norm(self.quaternion_xyzw, axis=-1, keepdims=True)
        flips = np.where((q[1:] * q[:-1]).sum(axis=-1, keepdims=True) < 0, -1.0, 1.0)
        q[1:] *= np.cumprod(flips, axis=0)
        q = gaussian_filter1d(q.astype(np.float64), _SMOOTH_FRAMES, axis=0, mode="nearest")
        return self._level_head(Rotation.from_quat(q.reshape(-1, 4)).as_matrix().reshape(len(self), len(ROLES), 3, 3))

    def _level_head(self, Q: NDArray[np.float64]) -> NDArray[np.float64]:
        down = Rotation.from_euler("x", _HEAD_UP_DEG.get(self.category, 0.0), degrees=True).as_matrix()
        Q[..., ROLE["head"], :, :] = Q[..., ROLE["head"], :, :] @ down
        return Q


class MotionBank:
    """The clips of one part of the split, by category."""

    def __init__(self, pack: AssetPack, part: Part) -> None:
        raw = pack.arrays("motion")
        bounds = list(zip(raw["start"][:-1], raw["start"][1:], raw["names"], strict=True))
        self.clips = [
            MotionClip(
                str(name),
                str(name).rsplit("_", 1)[0],
                (raw["q"][a:b] / np.float32(127)).astype(np.float32),
                raw["t"][a:b].astype(np.float32),
            )
            for a, b, name in split(bounds, part)
        ]
        self.categories = sorted({clip.category for clip in self.clips})

    def of(self, category: str) -> list[MotionClip]:
        """All clips of a category."""
        return [clip for clip in self.clips if clip.category == category]

    def sample_frame(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """(21, 3, 3) role rotations of a random frame, every category equally often."""
        clips = self.of(self.categories[rng.integers(len(self.categories))])
        clip = clips[rng.integers(len(clips))]
        return clip.rotations(int(rng.integers(len(clip))))
