"""Running networks where the user is: what the processor can do, from several threads, on any number of pictures."""

import threading

import numpy as np
import pytest
import torch
from torch import nn

from backbones import runtime
from backbones.runtime import OpenVinoRunner, has_bf16


class _NoOperators:
    """torch.ops.mkldnn of a torch that was built without oneDNN: every look-up fails."""

    def __getattr__(self, name):
        raise AttributeError(f"'_OpNamespace' 'mkldnn' object has no attribute '{name}'")


@pytest.mark.parametrize("available", [False, True])
def test_a_torch_without_onednn_has_no_fast_bf16(monkeypatch, available):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: available)
    monkeypatch.setattr(torch.ops, "mkldnn", _NoOperators())
    assert has_bf16(torch.device("cpu")) is False


@pytest.mark.parametrize("answer", [False, True])
def test_with_onednn_the_processor_answers_for_bf16(monkeypatch, answer):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: answer)
    assert has_bf16(torch.device("cpu")) is answer


@pytest.mark.parametrize(("capability", "fast"), [(7, False), (8, True)])
def test_a_gpu_that_only_emulates_bf16_is_not_asked_for_it(monkeypatch, capability, fast):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: type("Properties", (), {"major": capability}))
    monkeypatch.setattr(torch.cuda, "_check_bf16_tensor_supported", lambda device: True)
    assert has_bf16(torch.device("cuda")) is fast


@pytest.fixture
def openvino_runner():
    pytest.importorskip("openvino", reason="the extra `fast` is not installed")
    torch.manual_seed(0)
    return OpenVinoRunner(
        nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 2, 3)).eval(), lambda maps: maps
    )


def pictures(count, side=48):
    return np.random.default_rng(side).integers(0, 255, (count, side, side, 3), dtype=np.uint8)


def test_threads_may_share_an_openvino_runner(openvino_runner):
    """One infer request that two threads ask is an error of OpenVINO's; and nobody gets another's answer."""
    rgb, wrong, errors = pictures(3, side=160), [], []
    alone = [openvino_runner(one[None]) for one in rgb]

    def ask(k):
        for _ in range(20):
            try:
                wrong.append(not np.array_equal(openvino_runner(rgb[k : k + 1]), alone[k]))
            except RuntimeError as error:
                errors.append(error)

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(wrong) == 60
    assert not any(wrong)


def test_any_number_of_pictures_runs_on_the_same_compilations(openvino_runner):
    rgb = pictures(7)
    alone = np.concatenate([openvino_runner(one[None]) for one in rgb])
    for count in range(1, 8):
        np.testing.assert_allclose(openvino_runner(rgb[:count]), alone[:count], atol=1e-5)
    assert len(openvino_runner._compiled) == runtime.AT_ONCE


def test_the_compilations_that_were_used_last_are_kept(openvino_runner, monkeypatch):
    monkeypatch.setattr(runtime, "KEPT", 2)
    for side in (16, 24, 16, 32):
        openvino_runner(pictures(1, side))
    assert [shape[1] for shape in openvino_runner._compiled] == [16, 32]
