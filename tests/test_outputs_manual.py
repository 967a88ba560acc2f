"""docs/outputs.md tells what the files really hold: names, codes and where bones lie."""

import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from apps.batch_jobs import Outcome
from apps.export_files import Exporter
from apps.overlay import LEFT_RGB, MIDDLE_RGB, RIGHT_RGB
from apps.result_folder import load_result
from posecore.export.rig import Rig, rig_motion
from posecore.types import Source
from tests.test_viewer import write_result
from tests.walker import SKELETON, walk

MANUAL = (Path(__file__).parents[1] / "docs" / "outputs.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """The manual's text from a heading to the next."""
    return re.split(r"\n##+ ", MANUAL.split(f"{title}\n", 1)[1])[0]


def named(text: str) -> list[str]:
    """Words of the first column of a section's table."""
    return [word for row in re.findall(r"^\|([^|]+)\|", text, re.M) for word in re.findall(r"`(\w+)`", row)]


def test_the_codes_of_source_are_told() -> None:
    assert ", ".join(f"{source.value} {source.name.lower()}" for source in Source) in section("`<clip>.npz`")


def test_the_keys_of_npz_are_told(tmp_path: Path) -> None:
    result = load_result(write_result(tmp_path / "walk_pose3d", [walk(3)], 3, film=False))
    (path,) = Exporter(result, "world", tmp_path).write("npz")
    with np.load(path) as file:
        assert sorted(file) == sorted(named(section("`<clip>.npz`")))


def test_the_columns_of_summary_csv_are_told() -> None:
    assert named(section("summary.csv of a batch")) == [item.name for item in fields(Outcome)]


def test_the_overlay_has_the_colours_told() -> None:
    assert "left side is blue, the right orange, the middle green" in section("overlay.mp4")
    assert [int(np.argmax(rgb)) for rgb in (LEFT_RGB, RIGHT_RGB, MIDDLE_RGB)] == [2, 0, 1]


@pytest.mark.parametrize(
    ("node", "joint"),
    [("left_hip", "pelvis"), ("right_hip", "pelvis"), ("spine", "pelvis"), ("left_hand", "left_wrist")]
    + [(name, name) for name in ("pelvis", "neck", "head")],
)
def test_a_node_lies_where_its_bone_starts(node: str, joint: str) -> None:
    motion = walk(2)
    rig = rig_motion(motion, motion.time_s, np.eye(4))
    np.testing.assert_allclose(node_start(rig, node), motion.xyz_m[0, SKELETON.index(joint)], atol=1e-6)


def node_start(rig: Rig, node: str) -> np.ndarray:
    """(3,) where a node lies in the first frame, by the tree as a program reads it."""
    chain = [rig.names.index(node)]
    while rig.parent[chain[0]] >= 0:
        chain.insert(0, rig.parent[chain[0]])
    place, turn = rig.root_m[0], Rotation.from_quat(rig.quaternion_xyzw[0, chain[0]])
    for bone in chain[1:]:
        place = place + turn.apply(rig.offset_m[bone])
        turn = turn * Rotation.from_quat(rig.quaternion_xyzw[0, bone])
    return place
