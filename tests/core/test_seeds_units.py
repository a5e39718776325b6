import pytest
import torch

from groundup.core.seeds import derive_seed, generator
from groundup.core.units import format_bytes, format_count, format_seconds, parse_bytes, parse_count


def test_seeds_are_fixed_across_versions() -> None:
    assert derive_seed(0, "init") == 13535941858957088129
    assert derive_seed(0, "a") != derive_seed(0, "b") != derive_seed(1, "a")
    assert derive_seed(0, "a", 1) != derive_seed(0, "a1")
    assert generator(3, "x").integers(1 << 30) == generator(3, "x").integers(1 << 30)


@pytest.mark.parametrize("seed", [0, 2**63, 2**64 - 1])
def test_torch_takes_any_seed_of_64_bits(seed: int) -> None:
    assert torch.Generator().manual_seed(seed).initial_seed() == seed
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)


@pytest.mark.parametrize(
    ("value", "text"), [(999, "999"), (1234567, "1.23M"), (8.64e19, "86.4E"), (2_000_000_000, "2G"), (999_999, "1000k")]
)
def test_counts(value: float, text: str) -> None:
    assert format_count(value) == text


def test_bytes_and_seconds() -> None:
    assert format_bytes(1_500_000) == "1.5 MB"
    assert format_bytes(12) == "12 B"
    assert format_seconds(0.25) == "250 ms"
    assert format_seconds(75) == "1m 15s"
    assert format_seconds(3700) == "1h 01m"


@pytest.mark.parametrize(
    ("text", "size"),
    [("2GB", 2 * 10**9), ("1.5 GiB", 1_610_612_736), ("300000", 300_000), ("64 kb", 64_000), ("12b", 12), ("1TiB", 2**40)],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["much", "2 G", "-1GB", "1,5GB", ""])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no size; write bytes as a number, or like 2GB or 1\.5GiB"):
        parse_bytes(text)


def test_numbers_as_people_write_them():
    assert [parse_count(text) for text in ("300e9", "300B", "1.4T", "125M", "10k", "1_000", "1,000")] == [
        3e11,
        3e11,
        1.4e12,
        1.25e8,
        1e4,
        1e3,
        1e3,
    ]
    for text in ("", "B", "nan", "inf", "1e999", "three", "1.2.3"):
        with pytest.raises(ValueError, match="is no number"):
            parse_count(text)
