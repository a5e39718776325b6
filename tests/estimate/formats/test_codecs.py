"""Every pattern is the number that torch says, every number the pattern."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from groundup.core.errors import ConfigError
from groundup.estimate.formats import FORMATS, find_format
from groundup.estimate.formats.floats import FloatFormat
from groundup.estimate.formats.integers import IntegerFormat

DTYPES = {
    "fp16": (torch.float16, torch.int16),
    "bf16": (torch.bfloat16, torch.int16),
    "fp8_e4m3": (torch.float8_e4m3fn, torch.uint8),
    "fp8_e5m2": (torch.float8_e5m2, torch.uint8),
}
FLOATS = {name: found for name, found in FORMATS.items() if isinstance(found, FloatFormat)}
INTEGERS = {name: found for name, found in FORMATS.items() if isinstance(found, IntegerFormat)}


def all_patterns(name: str) -> np.ndarray:
    return np.arange(1 << FORMATS[name].bits)


def torch_values(name: str, patterns: np.ndarray) -> np.ndarray:
    dtype, holder = DTYPES[name]
    return torch.from_numpy(patterns).to(holder).view(dtype).double().numpy()


def torch_patterns(name: str, values: np.ndarray) -> np.ndarray:
    """Return what torch stores of float32 values; of float64 it would round twice."""
    dtype, holder = DTYPES[name]
    mask = (1 << FORMATS[name].bits) - 1
    return torch.from_numpy(values.astype(np.float32)).to(dtype).view(holder).long().numpy() & mask


def assert_same_patterns(name: str, values: np.ndarray) -> None:
    """Equal bit for bit, zeros with their signs; of NaN, which many patterns are, that it is one."""
    ours, theirs = FORMATS[name].encode(values.astype(np.float64)), torch_patterns(name, values)
    ours_nan, theirs_nan = np.isnan(FORMATS[name].decode(ours)), np.isnan(torch_values(name, theirs))
    np.testing.assert_array_equal(ours_nan, theirs_nan)
    np.testing.assert_array_equal(np.where(ours_nan, 0, ours), np.where(theirs_nan, 0, theirs))


@pytest.mark.parametrize("name", DTYPES)
def test_every_pattern_is_the_number_of_torch(name: str) -> None:
    patterns = all_patterns(name)
    values = FORMATS[name].decode(patterns)
    np.testing.assert_array_equal(values, torch_values(name, patterns))
    np.testing.assert_array_equal(
        np.signbit(values)[~np.isnan(values)], np.signbit(torch_values(name, patterns))[~np.isnan(values)]
    )


@pytest.mark.parametrize("name", DTYPES)
def test_every_number_has_its_pattern(name: str) -> None:
    patterns = all_patterns(name)
    values = FORMATS[name].decode(patterns)
    is_number = ~np.isnan(values)
    np.testing.assert_array_equal(FORMATS[name].encode(values)[is_number], patterns[is_number])
    assert np.isnan(FORMATS[name].stored(values[~is_number])).all()


@pytest.mark.parametrize("name", DTYPES)
def test_all_ties_and_what_lies_beside_them_round_as_in_torch(name: str) -> None:
    """Halfway between all neighbours, subnormal ones too, and between the largest number and what would follow it."""
    below = FORMATS[name].decode(np.arange(1 << FORMATS[name].bits - 1))
    below = below[np.isfinite(below)]
    steps = np.diff(below)
    ties = np.concatenate([below[:-1] + steps / 2, [below[-1] + steps[-1] / 2, below[-1] + steps[-1]]])
    with np.errstate(over="ignore"):  # what follows the largest BF16 is no float32
        ties = ties.astype(np.float32)
        around = np.concatenate([ties, np.nextafter(ties, np.float32(0)), np.nextafter(ties, np.float32(np.inf))])
    assert_same_patterns(name, np.concatenate([around, -around]))


@pytest.mark.parametrize("name", DTYPES)
@given(values=st.lists(st.floats(width=32), min_size=1))
def test_any_float32_is_stored_as_by_torch(name: str, values: list[float]) -> None:
    assert_same_patterns(name, np.array(values))


@given(value=st.floats())
def test_float16_of_any_float64_is_that_of_numpy(value: float) -> None:
    with np.errstate(over="ignore"):
        expected = np.float16(value)
    np.testing.assert_array_equal(FORMATS["fp16"].stored(np.array([value])), np.array([expected], np.float64))


@given(pattern=st.integers(0, 2**32 - 1))
def test_fp32_is_that_of_numpy(pattern: int) -> None:
    value = np.array([pattern], np.uint32).view(np.float32).astype(np.float64)
    np.testing.assert_array_equal(FORMATS["fp32"].decode(np.array([pattern])), value)
    if not np.isnan(value[0]):
        assert FORMATS["fp32"].encode(value)[0] == pattern


@given(value=st.floats())
def test_fp32_of_any_float64_is_that_of_numpy(value: float) -> None:
    with np.errstate(over="ignore"):
        expected = np.array([value]).astype(np.float32)
    assert np.isnan(value) or FORMATS["fp32"].encode(np.array([value]))[0] == expected.view(np.uint32)[0]


def nearest_exactly(number_format: FloatFormat, value: float) -> float:
    """Return the nearest number by exact fractions, among all of the format and the one that would follow the largest."""
    numbers = number_format.decode(np.arange(1 << number_format.bits - 1))
    numbers = numbers[np.isfinite(numbers)]
    candidates = [(Fraction(number), pattern) for pattern, number in enumerate(numbers.tolist())]
    candidates.append((2 * candidates[-1][0] - candidates[-2][0], len(candidates)))
    wanted = Fraction(abs(value))
    found, pattern = min(candidates, key=lambda pair: (abs(pair[0] - wanted), pair[1] % 2))
    if pattern == len(numbers):
        return np.copysign(np.inf if number_format.has_infinity else number_format.largest, value)
    return float(np.copysign(float(found), value))


@pytest.mark.parametrize("name", ["fp8_e4m3", "fp8_e5m2"])
@given(value=st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.floats(-1e5, 1e5)))
def test_eight_bits_of_any_float64_are_the_nearest_by_exact_fractions(name: str, value: float) -> None:
    """Rounded once: by way of float32 a number just off a tie would become the tie."""
    np.testing.assert_array_equal(FORMATS[name].stored(np.array([value]))[0], nearest_exactly(FLOATS[name], value))


@pytest.mark.parametrize(
    ("name", "largest", "normal", "subnormal"),
    [  # IEEE 754-2019, table 3.5; OCP OFP8 1.0, table 2
        ("fp32", 3.4028234663852886e38, 2.0**-126, 2.0**-149),
        ("fp16", 65504, 2.0**-14, 2.0**-24),
        ("bf16", 3.3895313892515355e38, 2.0**-126, 2.0**-133),
        ("fp8_e4m3", 448, 2.0**-6, 2.0**-9),
        ("fp8_e5m2", 57344, 2.0**-14, 2.0**-16),
    ],
)
def test_ranges_are_the_published_ones(name: str, largest: float, normal: float, subnormal: float) -> None:
    found = FLOATS[name]
    assert (found.largest, found.lowest) == (largest, -largest)
    assert (found.smallest_normal, found.smallest_subnormal) == (normal, subnormal)


def test_e4m3_has_no_infinity_and_two_nans_and_e5m2_has_both() -> None:
    decoded = {name: FORMATS[name].decode(all_patterns(name)) for name in ("fp8_e4m3", "fp8_e5m2")}
    counts = {name: (int(np.isinf(values).sum()), int(np.isnan(values).sum())) for name, values in decoded.items()}
    assert counts == {"fp8_e4m3": (0, 2), "fp8_e5m2": (2, 6)}


@given(value=st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_truncated_bf16_is_the_upper_half_of_an_fp32(value: float) -> None:
    half = np.array([value], np.float32).view(np.uint32)[0] >> 16
    assert FORMATS["bf16"].encode(np.array([value]), "truncate")[0] == half


@pytest.mark.parametrize("name", INTEGERS)
@given(value=st.floats(allow_nan=False))
def test_whole_numbers_saturate_in_twos_complement(name: str, value: float) -> None:
    bits = FORMATS[name].bits
    expected = min(max(value, -(1 << bits - 1)), (1 << bits - 1) - 1)
    stored = FORMATS[name].stored(np.array([value]))[0]
    assert stored == round(expected)  # Python rounds halves to even as well
    assert FORMATS[name].encode(np.array([value]))[0] == int(stored) % (1 << bits)


def test_int8_patterns_are_those_of_numpy() -> None:
    patterns = all_patterns("int8")
    np.testing.assert_array_equal(FORMATS["int8"].decode(patterns), patterns.astype(np.uint8).view(np.int8))


@pytest.mark.parametrize("name", FORMATS)
def test_contract(name: str) -> None:
    """Bits add up, larger patterns are larger numbers, and neighbours are as far apart as `spacing` says."""
    found = FORMATS[name]
    assert found.name == name
    assert found.bytes * 8 == found.bits == found.sign_bits + found.exponent_bits + found.fraction_bits
    patterns = np.arange(1 << min(found.bits - 1, 14))
    values = found.decode(patterns)
    values = values[np.isfinite(values)]
    assert (np.diff(values) > 0).all()
    assert [found.spacing(value) for value in values[:-1].tolist()] == np.diff(values).tolist()
    for pattern in (0, 1, len(values) - 1, (1 << found.bits) - 1):
        assert "".join(found.split(pattern).values()) == f"{pattern:0{found.bits}b}"
        assert found.split(pattern).keys() == found.explain(pattern).keys()
        assert all(found.explain(pattern).values())


@pytest.mark.parametrize("name", FLOATS)
@given(data=st.data())
def test_what_a_pattern_is_said_to_mean_is_its_value(name: str, data: st.DataObject) -> None:
    found = FLOATS[name]
    pattern = data.draw(st.integers(0, (1 << found.bits) - 1))
    meaning, value = found.explain(pattern), float(found.decode(np.array([pattern]))[0])
    if not np.isfinite(value):
        assert meaning["fraction"].startswith("NaN" if np.isnan(value) else "infinity")
        return
    exponent = int(meaning["exponent"].partition("2^")[2].split()[0])
    whole, _, fraction = meaning["fraction"].partition("=")[0].rpartition("+")
    product = Fraction(int(whole or 0) + Fraction(fraction.strip())) * Fraction(2) ** exponent
    assert float(product) * (-1 if meaning["sign"] == "-" else 1) == value


@pytest.mark.parametrize("word", ["FP32", " fp8-e4m3", "Fp8 E5M2"])
def test_names_in_any_writing(word: str) -> None:
    assert find_format(word).name in FORMATS


@pytest.mark.parametrize(
    ("word", "says"), [("fp31", "did you mean 'fp"), ("bfloat16", "did you mean 'bf16'"), ("x", "known: bf16")]
)
def test_an_unknown_format_names_the_nearest(word: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        find_format(word)
