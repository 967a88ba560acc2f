"""The asset pack: one folder with bodies, garments, motion, textures, backgrounds and occluders; and its train/test split."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from posecore.errors import InputError

Part = Literal["train", "test"]
Item = TypeVar("Item")

ASSETS_ENV = "VIDEO3D_ASSETS"
TEST_EVERY = 10  # each tenth body, motion clip and background is kept for testing
_REQUIRED = ("anny.npz", "groups.npz", "motion.npz")  # without the rest, people wear cut clothes before made-up backgrounds


@dataclass(frozen=True)
class AssetPack:
    """A checked asset folder. Arrays are read when first asked for and kept."""

    folder: Path
    _cache: dict[str, Mapping[str, NDArray]] = field(default_factory=dict, repr=False)

    def arrays(self, name: str) -> Mapping[str, NDArray]:
        """The arrays of `name`.npz."""
        if name not in self._cache:
            with np.load(self.folder / f"{name}.npz", allow_pickle=False) as stored:
                self._cache[name] = {key: stored[key] for key in stored.files}
        return self._cache[name]

    def garment_names(self) -> set[str]:
        """Names of the artist-made garments; empty if the pack has none."""
        if not (self.folder / "garments.npz").is_file():
            return set()
        return {key.rsplit(".", 1)[0] for key in self.arrays("garments")}

    def texture(self, stem: str) -> Path | None:
        """Path of the texture `stem`, None if the pack has none of that name."""
        path = self.folder / "mhtex" / f"{stem}.webp"
        return path if path.is_file() else None

    def texture_stems(self, prefix: str) -> list[str]:
        """Sorted names of the textures that begin with `prefix`."""
        return sorted(path.stem for path in (self.folder / "mhtex").glob(f"{prefix}*.webp"))

    def backgrounds(self, kind: Literal["real", "abstract"]) -> list[Path]:
        """Sorted background pictures without people: photographs or abstract wallpapers."""
        index = self.folder / "bg_use.json"
        wanted = set(json.loads(index.read_text(encoding="utf-8"))[kind]) if index.is_file() else set()
        return sorted(path for path in (self.folder / "bg").glob("*.webp") if int(path.stem) in wanted)

    def occluders(self) -> list[Path]:
        """Sorted cut-out pictures with transparency."""
        return sorted((self.folder / "occ").glob("*.webp"))


def open_assets(folder: str | Path | None = None) -> AssetPack:
    """The asset pack in `folder`, else in $VIDEO3D_ASSETS. InputError names what is missing."""
    chosen = folder or os.environ.get(ASSETS_ENV)
    if not chosen:
        raise InputError(f"rendering people needs an asset pack: give --assets DIR or set {ASSETS_ENV}")
    path = Path(chosen)
    missing = [name for name in _REQUIRED if not (path / name).exists()]
    if missing:
        raise InputError(f"asset pack '{path}': expected {', '.join(_REQUIRED)}; missing {', '.join(missing)}")
    return AssetPack(path)


def split(items: Sequence[Item], part: Part) -> list[Item]:
    """The training or the test share of a sorted list: every tenth item is for testing, so the two never meet."""
    is_test = [i % TEST_EVERY == TEST_EVERY - 1 for i in range(len(items))]
    return [item for item, test in zip(items, is_test, strict=True) if test == (part == "test")]


def read_rgba(path: Path, size_wh: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """(H, W, 4) uint8 RGBA of a picture file, resized to `size_wh` if given. InputError if it cannot be read."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise InputError(f"picture '{path}' cannot be read; expected an image file that OpenCV knows")
    codes = {2: cv2.COLOR_GRAY2RGBA, 3: cv2.COLOR_BGR2RGBA, 4: cv2.COLOR_BGRA2RGBA}
    rgba = cv2.cvtColor(image, codes[2 if image.ndim == 2 else image.shape[2]])
    return np.asarray(rgba if size_wh is None else cv2.resize(rgba, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
