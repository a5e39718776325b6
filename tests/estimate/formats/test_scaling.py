"""Scaling factors against loops written from the papers, torch's own quantization, and what the textbook says of the error."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.estimate.formats import FORMATS
from groundup.estimate.formats.integers import IntegerFormat
from groundup.estimate.formats.scaling import SCALE_BYTES, Granularity, Method, bytes_per_value, methods_of, project, project_all

ROUNDING_OF_DOUBLES = 1e-12  # relative: the loops divide in another order
FLOAT32 = 1e-5  # relative to the largest value: torch keeps values and scales in float32


def normal(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, columns))


def slow_block(block: list[float], name: str, method: Method) -> list[float]:
    """Store values that share a scale, one by one."""
    found = FORMATS[name]
    if method == "none":
        return [float(found.stored(np.array([x]))[0]) for x in block]
    if method == "absmax":
        scale = max(abs(x) for x in block) / found.largest or 1.0
        return [float(found.stored(np.array([x / scale]))[0]) * scale for x in block]
    low, high = min(0.0, *block), max(0.0, *block)
    scale = (high - low) / (2**found.bits - 1) or 1.0
    offset = min(max(found.lowest - round(low / scale), found.lowest), found.largest)
    return [(min(max(round(x / scale) + offset, found.lowest), found.largest) - offset) * scale for x in block]


def slow_project(values: np.ndarray, name: str, method: Method, granularity: Granularity, group_size: int) -> np.ndarray:
    rows = values.tolist()
    if granularity == "tensor":
        flat = slow_block([x for row in rows for x in row], name, method)
        return np.array(flat).reshape(values.shape)
    size = len(rows[0]) if granularity == "row" else group_size
    return np.array(
        [[y for begin in range(0, len(row), size) for y in slow_block(row[begin : begin + size], name, method)] for row in rows]
    )


@pytest.mark.parametrize("granularity", ["tensor", "row", "group"])
@pytest.mark.parametrize(("name", "method"), [(name, method) for name in FORMATS for method in methods_of(FORMATS[name])])
def test_projections_are_those_of_loops(name: str, method: Method, granularity: Granularity) -> None:
    """Groups of 7 in rows of 19: the last one is shorter."""
    values = normal(5, 19) * np.array([[1e-6], [1.0], [0.0], [1e3], [7.0]])
    values[1] = np.abs(values[1])
    found = project(values, FORMATS[name], method, granularity, 7)
    np.testing.assert_allclose(found, slow_project(values, name, method, granularity, 7), rtol=ROUNDING_OF_DOUBLES, atol=0)


@settings(max_examples=50)
@given(
    values=st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=40),
    name=st.sampled_from(["int8", "int4"]),
    method=st.sampled_from(["absmax", "zero_point"]),
)
def test_no_error_beyond_half_a_step_and_zero_stays_zero(values: list[float], name: str, method: Method) -> None:
    found = FORMATS[name]
    array = np.array([[0.0, *values]])
    stored = project(array, found, method)
    width = np.abs(array).max() / found.largest if method == "absmax" else np.ptp(array) / (2**found.bits - 1)
    # The offset is rounded too, by which the far end of an affine range may be half a step outside.
    bound = 0.5 if method == "absmax" else 1.0
    assert np.abs(stored - array).max() <= bound * width * (1 + 1e-9)
    assert stored[0, 0] == 0


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("per_row", [False, True])
def test_absmax_is_the_symmetric_fake_quantization_of_torch(bits: int, per_row: bool) -> None:
    values = normal(8, 64).astype(np.float32).astype(np.float64)
    top = 2 ** (bits - 1) - 1
    tensor = torch.from_numpy(values).float()
    if per_row:
        scales = tensor.abs().amax(1) / top
        theirs = torch.fake_quantize_per_channel_affine(tensor, scales, torch.zeros(8, dtype=torch.int32), 0, -top - 1, top)
    else:
        theirs = torch.fake_quantize_per_tensor_affine(tensor, float(tensor.abs().max() / top), 0, -top - 1, top)
    ours = project(values, FORMATS[f"int{bits}"], "absmax", "row" if per_row else "tensor")
    np.testing.assert_allclose(ours, theirs.double().numpy(), rtol=0, atol=FLOAT32 * np.abs(values).max())


@pytest.mark.parametrize("shift", [0.0, 2.0, -3.0])
@pytest.mark.parametrize("per_row", [False, True])
def test_zero_point_is_the_affine_fake_quantization_of_torch(shift: float, per_row: bool) -> None:
    values = (normal(8, 64) + shift).astype(np.float32).astype(np.float64)
    tensor = torch.from_numpy(values).float()
    low, high = (tensor.amin(1), tensor.amax(1)) if per_row else (tensor.min(), tensor.max())
    low, high = low.clamp(max=0), high.clamp(min=0)
    scales = (high - low) / 255  # as torch's MinMaxObserver for affine qint8
    offsets = (-128 - torch.round(low / scales).int()).clamp(-128, 127).int()
    if per_row:
        theirs = torch.fake_quantize_per_channel_affine(tensor, scales, offsets, 0, -128, 127)
    else:
        theirs = torch.fake_quantize_per_tensor_affine(tensor, float(scales), int(offsets), -128, 127)
    ours = project(values, FORMATS["int8"], "zero_point", "row" if per_row else "tensor")
    np.testing.assert_allclose(ours, theirs.double().numpy(), rtol=0, atol=FLOAT32 * np.abs(values).max())


def test_scaled_fp8_is_that_of_torch() -> None:
    values = normal(16, 32)
    scale = np.abs(values).max() / 448
    theirs = torch.from_numpy((values / scale).astype(np.float32)).to(torch.float8_e4m3fn).double().numpy() * scale
    np.testing.assert_allclose(project(values, FORMATS["fp8_e4m3"], "absmax"), theirs, rtol=ROUNDING_OF_DOUBLES)


def test_noise_of_evenly_spread_values_is_a_twelfth_of_a_step_squared() -> None:
    """SQNR of values evenly spread over the whole range: 12 / 3 * 127^2 = 48.1 dB (Widrow's model of quantization)."""
    values = np.linspace(-1, 1, 100_001)[None]
    found = next(row for row in project_all(values, [FORMATS["int8"]]) if row.method == "absmax")
    assert found.sqnr_db == pytest.approx(10 * math.log10(4 * 127**2), abs=0.02)
    assert found.rms == pytest.approx(1 / 127 / math.sqrt(12), rel=1e-3)
    assert found.max_abs == pytest.approx(0.5 / 127, rel=1e-3)
    assert found.mean_abs == pytest.approx(0.25 / 127, rel=1e-3)


def test_smaller_groups_lose_less_and_cost_more() -> None:
    rows = project_all(normal(64, 512), [FORMATS["int4"]], group_size=32)
    absmax = [row for row in rows if row.method == "absmax"]
    assert [row.granularity for row in absmax] == ["tensor", "row", "group"]
    assert sorted(absmax, key=lambda row: row.rms, reverse=True) == absmax == sorted(absmax, key=lambda row: row.bytes_per_value)


def test_bytes_of_scales() -> None:
    """16 rows of 100, groups of 32: four scales a row; an offset of 4 bits with each."""
    int4 = FORMATS["int4"]
    assert bytes_per_value(int4, "absmax", "group", 32, 16, 100) == 0.5 + 4 * SCALE_BYTES / 100
    assert bytes_per_value(int4, "zero_point", "group", 32, 16, 100) == 0.5 + 4 * (SCALE_BYTES + 0.5) / 100
    assert bytes_per_value(int4, "absmax", "row", 32, 16, 100) == 0.5 + SCALE_BYTES / 100
    assert bytes_per_value(FORMATS["fp16"], "none", "tensor", 32, 16, 100) == 2


@pytest.mark.parametrize("fill", [0.0, 1e-320, -5.0, 300.0])
def test_a_constant_tensor_is_stored(fill: float) -> None:
    for row in project_all(np.full((3, 5), fill), [found for found in FORMATS.values() if isinstance(found, IntegerFormat)]):
        assert row.max_abs <= max(abs(fill) * 1e-12, 1e-300)


def test_what_overflows_has_an_infinite_error() -> None:
    found = project_all(np.array([[1.0, 1e6]]), [FORMATS["fp16"]])[0]
    assert (found.max_abs, found.sqnr_db) == (math.inf, -math.inf)


def test_an_outlier_widens_the_steps_of_whole_numbers_alone() -> None:
    """INT8 loses less of normal numbers than FP8; with one number a hundred times as large it is the other way round."""
    values = normal(64, 512)
    outlier = values.copy()
    outlier[0, 0] = 400.0

    def mean_error(array: np.ndarray, name: str) -> float:
        return float(np.abs(project(array, FORMATS[name], "absmax") - array).mean())

    assert mean_error(values, "int8") < mean_error(values, "fp8_e4m3")
    assert mean_error(outlier, "int8") > 10 * mean_error(outlier, "fp8_e4m3")
