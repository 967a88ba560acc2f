import numpy as np
import pytest
import torch
from torch import nn

from apps.convert import main as convert
from backbones.runtime import to_input
from pose2d.estimator import PoseEstimator
from pose2d.public_weights import (
    IMAGENET_DEVIATION,
    IMAGENET_MEAN,
    PUBLISHED_FIELD,
    load_imagenet_trunk,
    load_openpose_2017,
    load_openpose_trunk,
    load_published_trunk,
    read_public,
)
from pose2d.vgg import OpenPoseVgg19, VggTrunk
from posecore.errors import WeightsError
from posecore.skeleton import load_skeleton

# The published model's limbs by its own joint numbers (from 1), and the channels of their fields counted after 19 heat maps.
PUBLISHED_LIMBS = "2-3 2-6 3-4 4-5 6-7 7-8 2-9 9-10 10-11 2-12 12-13 13-14 2-1 1-15 15-17 1-16 16-18 3-17 6-18"
PUBLISHED_CHANNELS = "31 39 33 35 41 43 19 21 23 25 27 29 47 49 53 51 55 37 45"

TRUNK = {
    "conv1_1": (64, 3, 3), "conv1_2": (64, 64, 3), "conv2_1": (128, 64, 3), "conv2_2": (128, 128, 3),
    "conv3_1": (256, 128, 3), "conv3_2": (256, 256, 3), "conv3_3": (256, 256, 3), "conv3_4": (256, 256, 3),
    "conv4_1": (512, 256, 3), "conv4_2": (512, 512, 3), "conv4_3_CPM": (256, 512, 3), "conv4_4_CPM": (128, 256, 3),
}  # fmt: skip


def published_shapes():
    """Layer -> (outputs, inputs, kernel) of the COCO body model of 2017."""
    shapes = dict(TRUNK)
    for branch, maps in (("L1", 38), ("L2", 19)):
        for k, row in enumerate([(128, 128, 3)] * 3 + [(512, 128, 1), (maps, 512, 1)], start=1):
            shapes[f"conv5_{k}_CPM_{branch}"] = row
        for stage in range(2, 7):
            rows = [(128, 185, 7)] + [(128, 128, 7)] * 4 + [(128, 128, 1), (maps, 128, 1)]
            for k, row in enumerate(rows, start=1):
                shapes[f"Mconv{k}_stage{stage}_{branch}"] = row
    return shapes


@pytest.fixture(scope="module")
def state():
    generator = torch.Generator().manual_seed(0)
    out = {}
    for layer, (outputs, inputs, kernel) in published_shapes().items():
        scale = (2 / (inputs * kernel**2)) ** 0.5  # keeps the signal's size through the layers
        out[f"{layer}.weight"] = torch.randn(outputs, inputs, kernel, kernel, generator=generator) * scale
        out[f"{layer}.bias"] = torch.randn(outputs, generator=generator) * 0.1
    return out


def conv(x, state, layer, relu=True):
    weight = state[f"{layer}.weight"]
    y = nn.functional.conv2d(x, weight, state[f"{layer}.bias"], padding=weight.shape[-1] // 2)
    return torch.relu(y) if relu else y


def published_features(bgr, state):
    x = bgr / 256 - 0.5
    for layer in TRUNK:
        x = conv(x, state, layer)
        if layer in ("conv1_2", "conv2_2", "conv3_4"):
            x = nn.functional.max_pool2d(x, 2)
    return x


def published_network(bgr, state):
    """Fields and heat maps of the last stage, written layer by layer with the published names."""
    features = published_features(bgr, state)
    x = features
    for stage in range(1, 7):
        maps = []
        for branch in ("L1", "L2"):
            names = [f"Mconv{k}_stage{stage}_{branch}" for k in range(1, 8)]
            if stage == 1:
                names = [f"conv5_{k}_CPM_{branch}" for k in range(1, 6)]
            y = x
            for name in names[:-1]:
                y = conv(y, state, name)
            maps.append(conv(y, state, names[-1], relu=False))
        x = torch.cat([*maps, features], dim=1)
    return maps


def picture(size=136):
    return torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(1)) * 255


def inside(maps, cells):
    """Without the cells that see the picture's surroundings: zeros before or after the change of pixel values."""
    return maps[..., cells:-cells, cells:-cells]


def test_the_table_of_fields_is_the_published_one():
    limbs = load_skeleton("openpose18").limbs
    assert [f"{a + 1}-{b + 1}" for a, b in limbs] == PUBLISHED_LIMBS.split()
    assert [c + 19 for c in PUBLISHED_FIELD] == [int(c) for c in PUBLISHED_CHANNELS.split()]


def test_the_network_of_2017_gives_what_the_published_one_gives(state):
    rgb = picture(40)
    with torch.inference_mode():
        wanted = published_network(rgb.flip(1), state)
        network = load_openpose_2017({f"module.model0.{name}": value for name, value in state.items()})
        pafs, heats = network(rgb / 255 - 0.5)
    order = [channel + axis for channel in PUBLISHED_FIELD for axis in (0, 1)]
    for ours, theirs in ((pafs[-1], wanted[0][:, order]), (heats[-1], wanted[1])):
        assert theirs.std() > 1e-3
        # The zeros outside the picture are 0.5 / 256 off after the change of pixel values; nothing else may differ.
        assert (ours - theirs).abs().max() < 0.05 * theirs.std()


def test_features_are_exact_away_from_the_border(state):
    rgb, trunk = picture(), VggTrunk()
    load_openpose_trunk(trunk, state)
    with torch.inference_mode():
        ours, theirs = trunk(rgb / 255 - 0.5), published_features(rgb.flip(1), state)
    torch.testing.assert_close(inside(ours, 8), inside(theirs, 8), rtol=1e-4, atol=1e-4)
    with torch.inference_mode():
        swapped = trunk(rgb.flip(1) / 255 - 0.5)
    assert (inside(swapped, 8) - inside(theirs, 8)).abs().max() > 0.01


def test_imagenet_features_take_our_pixels(state):
    index = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21)
    layers = list(TRUNK)[:10]
    imagenet = {
        f"features.{k}.{n}": state[f"{name}.{n}"] for k, name in zip(index, layers, strict=True) for n in ("weight", "bias")
    }
    trunk = VggTrunk()
    load_imagenet_trunk(trunk, imagenet)
    rgb = picture() / 255
    mean, deviation = (torch.tensor(v)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    x = (rgb - mean) / deviation
    with torch.inference_mode():
        for layer in layers:
            x = conv(x, state, layer)
            if layer in ("conv1_2", "conv2_2", "conv3_4"):
                x = nn.functional.max_pool2d(x, 2)
        ours = trunk.vgg(rgb - 0.5)
    torch.testing.assert_close(inside(ours, 6), inside(x, 6), rtol=1e-4, atol=1e-4)


def test_full_size_maps_have_the_shapes_of_the_light_ones():
    with torch.inference_mode():
        pafs, heats = OpenPoseVgg19().eval()(torch.zeros(1, 3, 16, 24))
    assert [tuple(p.shape) for p in pafs] == [(1, 38, 2, 3)] * 5
    assert [tuple(h.shape) for h in heats] == [(1, 19, 2, 3)]


def test_features_are_taken_from_whichever_network_the_names_tell(state):
    features = {
        f"features.{layer}.{part}": state[f"{name}.{part}"]
        for layer, name in zip((0, 2, 5, 7, 10, 12, 14, 16, 19, 21), TRUNK, strict=False)
        for part in ("weight", "bias")
    }
    for published, own in ((state, load_openpose_trunk), (features, load_imagenet_trunk)):
        torch.manual_seed(0)
        by_name = VggTrunk()
        load_published_trunk(by_name, published)
        torch.manual_seed(0)
        wanted = VggTrunk()
        own(wanted, published)
        torch.testing.assert_close(by_name.state_dict(), wanted.state_dict(), rtol=0, atol=0)


def test_an_imported_file_makes_a_detector_and_a_foreign_card_is_refused(tmp_path, state, capsys):
    torch.save(state, tmp_path / "body.pth")
    assert convert(["openpose2017", str(tmp_path / "body.pth"), "-o", str(tmp_path / "body.safetensors")]) == 0
    detector = PoseEstimator(tmp_path / "body.safetensors", heights_px=(32,))
    rgb = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    heat, paf, _ = detector.maps(rgb, 32)
    with torch.inference_mode():
        pafs, heats = load_openpose_2017(state)(to_input(torch.from_numpy(rgb[None])))
    for ours, network in ((heat, heats[-1][0]), (paf, pafs[-1][0])):
        assert np.abs(ours - network.numpy()).max() < 0.1 * network.std()  # half precision file, bf16 arithmetic
    card = tmp_path / "body.yaml"
    card.write_text(card.read_text().replace("openpose_2017", "hourglass"))
    with pytest.raises(WeightsError, match="'openpose_light' or 'openpose_vgg19'"):
        PoseEstimator(tmp_path / "body.safetensors")


def test_files_are_read_and_foreign_ones_refused(tmp_path, state):
    few = {name: state[name] for name in ("conv1_1.weight", "conv1_1.bias")}
    torch.save({"state_dict": few}, tmp_path / "few.pth")
    assert set(read_public(tmp_path / "few.pth")) == set(few)
    with pytest.raises(WeightsError, match=r"no conv1_2\.weight"):
        load_openpose_trunk(VggTrunk(), read_public(tmp_path / "few.pth"))
    with pytest.raises(WeightsError, match="expected shape"):
        load_openpose_trunk(VggTrunk(), state | {"conv1_2.weight": torch.zeros(1)})
    (tmp_path / "text.pth").write_text("not weights")
    with pytest.raises(WeightsError, match="state dict"):
        read_public(tmp_path / "text.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="tensors"):
        read_public(tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="no weights file"):
        read_public(tmp_path / "none.pth")


def test_what_cannot_be_converted_is_one_clear_line(tmp_path, capsys):
    (tmp_path / "text.pth").write_text("not weights")
    for output, reason in (("out.bin", "safetensors"), ("out.safetensors", "state dict")):
        assert convert(["openpose2017", str(tmp_path / "text.pth"), "-o", str(tmp_path / output)]) == 2
        error = capsys.readouterr().err
        assert reason in error
        assert error.count("\n") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["text.pth"]
