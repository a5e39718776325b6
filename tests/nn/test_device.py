"""The device that work runs on."""

import pytest
import torch

from groundup.core.errors import ConfigError
from groundup.nn.device import DEVICES, resolve_device


def test_auto_is_a_device_that_computes():
    device = resolve_device("auto")
    assert torch.ones(2, device=device).sum().item() == 2
    assert device.type in DEVICES


def test_the_processor_is_always_there():
    assert resolve_device("cpu") == torch.device("cpu")


def test_an_unknown_device_is_refused():
    with pytest.raises(ConfigError, match="known: auto, cpu, cuda, mps"):
        resolve_device("tpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device")
def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match="which has: "):
        resolve_device("cuda")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_is_found():
    assert resolve_device("auto").type == "cuda"
