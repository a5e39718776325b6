"""The words of a batch of texts as 64-bit hashes, with a 128-bit key of each text: case and white space do not count."""

import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

Hashes = npt.NDArray[np.uint64]
Offsets = npt.NDArray[np.int64]

CHUNK_CHARS = 1 << 16
"""Characters worked on at once: the arrays made of them stay in the processor's cache, and no text, however long, takes more."""
_SPACE = 32
_EXPANDS = 0xFFFFFFFF
_CASED_END = 0x20000
_CODE_POINTS = 0x110000
_BASE = 0x9E3779B97F4A7C15
_OF_WORDS = "LMN"
"""Categories of Unicode without punctuation: letters, marks on them, numbers."""
_WHITE = re.compile(r"\s")


@dataclass(frozen=True)
class Words:
    """The words of some texts, one after the other."""

    hashes: Hashes
    offsets: Offsets
    """The words of text i are `hashes[offsets[i]:offsets[i + 1]]`."""
    keys: Hashes
    """A row a text, the high and the low half of a hash of 128 bits, equal for texts that differ only in case and white space.

    It is xxh3 of the words, a space after each, in UTF-32 (little endian).
    """


def read_words(texts: Sequence[str], punctuation: bool = True) -> Words:
    """Return the words of each text, case folded: what `text.casefold().split()` gives.

    Without `punctuation` everything but letters, marks and numbers counts as white space.

    A word of code points c_0, c_1, ... and c_n = 32 has the hash mix(sum_i c_i r^i mod 2^64).
    A word of more than `CHUNK_CHARS` characters may count as several.
    """
    pieces, owners = _pieces(texts)
    hashes = []
    counts = np.zeros(len(texts), np.int64)
    keys = _Keys(len(texts))
    for first, last in _chunks(pieces):
        codes, line_ends = _codes(pieces[first:last], punctuation)
        codes, word_ends, bounds = _words(codes, line_ends)
        hashes.append(_hashed(codes, word_ends))
        np.add.at(counts, owners[first:last], np.diff(bounds, prepend=0))
        keys.add(owners[first:last], codes, word_ends, bounds)
    flat = np.concatenate(hashes) if hashes else np.zeros(0, np.uint64)
    return Words(flat, np.concatenate([np.zeros(1, np.int64), counts.cumsum()]), keys.numbers())


def read_letters(texts: Sequence[str]) -> tuple[npt.NDArray[np.uint32], Offsets]:
    """Return the code points of the words that `read_words` finds without punctuation, a space after each, and where these lie."""
    pieces, _ = _pieces(texts)
    found, ends, start = [np.zeros(0, np.uint32)], [np.zeros(0, np.int64)], 0
    for first, last in _chunks(pieces):
        codes, word_ends, _ = _words(*_codes(pieces[first:last], punctuation=False))
        found.append(codes.astype(np.uint32))
        ends.append(word_ends + start)
        start += len(codes)
    return np.concatenate(found), np.concatenate(ends)


def mix(values: Hashes) -> Hashes:
    """Scramble 64-bit numbers in place, one to one, so that each bit hangs on all (the finaliser of MurmurHash3, Appleby 2011)."""
    values ^= values >> np.uint64(33)
    values *= np.uint64(0xFF51AFD7ED558CCD)
    values ^= values >> np.uint64(33)
    values *= np.uint64(0xC4CEB9FE1A85EC53)
    values ^= values >> np.uint64(33)
    return values


def _pieces(texts: Sequence[str]) -> tuple[Sequence[str], npt.NDArray[np.int64]]:
    """Return the texts, long ones cut at white space, with the number of the text that each piece is of."""
    if all(len(text) <= CHUNK_CHARS for text in texts):
        return texts, np.arange(len(texts))
    cut = [(piece, number) for number, text in enumerate(texts) for piece in cut_long(text)]
    return [piece for piece, _ in cut], np.array([number for _, number in cut])


def cut_long(text: str) -> Iterator[str]:
    """Yield the text in pieces of at most `CHUNK_CHARS`, cut before white space where there is some in the second half."""
    start = 0
    while len(text) - start > CHUNK_CHARS:
        white = _WHITE.search(text, start + CHUNK_CHARS // 2, start + CHUNK_CHARS)
        end = white.start() if white else start + CHUNK_CHARS
        yield text[start:end]
        start = end
    yield text[start:]


def _chunks(pieces: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield ranges of pieces that have at most `CHUNK_CHARS` characters together, or one piece."""
    first = size = 0
    for number, piece in enumerate(pieces):
        if size and size + len(piece) > CHUNK_CHARS:
            yield first, number
            first, size = number, 0
        size += len(piece) + 1
    if size:
        yield first, len(pieces)


def _codes(pieces: Sequence[str], punctuation: bool) -> tuple[npt.NDArray[Any], Offsets]:
    """Return the folded code points of the pieces, a space for what is of no word and after each piece, and where those lie."""
    joined = "\n".join([*pieces, ""])
    line_ends = np.cumsum([len(piece) + 1 for piece in pieces]) - 1
    if joined.isascii():
        return np.frombuffer(joined.encode("ascii").translate(_ascii_folds(punctuation)), np.uint8), line_ends
    codes = _folded(np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), "<u4"), punctuation)
    if (codes == _EXPANDS).any():
        return _codes([piece.casefold() for piece in pieces], punctuation)
    return codes, line_ends


def _folded(points: npt.NDArray[np.uint32], punctuation: bool) -> npt.NDArray[np.uint32]:
    """Return what code points fold to, by a table up to the largest: that of all takes a third of a second to make."""
    end = 1 << int(points.max(initial=0)).bit_length()
    return _folds(punctuation, min(end, _CODE_POINTS)).take(points)


@functools.cache
def _folds(punctuation: bool, end: int = _CODE_POINTS) -> npt.NDArray[np.uint32]:
    """Return what each code point below `end` folds to: another, a space if it is of no word, `_EXPANDS` if it becomes several."""
    table = np.arange(end, dtype=np.uint32)
    for code in range(min(end, _CASED_END)):
        char = chr(code)
        folded = char.casefold()
        if len(folded) > 1:
            table[code] = _EXPANDS
        elif folded != char:
            table[code] = ord(folded)
        elif char.isspace():
            table[code] = _SPACE
    if not punctuation:
        category = unicodedata.category
        is_of_word = bytes(category(chr(code))[0] in _OF_WORDS for code in range(end))
        table[~np.frombuffer(is_of_word, bool)] = _SPACE
    return table


@functools.cache
def _ascii_folds(punctuation: bool) -> bytes:
    """Return the same for ASCII, as `bytes.translate` takes it."""
    return bytes(_folds(punctuation, end=128).astype(np.uint8)) + bytes(128)


def word_places(text: str) -> npt.NDArray[np.int64]:
    """Return [words, 2]: first character and end of each word that `read_words` finds without punctuation."""
    found = []
    start = 0
    for piece in cut_long(text):
        codes = np.frombuffer(piece.encode("utf-32-le", "surrogatepass"), "<u4")
        is_word = np.zeros(len(codes) + 2, np.int8)
        is_word[1:-1] = _folded(codes, punctuation=False) != _SPACE
        found.append(start + np.flatnonzero(np.diff(is_word)).reshape(-1, 2))
        start += len(piece)
    return np.concatenate(found)


def _words(codes: npt.NDArray[Any], line_ends: Offsets) -> tuple[npt.NDArray[Any], Offsets, Offsets]:
    """Return the codes with one space after each word and no other, their places, and how many lie before each line end."""
    is_space = codes == _SPACE
    ends_word = is_space.copy()
    ends_word[0] = False
    ends_word[1:] &= ~is_space[:-1]
    bounds = np.searchsorted(np.flatnonzero(ends_word), line_ends, side="right")
    codes = codes[ends_word | ~is_space]
    return codes, np.flatnonzero(codes == _SPACE), bounds


def _hashed(codes: npt.NDArray[Any], word_ends: Offsets) -> Hashes:
    if not len(word_ends):
        return np.zeros(0, np.uint64)
    starts = np.concatenate([np.zeros(1, np.int64), word_ends[:-1] + 1])
    powers, inverse_powers = _powers(max(4 * CHUNK_CHARS, len(codes)))
    return mix(np.add.reduceat(codes * powers[: len(codes)], starts) * inverse_powers[starts])


@functools.lru_cache(maxsize=1)
def _powers(number: int) -> tuple[Hashes, Hashes]:
    """Return r^i and r^-i modulo 2^64, i < number."""
    inverse = pow(_BASE, -1, 1 << 64)
    both = [np.full(number, base, np.uint64) for base in (_BASE, inverse)]
    for powers in both:
        powers[0] = 1
        np.multiply.accumulate(powers, out=powers)
    return both[0], both[1]


class _Keys:
    """The keys of texts that come in pieces, in order."""

    def __init__(self, num_texts: int) -> None:
        self._digests = [b""] * num_texts
        self._open = -1
        self._state = xxhash.xxh3_128()

    def add(self, owners: npt.NDArray[np.int64], codes: npt.NDArray[Any], word_ends: Offsets, bounds: Offsets) -> None:
        """Take the words of the next pieces, a space after each."""
        wide = codes.astype("<u4").data.cast("B")
        places = np.concatenate([np.zeros(1, np.int64), 4 * (word_ends + 1)])
        start = 0
        for owner, end in zip(owners.tolist(), places[bounds].tolist(), strict=True):
            if owner == self._open:
                self._state.update(wide[start:end])
            else:
                self._open, self._state = owner, xxhash.xxh3_128(wide[start:end])
            self._digests[owner] = self._state.digest()
            start = end

    def numbers(self) -> Hashes:
        return np.frombuffer(b"".join(self._digests), ">u8").astype(np.uint64).reshape(-1, 2)
