import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import launches
import shared_sequences
from groundup.core.errors import ConfigError
from groundup.nn.positions import POSITIONS as ALL_POSITIONS
from groundup.train.parallel.context import Share, check_context, own_pieces
from shared_sequences import LENGTH, POSITIONS, ROWS, config

EXACT = 1e-12
"""Of numbers near 1, in float64: only sums are in another order."""


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, float]]:
    """What two processes find of passes over their parts of each sequence."""
    return launches.cases(2, shared_sequences.__file__)


def test_every_position_and_kind_of_row_has_the_gradient_of_whole_sequences(found: dict[str, dict[str, float]]) -> None:
    compared = {name: row for name, row in found.items() if "gradient" in row}
    assert set(POSITIONS) == set(ALL_POSITIONS) - {"transformer_xl"}
    assert len(compared) == len(POSITIONS) * len(ROWS) - 4 + len(ROWS) + 4
    assert {name: row for name, row in compared.items() if max(row["loss"], row["gradient"]) > EXACT} == {}


def test_outside_of_the_passes_a_model_reads_whole_sequences(found: dict[str, dict[str, float]]) -> None:
    assert {row["outside"] for row in found.values() if "outside" in row} == {0.0}


@pytest.mark.parametrize("place", range(LENGTH))
def test_a_token_moves_nothing_before_it_on_any_rank(found: dict[str, dict[str, float]], place: int) -> None:
    row = found[f"causality {place}"]
    assert row["before"] == 0.0
    assert row["after"] > 0.0


@given(st.integers(1, 16), st.integers(1, 8))
def test_ranks_have_every_place_once_and_compute_equally_many_scores(ranks: int, piece: int) -> None:
    length = 2 * ranks * piece
    pieces = [own_pieces(length, rank, ranks) for rank in range(ranks)]
    assert sorted(place for own in pieces for part in own for place in part) == list(range(length))
    assert len({scores(length, own) for own in pieces}) == 1


def test_without_mirrored_pieces_the_last_rank_computes_longest() -> None:
    length, ranks = 128, 4
    plain = [scores(length, (range(rank * 32, (rank + 1) * 32),)) for rank in range(ranks)]
    mirrored = scores(length, own_pieces(length, 0, ranks))
    assert max(plain) / (sum(plain) / ranks) == 1.6
    assert ranks * mirrored < length**2 * 0.6  # of all scores, about the half that is seen


def scores(length: int, pieces: tuple[range, ...]) -> int:
    queries = torch.tensor([place for piece in pieces for place in piece])
    parts = Share(queries, torch.arange(length), True, pieces=pieces).parts()
    return sum(len(part.query_positions) * len(part.key_positions) for _, part in parts)


def test_what_cannot_be_shared_is_refused_with_the_way_out() -> None:
    with pytest.raises(ConfigError, match=r"parallel\.cp=2 .* model\.attention='sliding_window' .* set parallel\.cp=1"):
        check_context(config("rope", "decoder", attention="sliding_window", window=4), 2)
    with pytest.raises(ConfigError, match=r"parallel\.cp=4 .* model\.position='transformer_xl' .* model\.position to rope"):
        check_context(config("transformer_xl", "decoder"), 4)
    check_context(config("transformer_xl", "decoder"), 1)
