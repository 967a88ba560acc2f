import numpy as np
import pytest

from posecore.errors import ConfigError
from posecore.skeleton import convert, halves, load_skeleton

# VNect's published parents, 0-based, in its own joint order.
VNECT_PARENTS = [16, 15, 1, 2, 3, 1, 5, 6, 14, 8, 9, 14, 11, 12, 14, 14, 1, 4, 7, 10, 13]


@pytest.mark.parametrize("name", ["vnect21", "coco17", "openpose18"])
def test_is_a_tree_and_mirror_is_an_involution(name):
    skeleton = load_skeleton(name)
    assert sorted(skeleton.order) == list(range(len(skeleton)))
    assert skeleton.order[0] == skeleton.root == skeleton.parent[skeleton.root]
    assert (skeleton.mirror[skeleton.mirror] == np.arange(len(skeleton))).all()


def test_vnect_order_is_the_published_one():
    assert list(load_skeleton("vnect21").parent) == VNECT_PARENTS


def test_openpose_has_nineteen_limbs():
    assert len(load_skeleton("openpose18").limbs) == 19


def test_convert_takes_by_name_and_makes_neck_and_pelvis_from_their_pairs():
    coco, vnect = load_skeleton("coco17"), load_skeleton("vnect21")
    xy = np.random.default_rng(0).normal(size=(4, 17, 2))
    out = convert(xy, coco, vnect)
    assert (out[:, vnect.index("left_knee")] == xy[:, coco.index("left_knee")]).all()
    shoulders = xy[:, coco.indices(["left_shoulder", "right_shoulder"])]
    np.testing.assert_allclose(out[:, vnect.index("neck")], shoulders.mean(axis=1))
    assert np.isnan(out[:, vnect.index("spine")]).all()


def test_unknown_names_are_refused_with_what_there_is():
    with pytest.raises(ConfigError, match="vnect21"):
        load_skeleton("vnect22")
    with pytest.raises(ConfigError, match="left_knee"):
        load_skeleton("vnect21").index("knee")


@pytest.mark.parametrize("name", ["vnect21", "openpose18", "coco17"])
def test_the_halves_of_a_body_share_the_pelvis_alone_and_have_two_sides(name):
    skeleton = load_skeleton(name)
    upper, lower = halves(skeleton.joints)
    assert (upper | lower).all()
    assert [skeleton.joints[j] for j in np.flatnonzero(upper & lower)] == (["pelvis"] if "pelvis" in skeleton.joints else [])
    np.testing.assert_array_equal(halves(skeleton.joints)[:, skeleton.mirror], halves(skeleton.joints))
    parts = {skeleton.joints[j].split("_")[-1] for j in np.flatnonzero(lower)} - {"pelvis", "toe"}
    assert parts == {"hip", "knee", "ankle"}
