"""Rendered people as training samples: exact joints and, alone among the sources, exact depth."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from posecore.camera import Camera
from posecore.errors import InputError
from posecore.oks import joints_box
from training.cutouts import behind
from training.samples import LABELS, PersonLabel, Sample, single, to_lift_frame
from training.synthetic.labels import Visibility
from training.synthetic.rendered import PersonLabel as RenderedPerson
from training.synthetic.rendered import RenderedSample, load_rendered

# By visibility code: outside the picture, behind another thing, behind the own body, visible.
VISIBILITY_TRUST = np.array([0.0, 0.5, 0.7, 1.0], dtype=np.float32)


LOOK_S = 15.0  # seconds between two looks for new shards


class ArrivingShards:
    """Samples of the shards in a folder, also of those that come while the training runs; a maker for training.mix.SourceMix.

    Every worker looks for itself. A shard that is not whole yet is tried again at the next look; InputError if it has not grown
    until then, and where there is none at all.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._samples: list[Sample] = []
        self._known: set[Path] = set()
        self._partial: dict[Path, int] = {}  # shards that could not be read, with their size then
        self._looked_s = -np.inf

    def __call__(self, rng: np.random.Generator) -> Sample:
        """Any sample of the shards that are there."""
        if time.monotonic() - self._looked_s > LOOK_S:
            self._look()
        if not self._samples:
            raise InputError(f"rendered people '{self.folder}': no shard has arrived; one must be there when a training starts")
        return self._samples[rng.integers(len(self._samples))]

    def _look(self) -> None:
        self._looked_s = time.monotonic()
        for path in sorted(set(self.folder.glob("*.npz")) - self._known):
            size = path.stat().st_size
            try:
                self._samples += load_rendered_samples(path)
                self._known.add(path)
            except InputError:
                if self._partial.get(path) == size:
                    raise
                self._partial[path] = size


def load_rendered_samples(path: Path) -> list[Sample]:
    """All pictures of a rendered data set; every person in them is labelled."""
    return [rendered_sample(rendered, f"{path.name}:{k}") for k, rendered in enumerate(load_rendered(path))]


def rendered_test_samples(path: Path) -> list[Sample]:
    """`load_rendered_samples` of what is measured on; InputError where a shard's name says that it is of the training part."""
    shards = [path] if path.is_file() else sorted(path.glob("*.npz"))
    learnt = [shard.name for shard in shards if shard.name.startswith("train_")]
    if learnt:
        raise InputError(
            f"rendered people '{path}': {learnt[0]} is of the part that networks learn from and says nothing of others; "
            "give shards of `apps/render.py stills --part test` (test_*.npz)"
        )
    return load_rendered_samples(path)


def rendered_sample(rendered: RenderedSample, key: str) -> Sample:
    """One picture with everybody of whom something is seen; of whom nearly all is hidden, only the box is known.

    The first is the picture's subject and seen well enough (`training.synthetic.stills`).
    """
    width, height = rendered.camera.size_wh
    shown = [(k, p) for k, label in enumerate(rendered.people) if (p := _person(label, rendered.camera)) is not None]
    hidden = [rendered.people[k].visibility == Visibility.BEHIND_OTHER for k, _ in shown]
    people = tuple(behind(p, covered) if k else p for k, ((_, p), covered) in enumerate(zip(shown, hidden, strict=True)))
    sample = Sample(key, "rendered", (width, height), people, _reader(rendered), complete=True, camera=rendered.camera)
    return replace(sample, visible_px=_visible_px(rendered, [k for k, _ in shown]))


def _reader(rendered: RenderedSample) -> Callable[[], NDArray[np.uint8]]:
    return lambda: np.asarray(rendered.rgb)


def _visible_px(rendered: RenderedSample, indices: list[int]) -> Callable[[int], NDArray[np.bool_]]:
    """The masks of those of the picture's people who are shown, each decoded when it is asked for."""
    return lambda k: rendered.mask(indices[k])


def _person(label: RenderedPerson, camera: Camera) -> PersonLabel | None:
    """As the lift sees the person; None if quite unseen."""
    trust = VISIBILITY_TRUST[label.visibility]
    if not (trust > 0).any():
        return None
    xy = np.nan_to_num(label.xy_px)
    box = joints_box(np.where(trust[:, None] > 0, xy, np.nan))
    xyz, scale = to_lift_frame(label.xyz_m, box, camera)
    known = np.ones(len(LABELS), dtype=np.float32)
    return PersonLabel(single(xy), trust, single(xyz), known, single(box), scale=scale)
