"""The table of devices, against data sheets and by its own contract."""

import pytest

from groundup.core.errors import ConfigError
from groundup.estimate.hardware import Hardware, catalogue, find_hardware

NARROWER = {"tf32": "bf16", "bf16": "fp8", "fp16": "fp8"}


@pytest.mark.parametrize("device", catalogue().values(), ids=catalogue())
def test_every_value_has_a_source(device):
    values = set(Hardware.model_fields) - {"name", "title", "sources"}
    assert set(device.sources) == values
    assert all(len(source) > 5 for source in device.sources.values())


@pytest.mark.parametrize("device", catalogue().values(), ids=catalogue())
def test_peaks_are_dense(device):
    """Half as many bits are at most twice as fast; a peak with sparsity beside a dense one would be four times so."""
    peaks = device.peak_flops_per_s
    for wide, narrow in NARROWER.items():
        if wide in peaks and narrow in peaks:
            assert peaks[narrow] == pytest.approx(2 * peaks[wide], rel=0.02)
    if "bf16" in peaks and "fp16" in peaks:
        assert peaks["bf16"] == peaks["fp16"]


@pytest.mark.parametrize("device", catalogue().values(), ids=catalogue())
def test_links_are_slower_the_farther_they_reach(device):
    assert device.inter_node_bytes_per_s <= device.intra_node_bytes_per_s <= device.memory_bytes_per_s


@pytest.mark.parametrize(
    ("name", "peak", "gigabytes"),
    [
        ("v100-32", 125e12, 32),
        ("a100-40-sxm", 312e12, 40),
        ("a100-80-pcie", 312e12, 80),
        ("h100-sxm", 989.5e12, 80),
        ("h100-pcie", 756.5e12, 80),
        ("h200", 989.5e12, 141),
        ("b200", 2250e12, 180),
        ("l4", 121e12, 24),
        ("t4", 65e12, 16),
        ("rtx-3090", 71e12, 24),
        ("rtx-4090", 165.2e12, 24),
        ("mi300x", 1307.4e12, 192),
        ("tpu-v4", 275e12, 32),
        ("tpu-v5e", 197e12, 16),
    ],
)
def test_published_peaks_and_sizes(name, peak, gigabytes):
    device = find_hardware(name)
    assert device.peak(device.training_precision) == peak
    assert 0.9 * gigabytes <= device.memory_gib <= gigabytes  # the number in the name is of GiB, a little of which is taken


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("A100-SXM-80GB", "a100-80-sxm"),
        ("NVIDIA A100-SXM4-80GB", "a100-80-sxm"),
        ("a100_80gb", "a100-80-sxm"),
        ("A100 40GB PCIe", "a100-40-pcie"),
        ("h100", "h100-sxm"),
        ("H100-SXM-96GB-HBM2e-500W", "h100-96-500w"),
        ("NVIDIA GeForce RTX 4090", "rtx-4090"),
        ("Tesla V100-SXM2-16GB", "v100-16"),
        ("TPUv4", "tpu-v4"),
    ],
)
def test_names_as_people_write_them(written, name):
    assert find_hardware(written).name == name


def test_no_two_devices_answer_to_one_name():
    assert all(find_hardware(name).name == name for name in catalogue())


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'h100-pcie'"):
        find_hardware("h100-pci")
    with pytest.raises(ConfigError, match=r"known: .*this"):
        find_hardware("quantum")


def test_a_format_without_products_is_refused():
    with pytest.raises(ConfigError, match="v100-16 has no peak for products in bf16; it has: fp32, fp16"):
        find_hardware("v100-16").peak("bf16")
    assert find_hardware("a100-80-sxm").peak("bf16_weights") == 312e12
