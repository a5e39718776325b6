"""The words of a batch of texts and what their characters say of them, in flat arrays over code points.

Words are what white space separates, punctuation included.
"""

import functools
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Hashes = npt.NDArray[np.uint64]

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
GLUED_BULLETS = "•‣◦"
LONE_BULLETS = "-*"
"""Bullets only as a word of their own: Markdown writes **bold** and --- with them."""
ELLIPSES = ("...", "…")
C4_END_MARKS = '.!?"”'
SENTENCE_ENDS = ".!?…。！？؟۔।॥։።"
"""What ends a sentence in larger scripts."""
CLOSERS = "\"'”’»)]}*_"
"""What may stand behind the end mark of a sentence."""
QUOTES = "\"'”’"
ABBREVIATIONS = "mr|mrs|ms|dr|st|prof|rev|gen|col|capt|lt|sr|jr|vol|no|fig|etc|vs|cf|al|pp"

_IS_END_MARK, _IS_CLOSER, _IS_C4_END_MARK, _IS_PUNCTUATION, _IS_GLUED_BULLET, _IS_LONE_BULLET = (1 << bit for bit in range(6))
_MAX_CLOSERS = 8
"""Closing marks that are looked behind."""
_MAX_ABBREVIATION = max(map(len, ABBREVIATIONS.split("|")))
_WHITE, _LETTER = 1, 2
_CODE_POINTS = 0x110000
_DOT, _ELLIPSIS, _LINE_FEED = ord("."), ord("…"), ord("\n")
_CASE_BIT = 0x20
_BASE = 0x9E3779B97F4A7C15
_BLOCK_CHARS = 1 << 16
"""Characters hashed at once: their numbers stay in the processor's cache. A longer word is hashed by itself."""
_PIECE_CHARS = 1 << 20
"""Characters whose numbers are held at once while a long text is measured."""
_STOP_SLOT_BITS = 14


class Characters:
    """Texts joined by line feeds, cut into words; what is asked of all words is found once."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.codes = _codes(text)
        """The code point of each character."""
        bounds = np.concatenate([*self._word_bounds()])
        self.starts = bounds[::2]
        """Place of the first character of each word."""
        self.ends = bounds[1::2]
        """Place behind the last one."""

    def __len__(self) -> int:
        return len(self.starts)

    def _word_bounds(self) -> Iterator[Ints]:
        """Yield the places where words begin and end in turn."""
        in_word = np.zeros(1, np.bool_)
        for start in range(0, len(self.codes), _PIECE_CHARS):
            is_word = np.concatenate((in_word, ~_has(self._classes[start : start + _PIECE_CHARS], _WHITE)))
            yield np.flatnonzero(is_word[1:] != is_word[:-1]) + start
            in_word = is_word[-1:]
        yield np.full(int(in_word[0]), len(self.codes))

    @cached_property
    def _classes(self) -> npt.NDArray[np.uint8]:
        return _looked_up(_class_table, self.codes)

    @cached_property
    def line_feeds(self) -> Ints:
        return np.flatnonzero(self.codes == _LINE_FEED)

    @cached_property
    def lengths(self) -> Ints:
        lengths: Ints = self.ends - self.starts
        return lengths

    @cached_property
    def has_letter(self) -> Bools:
        """Whether a word holds a letter of any script."""
        has_letter: Bools = self._in_words(self._classes, _LETTER) > 0
        return has_letter

    @cached_property
    def num_uppercase(self) -> Ints:
        return self._in_words(_looked_up(functools.partial(_table, str.isupper), self.codes), 1)

    @cached_property
    def is_numeric(self) -> Bools:
        """Whether all characters of a word are numeric."""
        return np.equal(self._in_words(_looked_up(functools.partial(_table, str.isnumeric), self.codes), 1), self.lengths)

    def _in_words(self, classes: npt.NDArray[np.uint8], bit: int) -> Ints:
        """Return how many characters of each word have the bit."""
        found = np.empty(len(self), np.int64)
        for first, last in _blocks(self.starts, self.ends, _PIECE_CHARS):
            origin = int(self.starts[first])
            has_bit = _has(classes[origin : self.ends[last - 1]], bit)
            sums = np.zeros(len(has_bit) + 1, np.int64)
            np.cumsum(has_bit, out=sums[1:])
            found[first:last] = sums[self.ends[first:last] - origin] - sums[self.starts[first:last] - origin]
        return found

    @cached_property
    def hashes(self) -> Hashes:
        """64 bits of each word, its case included."""
        return _hashes(self.codes, self.starts, self.ends)

    @cached_property
    def stop_words(self) -> npt.NDArray[np.int8]:
        """The number of the stop word that a word is in any case, -1 if it is none."""
        hashes, slots, numbers = _stop_table()
        found = slots[self.hashes >> np.uint64(64 - _STOP_SLOT_BITS)]
        maybe = np.flatnonzero(found >= 0)
        of_slot = found[maybe]
        result = np.full(len(self), -1, np.int8)
        result[maybe] = np.where(hashes[of_slot] == self.hashes[maybe], numbers[of_slot], -1)
        return result

    @cached_property
    def _last(self) -> npt.NDArray[np.uint8]:
        return _looked_up(_mark_table, self.codes[self.ends - 1])

    @cached_property
    def _first(self) -> npt.NDArray[np.uint8]:
        return _looked_up(_mark_table, self.codes[self.starts])

    @cached_property
    def is_bullet(self) -> Bools:
        """Whether a word starts with a bullet of its own, or is one that needs space behind it."""
        return _has(self._first, _IS_GLUED_BULLET) | self.is_lone_bullet

    @cached_property
    def is_lone_bullet(self) -> Bools:
        """Whether a word is a bullet only if another one follows in its line."""
        found: Bools = _has(self._first, _IS_LONE_BULLET) & (self.lengths == 1)
        return found

    @cached_property
    def ends_in_ellipsis(self) -> Bools:
        """Whether a word ends in three dots or their one character."""
        last = self.codes[self.ends - 1]
        found: Bools = last == _ELLIPSIS
        maybe = np.flatnonzero((last == _DOT) & (self.lengths > 2))
        ends = self.ends[maybe]
        found[maybe] = (self.codes[ends - 2] == _DOT) & (self.codes[ends - 3] == _DOT)
        return found

    @cached_property
    def ends_in_c4_mark(self) -> Bools:
        """Whether a word ends in a mark that C4 keeps lines for, and in no ellipsis."""
        return _has(self._last, _IS_C4_END_MARK) & ~self.ends_in_ellipsis

    @cached_property
    def ends_in_punctuation(self) -> Bools:
        """Whether a word ends in an end mark of sentences or a quotation mark."""
        return _has(self._last, _IS_PUNCTUATION)

    @cached_property
    def ends_sentence(self) -> Bools:
        """Whether a word ends in an end mark, a few closing marks aside, and is no common abbreviation or initial."""
        found = np.zeros(len(self), np.bool_)
        words = np.flatnonzero(_has(self._last, _IS_CLOSER | _IS_END_MARK))
        marks = self._last[words]
        places = self.ends[words] - 1
        for _ in range(_MAX_CLOSERS):
            closed = np.flatnonzero(_has(marks, _IS_CLOSER) & (places > self.starts[words]))
            places[closed] -= 1
            marks[closed] = _looked_up(_mark_table, self.codes[places[closed]])
        ending = _has(marks, _IS_END_MARK)
        words, places = words[ending], places[ending]
        dotted = np.flatnonzero((self.codes[places] == _DOT) & ~self._ends_in_long_word(self.starts[words], places))
        keeps = np.ones(len(words), np.bool_)
        keeps[dotted] = [
            _ABBREVIATION.fullmatch(self.text, start, end + 1) is None
            for start, end in zip(self.starts[words[dotted]].tolist(), places[dotted].tolist(), strict=True)
        ]
        found[words[keeps]] = True
        return found

    def _ends_in_long_word(self, starts: Ints, places: Ints) -> Bools:
        """Return where the characters before the places are letters, more than any abbreviation has."""
        is_long: Bools = places - starts > _MAX_ABBREVIATION
        for back in range(1, _MAX_ABBREVIATION + 2):
            is_long &= _has(self._classes[np.maximum(places - back, 0)], _LETTER)
        return is_long

    @cached_property
    def _lowered(self) -> npt.NDArray[Any]:
        """Letters of ASCII in lower case; what other characters become is no letter."""
        lowered: npt.NDArray[Any] = self.codes | self.codes.dtype.type(_CASE_BIT)
        return lowered

    def places_of(self, phrase: str) -> Ints:
        """Return where an ASCII phrase stands, in any case: of letters in lower case and spaces, or one other character."""
        if len(phrase) == 1:
            return np.flatnonzero(self.codes == ord(phrase))
        return self._places(phrase, _rarest(phrase))

    def _places(self, phrase: str, anchor: int) -> Ints:
        places = np.flatnonzero(self._lowered == ord(phrase[anchor])) - anchor
        places = places[(places >= 0) & (places <= len(self.codes) - len(phrase))]
        for at, letter in enumerate(phrase):
            codes = self.codes if letter == " " else self._lowered
            places = places[codes[places + at] == ord(letter)]
        return places

    def with_lines(self, lines: Iterable[str]) -> "Characters":
        """Return the characters with more lines behind them; places and numbers of words stay."""
        return Characters("\n".join([self.text, *lines]))


def _has(found: npt.NDArray[np.uint8], bits: int) -> Bools:
    has: Bools = found & np.uint8(bits) != 0
    return has


def _rarest(phrase: str) -> int:
    """Return the place of the letter of a phrase that is the rarest in English: the best to search for."""
    return min(range(len(phrase)), key=lambda at: _BY_RARITY.index(phrase[at]))


_BY_RARITY = "zqxjkvbpygfwmucldrhsnioate "
_ABBREVIATION = re.compile(
    rf"[^\w.]*(?:[^\W\d_]|(?:[^\W\d_]\.)+[^\W\d_]|{ABBREVIATIONS})\.",
    re.IGNORECASE,
)


def _codes(text: str) -> npt.NDArray[Any]:
    """Return the code points in as few bytes as they need."""
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8)
    narrow = text.encode("utf-16-le", "surrogatepass")
    if len(narrow) == 2 * len(text):
        return np.frombuffer(narrow, "<u2")
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def _looked_up(table: Callable[[int], npt.NDArray[np.uint8]], codes: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return what a table, made up to a code point, says of each; that of all takes a while to make, and most text is ASCII."""
    if codes.dtype == np.uint8:
        return np.frombuffer(codes.tobytes().translate(table(256).tobytes()), np.uint8)
    return table(_CODE_POINTS).take(codes, mode="clip")


@functools.cache
def _characters(end: int) -> str:
    return "".join(map(chr, range(end)))


@functools.cache
def _class_table(end: int) -> npt.NDArray[np.uint8]:
    table = np.zeros(end, np.uint8)
    for bit, pattern in ((_WHITE, r"\s+"), (_LETTER, r"[^\W\d_]+")):
        for found in re.finditer(pattern, _characters(end)):
            table[found.start() : found.end()] |= bit
    return table


@functools.cache
def _table(holds: Callable[[str], bool], end: int) -> npt.NDArray[np.uint8]:
    return np.fromiter(map(holds, _characters(end)), np.uint8, end)


@functools.cache
def _mark_table(end: int) -> npt.NDArray[np.uint8]:
    table = np.zeros(end, np.uint8)
    for bit, marks in (
        (_IS_END_MARK, SENTENCE_ENDS),
        (_IS_CLOSER, CLOSERS),
        (_IS_C4_END_MARK, C4_END_MARKS),
        (_IS_PUNCTUATION, SENTENCE_ENDS + QUOTES),
        (_IS_GLUED_BULLET, GLUED_BULLETS),
        (_IS_LONE_BULLET, LONE_BULLETS),
    ):
        table[[ord(mark) for mark in marks if ord(mark) < end]] |= bit
    return table


def _hashes(codes: npt.NDArray[Any], starts: Ints, ends: Ints) -> Hashes:
    """Return mix(sum_i (c_i + 1) r^i mod 2^64) of each word of code points c_0, c_1, ..."""
    hashes = np.empty(len(starts), np.uint64)
    powers, inverse_powers = _powers()
    for first, last in _blocks(starts, ends, _BLOCK_CHARS):
        origin = int(starts[first])
        if last == first + 1 and ends[first] - origin > _BLOCK_CHARS:
            hashes[first] = xxhash.xxh3_64_intdigest(codes[origin : ends[first]].astype("<u4").tobytes())
            continue
        sums = np.zeros(int(ends[last - 1]) - origin + 1, np.uint64)
        terms = codes[origin : ends[last - 1]].astype(np.uint64)
        terms += np.uint64(1)
        terms *= powers[: len(terms)]
        np.cumsum(terms, out=sums[1:])
        begin = starts[first:last] - origin
        hashes[first:last] = (sums[ends[first:last] - origin] - sums[begin]) * inverse_powers[begin]
    return mixed(hashes)


def _blocks(starts: Ints, ends: Ints, num_chars: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of words that span at most `num_chars` characters, or one longer word."""
    first = 0
    while first < len(starts):
        last = max(int(np.searchsorted(ends, starts[first] + num_chars, side="right")), first + 1)
        yield first, last
        first = last


def mixed(values: Hashes) -> Hashes:
    """Return the numbers scrambled, one to one, so that each bit hangs on all (the finaliser of MurmurHash3, Appleby 2011)."""
    values = values ^ (values >> np.uint64(33))
    values *= np.uint64(0xFF51AFD7ED558CCD)
    values ^= values >> np.uint64(33)
    values *= np.uint64(0xC4CEB9FE1A85EC53)
    values ^= values >> np.uint64(33)
    return values


@functools.cache
def _powers() -> tuple[Hashes, Hashes]:
    """Return r^i and r^-i modulo 2^64."""
    both = [np.full(_BLOCK_CHARS, base, np.uint64) for base in (_BASE, pow(_BASE, -1, 1 << 64))]
    for powers in both:
        powers[0] = 1
        np.multiply.accumulate(powers, out=powers)
    return both[0], both[1]


@functools.cache
def _stop_table() -> tuple[Hashes, npt.NDArray[np.int16], npt.NDArray[np.int8]]:
    """Return the hashes of all spellings, by the high bits of a hash the one that it may be, and the stop word of each."""
    spellings = [
        ("".join(letters), number)
        for number, word in enumerate(STOP_WORDS)
        for letters in product(*((letter, letter.upper()) for letter in word))
    ]
    hashes = Characters(" ".join(word for word, _ in spellings)).hashes
    slots = np.full(1 << _STOP_SLOT_BITS, -1, np.int16)
    of_spelling = hashes >> np.uint64(64 - _STOP_SLOT_BITS)
    assert len(np.unique(of_spelling)) == len(spellings), "two spellings of stop words share a slot"
    slots[of_spelling] = np.arange(len(spellings))
    return hashes, slots, np.array([number for _, number in spellings], np.int8)
