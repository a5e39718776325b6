"""Examples as tokens, and rows of them filled up to one length."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.errors import ConfigError

_REAL, _PADDING = 1, 0
"""Document ids."""


@dataclass(frozen=True)
class Row:
    """One example as a model sees it."""

    read: tuple[int, ...]
    """Tokens, what opens and ends a text included."""
    wanted: tuple[int, ...]
    """Class of the text or of each word, or the answer's tokens."""
    places: tuple[int, ...] = ()
    """Where each word's first token stands."""


class Speller:
    """Turns text into tokens of which a model of `max_len` can read all."""

    def __init__(self, tokenizer: TextTokenizer, max_len: int, ends: bool) -> None:
        self._tokenizer = tokenizer
        self._before = tuple(tokenizer.before_ids)
        self._after = tuple(tokenizer.after_ids) if ends else ()
        unknown = tokenizer.special.unk
        self._stand_in = tokenizer.eos_id if unknown is None else tokenizer.id_of(unknown)
        """Of text that the tokenizer makes nothing of."""
        self.room = max_len - len(self._before) - len(self._after)
        if self.room < 1:
            marks = max_len - self.room
            raise ConfigError(
                f"a text may have {max_len:,} tokens, of which {marks} open and end it, so none is left for it; "
                "take a model with a longer max_seq_len, or shorter answers"
            )
        self.cut = 0
        """Texts so far that were longer."""

    def pieces(self, text: str) -> list[int]:
        """Return the tokens of the text, at least one."""
        return self._tokenizer.encode(text) or [self._stand_in]

    def whole(self, text: str) -> tuple[int, ...]:
        """Return the text's tokens with what opens and ends it; of a longer one the first that fit."""
        pieces = self.pieces(text)
        self.cut += len(pieces) > self.room
        return (*self._before, *pieces[: self.room], *self._after)

    def words(self, words: Sequence[str], classes: Sequence[int]) -> Iterator[Row]:
        """Yield a sentence of words as one row, or as many as it takes, with the place of the first token of each word."""
        read: list[int] = []
        places: list[int] = []
        done = 0
        for number, word in enumerate(words):
            pieces = self.pieces(word)[: self.room]
            if len(read) + len(pieces) > self.room:
                yield self._row(read, places, classes[done:number])
                read, places, done = [], [], number
            places.append(len(read))
            read += pieces
        yield self._row(read, places, classes[done:])

    def _row(self, read: Sequence[int], places: Sequence[int], classes: Sequence[int]) -> Row:
        before = len(self._before)
        return Row((*self._before, *read, *self._after), tuple(classes), tuple(before + place for place in places))


def pad_right(rows: Sequence[Sequence[int]], fill: int) -> tuple[Int[Tensor, "batch seq"], Int[Tensor, "batch seq"] | None]:
    """Return rows of one length, and the ids that part them from what fills them (None: nothing does)."""
    width = max(map(len, rows))
    tokens = torch.tensor([[*row, *[fill] * (width - len(row))] for row in rows])
    if all(len(row) == width for row in rows):
        return tokens, None
    ids = torch.tensor([[_REAL] * len(row) + [_PADDING] * (width - len(row)) for row in rows])
    return tokens, ids
