"""The detector's networks: sizes are data, fields come first, and the small one is small."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from backbones.trunk import TRUNKS
from pose2d.estimator import network_of
from pose2d.network import HEAT_CHANNELS, PAF_CHANNELS, DenseBlock, OpenPoseLight, PoseConfig
from pose2d.vgg import VGG19_CONFIG
from posecore.errors import ConfigError

SMALL = {"width": 8, "channels": 16, "block_width": 8}


@pytest.mark.parametrize("trunk", TRUNKS)
def test_the_light_detector_is_light(trunk):
    network = OpenPoseLight(PoseConfig(trunk=trunk)).eval()
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, 368, 368))
    assert 3e6 < sum(p.numel() for p in network.parameters()) < 4.5e6
    assert counter.get_total_flops() <= 10e9


@pytest.mark.parametrize(("paf_stages", "heat_stages"), [(1, 1), (3, 2), (5, 1)])
@pytest.mark.parametrize("name", ["openpose_light", "openpose_vgg19"])
def test_stages_are_as_many_as_asked_for(name, paf_stages, heat_stages):
    network = network_of(PoseConfig(name=name, paf_stages=paf_stages, heat_stages=heat_stages, **SMALL)).eval()
    with torch.inference_mode():
        pafs, heats = network(torch.zeros(1, 3, 64, 96))
    assert [tuple(p.shape) for p in pafs] == [(1, PAF_CHANNELS, 8, 12)] * paf_stages
    assert [tuple(h.shape) for h in heats] == [(1, HEAT_CHANNELS, 8, 12)] * heat_stages


def test_every_field_stage_and_the_heat_maps_read_the_fields_before():
    """With the features held still, moving the first fields moves all that comes after."""
    network = OpenPoseLight(PoseConfig(paf_stages=3, **SMALL)).eval()
    features = torch.rand(1, 16, 8, 8)
    with torch.inference_mode():
        pafs, heats = network.stages(features)
        network.stages.paf[0][-1].bias += 1.0
        moved_pafs, moved_heats = network.stages(features)
    for before, after in zip([*pafs, *heats], [*moved_pafs, *moved_heats], strict=True):
        assert (before - after).abs().max() > 1e-4


def test_a_dense_block_is_three_convolutions_side_by_side():
    """The first third sees 3x3 cells, the second 5x5, the last 7x7."""
    block = DenseBlock(1, 4).eval()
    for parameter in block.parameters():
        parameter.data.abs_()  # all rectifiers are open
    picture = torch.rand(1, 1, 15, 15, requires_grad=True)
    out = block(picture)
    assert out.shape == (1, 12, 15, 15)
    for third, reach in zip(out.split(4, dim=1), (1, 2, 3), strict=True):
        (gradient,) = torch.autograd.grad(third[..., 7, 7].sum(), picture, retain_graph=True)
        seen = gradient[0, 0].abs() > 0
        assert not seen.sum(dim=0)[: 7 - reach].any()
        assert seen[7 - reach : 8 + reach, 7 - reach : 8 + reach].any()


def test_a_name_without_a_network_is_refused():
    with pytest.raises(ConfigError, match="openpose_vgg19"):
        network_of(PoseConfig(name="openpose_huge"))


def test_the_full_detector_tells_no_sizes_that_it_does_not_read():
    """Whatever its settings say of a trunk, it has its own."""
    for config in (VGG19_CONFIG, PoseConfig(name="openpose_vgg19"), PoseConfig(name="openpose_vgg19", trunk="resnet18")):
        assert (config.settled().trunk, config.settled().width) == ("vgg19", 0)
    assert VGG19_CONFIG.width == 0
    assert OpenPoseLight(PoseConfig(**SMALL)).config == PoseConfig(trunk="resnet18", **SMALL)
    lite0 = PoseConfig(trunk="efficientnet_lite0").settled()
    assert (lite0.width, lite0.channels) == (0, 128)


@pytest.mark.parametrize("name", ["openpose_light", "openpose_vgg19"])
def test_a_trunk_that_the_detector_of_that_name_has_not_is_refused(name):
    trunk = {"openpose_light": "vgg19", "openpose_vgg19": "efficientnet_lite0"}[name]
    with pytest.raises(ConfigError, match=trunk) as error:
        PoseConfig(name=name, trunk=trunk)
    assert "\n" not in str(error.value)
