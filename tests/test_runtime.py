"""Running networks where the user is: what the processor can do, and weights that do not fit."""

import pytest
import torch

from backbones.runtime import has_bf16


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
