"""Tokenizers beside each other on one text."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from rich.console import Group
from rich.table import Table

from groundup.artifacts.fast_encoder import FastEncoder
from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.errors import DataError
from groundup.core.units import format_bytes
from groundup.tokenizer.preparation import blocks

CARRIER: Final = "the"
"""Stands before a word whose tokens are counted, as words stand in a text."""
SHOWN_WORDS: Final = 12


@dataclass
class Fit:
    """How one tokenizer fits the text."""

    name: str
    kind: str
    vocab_size: int
    bytes_per_token: float = 0.0
    fertility: float = 0.0
    """Tokens a word, a word being what lies between white space."""
    unknown_rate: float = 0.0
    """Share of tokens that stand for what the vocabulary cannot spell."""
    exact: float = 0.0
    """Share of the text's bytes in blocks that decoding gives back exactly."""
    mb_per_s: float = 0.0
    """Megabytes of text encoded in a CPU second."""
    encoded_by: str = ""
    words: Mapping[str, int] = field(default_factory=dict)
    """Domain word -> its tokens."""
    whole_words: float = 0.0
    """Share of the domain words that take no more tokens than words between white space."""

    def said(self) -> str:
        """Return which domain words take most tokens."""
        split = sorted((word for word in self.words if self.words[word] > len(word.split())), key=lambda word: -self.words[word])
        return "splits " + ", ".join(f"{word} ({self.words[word]})" for word in split[:SHOWN_WORDS]) if split else "splits none"


@dataclass(frozen=True)
class Comparison:
    """The tokenizers in the order asked for."""

    bytes: int
    fits: tuple[Fit, ...]

    def as_json(self) -> dict[str, Any]:
        return {"bytes": self.bytes, "tokenizers": [asdict(fit) for fit in self.fits]}

    def render(self) -> Group:
        """Return a table, a row a tokenizer, and below it the domain words that take most tokens."""
        table = Table(title=f"on {format_bytes(float(self.bytes))} of text", title_justify="left")
        table.add_column("tokenizer", overflow="fold")
        for name in (
            "tokens",
            "bytes/token",
            "tokens/word",
            "unknown",
            "comes back",
            "MB/s",
            *(["words whole"] if self._words else []),
        ):
            table.add_column(name, justify="right")
        for fit in self.fits:
            table.add_row(
                f"{fit.name} ({fit.kind})",
                f"{fit.vocab_size:,}",
                f"{fit.bytes_per_token:.3f}",
                f"{fit.fertility:.3f}",
                f"{fit.unknown_rate:.2%}",
                f"{fit.exact:.2%}",
                f"{fit.mb_per_s:.1f}",
                *([f"{fit.whole_words:.0%}"] if self._words else []),
            )
        return Group(table, *(f"{fit.name}: {fit.said()}" for fit in self.fits if self._words))

    @property
    def _words(self) -> int:
        return len(self.fits[0].words) if self.fits else 0


def compare(tokenizers: Mapping[str, TextTokenizer], texts: Iterable[str], words: Sequence[str], max_bytes: int) -> Comparison:
    """Measure each tokenizer on the first `max_bytes` of the texts; raise DataError if they hold none.

    Speeds are those of the fast encoder, words met before remembered; they are the only figures that differ from run to run.
    """
    text = _first(texts, max_bytes)
    num_bytes = sum(len(block.encode()) for block in text)
    if not num_bytes:
        raise DataError("the text to compare tokenizers on is empty; give some with --text")
    return Comparison(num_bytes, tuple(_fit(name, tokenizer, text, words) for name, tokenizer in tokenizers.items()))


def _first(texts: Iterable[str], max_bytes: int) -> list[str]:
    """Return the texts in blocks, as many as have `max_bytes` together."""
    kept: list[str] = []
    left_bytes = max_bytes
    for text in texts:
        for block in blocks(text):
            cut = block.encode()[:left_bytes].decode(errors="ignore")
            kept.append(cut)
            left_bytes -= len(cut.encode())
            if len(cut) < len(block) or left_bytes <= 0:
                return kept
    return kept


def _fit(name: str, tokenizer: TextTokenizer, text: Sequence[str], words: Sequence[str]) -> Fit:
    encoder = FastEncoder.of(tokenizer)
    start_s = time.process_time()
    encoded = encoder.encode_batch(text)
    elapsed_s = time.process_time() - start_s
    sizes = [len(block.encode()) for block in text]
    num_tokens = max(sum(map(len, encoded)), 1)
    unknown = None if tokenizer.special.unk is None else tokenizer.id_of(tokenizer.special.unk)
    back = [tokenizer.decode(ids.tolist()) == block for ids, block in zip(encoded, text, strict=True)]
    counts = {word: tokens_of(tokenizer, word) for word in words}
    return Fit(
        name=name,
        kind=type(tokenizer.engine.model).__name__,
        vocab_size=tokenizer.vocab_size,
        bytes_per_token=sum(sizes) / num_tokens,
        fertility=num_tokens / max(sum(len(block.split()) for block in text), 1),
        unknown_rate=sum(int((ids == unknown).sum()) for ids in encoded) / num_tokens if unknown is not None else 0.0,
        exact=sum(size for size, same in zip(sizes, back, strict=True) if same) / sum(sizes),
        mb_per_s=sum(sizes) / 1e6 / max(elapsed_s, 1e-9),
        encoded_by=encoder.name,
        words=counts,
        whole_words=sum(counts[word] <= len(word.split()) for word in words) / max(len(words), 1),
    )


def tokens_of(tokenizer: TextTokenizer, word: str) -> int:
    """Return how many tokens the word takes in a text, after a space."""
    return len(tokenizer.encode(f"{CARRIER} {word}")) - len(tokenizer.encode(CARRIER))
