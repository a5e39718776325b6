"""What to collect for a number of tokens."""

import pytest

from groundup.artifacts.token_shards import Collected
from groundup.estimate.collecting import advice
from groundup.estimate.raw_text import bytes_to_collect


def test_a_yield_of_42_percent() -> None:
    assert bytes_to_collect(100_000_000, 0.42, 4.1) == pytest.approx(976.2e6, rel=1e-4)
    collected = Collected(raw_bytes=1_000_000, kept_bytes=420_000, tokens=round(420_000 / 4.1))
    said = "for 100M tokens at your yield of 42% and 4.1 bytes a token collect 976 MB"
    assert advice(100_000_000, collected) == said


def test_the_text_itself_takes_what_was_collected() -> None:
    collected = Collected(raw_bytes=987_654_321, kept_bytes=12_345_678, tokens=3_456_789)
    assert bytes_to_collect(collected.tokens, collected.share, collected.bytes_per_token) == pytest.approx(collected.raw_bytes)
    assert "yield of 1.25%" in advice(1, collected)
