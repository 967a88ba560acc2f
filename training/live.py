"""People rendered on the fly, each when it is drawn, in the process that draws it: no shards to make, none that run out."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from training.rendered import rendered_sample
from training.samples import Sample
from training.synthetic.assets import open_assets
from training.synthetic.rendered import RenderedSample
from training.synthetic.stills import StillMix, StillStudio


class LiveStudio:
    """A maker of rendered samples that show what `mix` says. InputError for an asset pack that is none.

    OpenGL does not survive a fork, so every process opens its own studio at its first picture; the parent of the workers
    must draw none itself. Building a person takes longer than drawing one, so people appear again: unlike a stored sample
    a picture depends on what its process drew before.
    """

    def __init__(self, assets: Path, mix: StillMix) -> None:
        self._pack, self._mix = open_assets(assets), mix
        self._studio: StillStudio | None = None
        self._process = 0
        os.environ.setdefault("LP_NUM_THREADS", "1")  # one software rasteriser thread a process loses least

    def __call__(self, rng: np.random.Generator) -> Sample:
        """A new labelled picture."""
        if self._studio is None or self._process != os.getpid():
            self._studio, self._process = StillStudio(self._pack, "train", self._mix), os.getpid()
        still = self._studio.make(rng)
        jpeg = cv2.imencode(".jpg", cv2.cvtColor(still.rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, still.jpeg_quality])[
            1
        ]
        png = cv2.imencode(".png", still.person)[1]
        return rendered_sample(RenderedSample(jpeg.ravel(), png.ravel(), still.camera, tuple(still.people)), "live")
