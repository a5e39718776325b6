"""A stream sliced like the array that it holds, and what a disk can do to it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.artifacts.token_stream import TokenStream
from groundup.core.errors import StorageError

TOKENS = np.arange(1000, dtype="<u2") * 61


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stream") / "books.bin"
    TOKENS.tofile(path)
    return path


places = st.integers(0, 1100)


@given(places, places)
def test_pieces_are_those_of_the_array(file: Path, start: int, stop: int) -> None:
    stream = TokenStream(file, TOKENS.dtype)
    assert len(stream) == 1000
    assert np.array_equal(stream[start:stop], TOKENS[start:stop])
    assert stream[start:stop].dtype == TOKENS.dtype


def test_an_empty_file_has_no_tokens(tmp_path: Path) -> None:
    (tmp_path / "none.bin").touch()
    assert len(TokenStream(tmp_path / "none.bin", TOKENS.dtype)[0:10]) == 0


def test_a_file_that_became_shorter_is_told_and_read_again_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "books.bin"
    TOKENS.tofile(path)
    stream = TokenStream(path, TOKENS.dtype)
    assert stream[10:12].tolist() == TOKENS[10:12].tolist()
    TOKENS[:500].tofile(path)
    assert stream[10:12].tolist() == TOKENS[10:12].tolist()
    with pytest.raises(StorageError, match=r"books\.bin: ends before token 600, and held 1,000 when it was opened; put it back"):
        stream[590:600]
    TOKENS.tofile(path)
    assert stream[590:600].tolist() == TOKENS[590:600].tolist()


def test_a_file_that_vanished_is_found_when_it_is_back(tmp_path: Path) -> None:
    path = tmp_path / "books.bin"
    TOKENS.tofile(path)
    stream = TokenStream(path, TOKENS.dtype)
    path.rename(tmp_path / "elsewhere.bin")
    with pytest.raises(StorageError, match=r"books\.bin: No such file or directory; check the path"):
        stream[0:4]
    (tmp_path / "elsewhere.bin").rename(path)
    assert stream[0:4].tolist() == TOKENS[0:4].tolist()
