"""Text files: read in pieces that change no token, refused with the place of what is wrong."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import build_documents, build_tokenizer, word_salad
from groundup.artifacts.documents import Document
from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.errors import DataError
from groundup.evaluate import pieces
from groundup.evaluate.pieces import find_texts, read_pieces

SMALL = 7


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> TextTokenizer:
    folder = tmp_path_factory.mktemp("line")
    documents = build_documents(folder / "curate", [Document("a:0", word_salad(300).replace(",", "\n\n "), "a")], [])
    return build_tokenizer(folder / "tokenizer", documents).text


@pytest.fixture
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_READ_BYTES", SMALL)


@pytest.mark.usefixtures("_small_pieces")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([*"\n\r \t\x85\u3000", "a", "The", "1", ",", "}", "\u00e9", "\u4e16", "\U0001f600"])).map("".join))
def test_pieces_are_the_text_and_change_no_token(tokenizer: TextTokenizer, tmp_path: Path, text: str) -> None:
    file = tmp_path / "text.txt"
    file.write_bytes(text.encode())
    found = list(read_pieces(file))
    assert "".join(found) == text
    assert [token for piece in found for token in tokenizer.encode(piece)] == tokenizer.encode(text)


@pytest.mark.usefixtures("_small_pieces")
def test_lines_are_read_one_by_one(tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_text("line\n" * 40)
    assert len(list(read_pieces(file))) > 20


@pytest.mark.usefixtures("_small_pieces")
def test_a_line_too_long_to_hold_is_refused_with_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "_MAX_PIECE", 20)
    file = tmp_path / "text.txt"
    file.write_text("line\n" + "x" * 40)
    with pytest.raises(DataError, match=r"text\.txt: 28 bytes in, 23 characters .* without a line end, 20 may; break its lines"):
        find_texts(file)


@pytest.mark.usefixtures("_small_pieces")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"line\nline\n\xc3\xa9\xff", "byte 0xff at position 12"),
        (b"line\nline\xc3", "byte 0xc3 at position 9"),
        (b"line\nline\n\0", "10"),
    ],
)
def test_places_are_counted_from_the_start_of_the_file(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "text.txt").write_bytes(content)
    with pytest.raises(DataError, match=message):
        find_texts(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"good\n\xff bad", "position 5"), (b"\0\1\2", "zero byte at position 0"), (b"", "is empty"), (None, "no such file")],
)
def test_bad_text_is_refused_with_its_place(tmp_path: Path, content: bytes | None, message: str) -> None:
    file = tmp_path / "text.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        find_texts(file)
    assert str(file) in str(error.value)


def test_a_folder_without_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"x")
    with pytest.raises(DataError, match=r"holds no \.txt or \.md file"):
        find_texts(tmp_path)
