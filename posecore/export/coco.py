"""The joints in the image as one COCO-style JSON file: images, annotations, one category with vnect21's joints.

Differences to COCO, all additions: `frame`, `time_s` of images; `track_id` (the person) and `keypoint_scores` of annotations.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.results import Joints2D, whole_file
from posecore.skeleton import load_skeleton

Floats = NDArray[np.float64]


def write_coco(path: Path, joints: Joints2D, size_wh: tuple[int, int], name: str) -> None:
    """`joints` as COCO keypoints; pixels have their centre at integers, as in all files here. `name` is the clip's."""
    skeleton = load_skeleton("vnect21")
    category = {
        "id": 1,
        "name": "person",
        "supercategory": "person",
        "keypoints": list(skeleton.joints),
        "skeleton": [[a + 1, b + 1] for a, b in skeleton.limbs],
    }
    images = [
        {"id": int(frame), "file_name": f"{name}/{frame:06d}", "frame": int(frame), "time_s": round(float(time_s), 6)}
        | {"width": size_wh[0], "height": size_wh[1]}
        for frame, time_s in zip(joints.frame, joints.time_s, strict=True)
    ]
    annotations: list[dict[str, Any]] = []
    for f, frame in enumerate(joints.frame.tolist()):
        for p, person in enumerate(joints.persons.tolist()):
            found = annotate(joints.xy_px[p, f], joints.score[p, f])
            if found is not None:
                annotations.append({"id": len(annotations) + 1, "image_id": frame, "track_id": person} | found)
    text = json.dumps({"images": images, "annotations": annotations, "categories": [category]}, separators=(",", ":"))
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")


def annotate(xy_px: Floats, score: Floats) -> dict[str, Any] | None:
    """One person's annotation from (21, 2) pixels and (21,) scores; None where no joint was seen.

    Visibility is 2 where a joint was seen and 0 where not; the box is the tightest around the joints.
    """
    seen = np.asarray(np.isfinite(xy_px).all(axis=1))
    if not seen.any():
        return None
    score = np.where(seen, np.nan_to_num(score), 0.0)
    flat = np.column_stack([np.where(seen[:, None], xy_px, 0.0), 2.0 * seen]).round(2)
    x0, y0 = xy_px[seen].min(axis=0)
    width, height = xy_px[seen].max(axis=0) - (x0, y0)
    return {
        "category_id": 1,
        "keypoints": [int(v) if k % 3 == 2 else v for k, v in enumerate(flat.ravel().tolist())],
        "keypoint_scores": score.round(3).tolist(),
        "num_keypoints": int(seen.sum()),
        "bbox": [round(float(v), 2) for v in (x0, y0, width, height)],
        "area": round(float(width * height), 2),
        "iscrowd": 0,
        "score": round(float(score[seen].mean()), 4),
    }
