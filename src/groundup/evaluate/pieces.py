"""Text files read piece by piece, so that a file of any size needs little memory."""

import codecs
from collections.abc import Iterator
from pathlib import Path

from groundup.core.errors import DataError
from groundup.core.files import storage_errors

TEXT_ENDINGS = (".txt", ".md")
_READ_BYTES = 1 << 20
_MAX_PIECE = 1 << 24
"""Characters that may go by without a line end to cut at."""


def find_texts(path: Path) -> dict[Path, int]:
    """Return the bytes of the file, or of every .txt and .md file in the folder and those under it, in order of name.

    Empty files are left out. All are read, so that what cannot be scored is known before anything is.
    Raises DataError if no text is left.
    """
    if path.is_dir():
        with storage_errors(path):
            files = sorted(file for file in path.rglob("*") if file.suffix.lower() in TEXT_ENDINGS and file.is_file())
        if not files:
            raise DataError(f"{path}: holds no {' or '.join(TEXT_ENDINGS)} file; give a file or a folder of text")
    elif path.is_file():
        files = [path]
    else:
        raise DataError(f"{path}: no such file or folder; --text names the text to score")
    sizes = {file: sum(len(piece.encode()) for piece in read_pieces(file)) for file in files}
    if not any(sizes.values()):
        raise DataError(f"{path}: is empty; give some text to score")
    return {file: size for file, size in sizes.items() if size}


def read_pieces(file: Path) -> Iterator[str]:
    """Yield the file's text, about a mebibyte at a time, cut after line ends before a sign or letter, where tokens end in any case.

    Raises DataError if it is not UTF-8, or has no such place for 16 Mi characters.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    text, offset = "", 0
    with storage_errors(file), file.open("rb") as stream:
        while raw := stream.read(_READ_BYTES):
            text += _decode(file, decoder, raw, offset)
            offset += len(raw)
            cut = _last_cut(text)
            if not cut and len(text) > _MAX_PIECE:
                raise DataError(
                    f"{file}: {offset:,} bytes in, {len(text):,} characters have gone by without a line end, "
                    f"{_MAX_PIECE:,} may; break its lines, e.g. with fold -s"
                )
            if cut:
                yield text[:cut]
            text = text[cut:]
        text += _decode(file, decoder, b"", offset)
    if text:
        yield text


def _decode(file: Path, decoder: codecs.IncrementalDecoder, raw: bytes, offset: int) -> str:
    """Return the text of the bytes that stand at `offset`; none are left to come if there are none."""
    waiting = len(decoder.getstate()[0])
    try:
        text = decoder.decode(raw, final=not raw)
    except UnicodeDecodeError as error:
        place = offset - waiting + error.start
        raise DataError(
            f"{file}: not UTF-8 (byte {error.object[error.start]:#04x} at position {place:,}); convert it, e.g. with iconv -t UTF-8"
        ) from None
    if "\0" in text:
        raise DataError(f"{file}: holds a zero byte at position {offset + raw.index(0):,}, so it is not text; give plain text")
    return text


def _last_cut(text: str) -> int:
    """Return the last place after a line end and before a character that is not white space; 0 if there is none."""
    end = text.rfind("\n", 0, -1)
    while end >= 0 and text[end + 1].isspace():
        end = text.rfind("\n", 0, end)
    return end + 1
