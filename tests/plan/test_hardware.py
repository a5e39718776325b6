import pytest
import torch

from groundup.core.errors import ConfigError
from groundup.nn.device import device_memory, resolve_device
from groundup.plan.hardware import listed_hardware, named_hardware, render_hardware
from groundup.plan.this_machine import copy_speed


def test_this_machine_is_measured():
    this = named_hardware("this")
    assert this.memory_bytes == device_memory(resolve_device("auto"))[0]
    assert this.peak("fp32") > 1e8
    assert 1e8 < this.memory_bytes_per_s < 1e14
    assert "measured here" in this.sources["peak_flops_per_s"]


def test_a_copy_is_read_and_written():
    assert copy_speed(torch.device("cpu")) > 1e8


def test_parts_of_names_list_families_and_one_device_its_sources():
    found = listed_hardware("a100")
    assert [device.name for device in found] == ["a100-40-sxm", "a100-40-pcie", "a100-80-sxm", "a100-80-pcie"]
    assert "data sheet" not in render_hardware(found)
    assert "data sheet" in render_hardware(listed_hardware("A100-SXM4-80GB"))
    with pytest.raises(ConfigError, match="did you mean"):
        listed_hardware("h20O")
