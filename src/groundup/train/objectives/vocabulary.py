"""What objectives need to know of the tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Bool

from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.errors import ConfigError
from groundup.train.randomness import Ints

WORD_MARKS = ("Ġ", "Ċ", "▁")
"""What a token that begins a word begins with: byte-level BPE's space and line end, SentencePiece's space."""
SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？")
CONTINUATION_MARK = "##"
"""What a token that goes on with a word begins with in WordPiece."""


@dataclass(frozen=True)
class FillTokens:
    """The tokens that stand before the parts of a document whose middle is to be filled in."""

    prefix: int
    suffix: int
    middle: int


@dataclass(frozen=True)
class SpecialTokens:
    """Ids of the tokens that are not text; text holds none of them but `eos_id`."""

    eos_id: int
    """Ends a document, and opens the next."""
    pad_id: int | None = None
    """Fills rows; None: `eos_id` does."""
    mask_id: int | None = None
    sentinel_ids: tuple[int, ...] = ()
    """Stand for hidden spans, the first for the first."""
    mode_ids: Mapping[str, int] = field(default_factory=dict)
    """Open the sources of the denoisers of a mode ('R', 'S', 'X')."""
    fill: FillTokens | None = None
    sep_id: int | None = None

    @classmethod
    def of(cls, tokenizer: TextTokenizer) -> "SpecialTokens":
        """Return the ids of a tokenizer's special tokens."""
        names = tokenizer.special

        def optional(name: str | None) -> int | None:
            return None if name is None else tokenizer.id_of(name)

        return cls(
            eos_id=tokenizer.eos_id,
            pad_id=optional(names.pad),
            mask_id=tokenizer.mask_id,
            sentinel_ids=tuple(map(tokenizer.id_of, names.sentinels)),
            mode_ids={mode: tokenizer.id_of(name) for mode, name in names.modes.items()},
            fill=None if names.fill is None else FillTokens(**{part: tokenizer.id_of(name) for part, name in names.fill}),
            sep_id=optional(names.sep),
        )

    @property
    def padding(self) -> int:
        return self.eos_id if self.pad_id is None else self.pad_id

    @cached_property
    def all(self) -> frozenset[int]:
        """Return every special id."""
        single = (self.eos_id, self.pad_id, self.mask_id, self.sep_id)
        fill = () if self.fill is None else (self.fill.prefix, self.fill.suffix, self.fill.middle)
        return frozenset(i for i in (*single, *self.sentinel_ids, *self.mode_ids.values(), *fill) if i is not None)

    def need_mask(self, objective: str) -> int:
        """Return the mask token; raise ConfigError if there is none."""
        if self.mask_id is None:
            raise _missing(objective, "a mask token")
        return self.mask_id

    def need_fill(self, objective: str) -> FillTokens:
        """Return the tokens of prefix, suffix and middle; raise ConfigError if there are none."""
        if self.fill is None:
            raise _missing(objective, "tokens for prefix, suffix and middle")
        return self.fill

    def need_mode(self, objective: str, mode: str) -> int:
        """Return the token of the mode; raise ConfigError if there is none."""
        if mode not in self.mode_ids:
            raise _missing(objective, f"a token for mode '{mode}'")
        return self.mode_ids[mode]

    def need_sentinels(self, objective: str, count: int, way_out: str) -> Ints:
        """Return all sentinels; raise ConfigError if there are fewer than `count`."""
        if len(self.sentinel_ids) < count:
            raise ConfigError(
                f"pretrain.objective.name='{objective}' can need {count:,} sentinel tokens for one document, but the tokenizer has "
                f"{len(self.sentinel_ids):,}; raise the number of sentinels in tokenizer.special, or {way_out}"
            )
        return np.array(self.sentinel_ids, dtype=np.int64)


def _missing(objective: str, what: str) -> ConfigError:
    return ConfigError(
        f"pretrain.objective.name='{objective}' needs {what}, which the tokenizer does not have; add it with tokenizer.special, "
        "and train the tokenizer again"
    )


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a tokenizer."""

    size: int
    special: SpecialTokens
    word_starts: Bool[np.ndarray, " size"] | None = None
    """Which tokens begin a word; None: unknown."""
    sentence_ends: tuple[int, ...] = ()
    """Tokens that end a sentence."""

    @classmethod
    def of(cls, tokenizer: TextTokenizer) -> "Vocabulary":
        """Return what a tokenizer's objectives need to know."""
        ids = range(tokenizer.vocab_size)
        return cls(
            size=tokenizer.vocab_size,
            special=SpecialTokens.of(tokenizer),
            word_starts=find_word_starts([tokenizer.token(token) for token in ids]),
            sentence_ends=tuple(token for token in ids if tokenizer.decode([token]).rstrip().endswith(SENTENCE_ENDS)),
        )

    @cached_property
    def ordinary(self) -> Ints:
        """The ids of text."""
        return np.setdiff1d(np.arange(self.size, dtype=np.int64), np.array(sorted(self.special.all), dtype=np.int64))


def find_word_starts(names: Sequence[str]) -> Bool[np.ndarray, " size"]:
    """Return which tokens begin a word, from their names in the vocabulary.

    WordPiece marks those that go on ('##ing'), SentencePiece and byte-level BPE those that begin ('▁in', 'Ġin'). Where words are
    marked so, a token that begins with no letter or digit begins a word too.
    """
    if any(name.startswith(CONTINUATION_MARK) for name in names):
        return np.array([not name.startswith(CONTINUATION_MARK) for name in names], dtype=np.bool_)
    return np.array([name.startswith(WORD_MARKS) or not name[:1].isalnum() for name in names], dtype=np.bool_)
