"""Merges of byte-level BPE by rustbpe, which counts the words on all cores and then merges them in place."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import rustbpe
import tiktoken

from groundup.core.log import say
from groundup.tokenizer.preparation import MAX_RUN, Preparation

NUM_BYTES: Final = 256
BUFFER_BLOCKS: Final = 1024
"""Blocks of text that the trainer holds at a time."""
MAX_BYTES: Final = 2_000_000_000
"""Its counts are 32-bit numbers with a sign."""
_LONG: Final = re.compile(rf"(\s{{{MAX_RUN}}})\s+")
_NEVER: Final = "\U0010ffff\U0010fffe"


@dataclass(frozen=True)
class Learned:
    """Merges in their order."""

    pairs: Sequence[tuple[bytes, bytes]]
    tokens: Sequence[bytes]
    """By rank: the bytes, then what the merges make."""
    encode: Callable[[str], list[int]]
    """Text -> ranks, by rustbpe."""


class _TooMuchError(Exception):
    """More text than the trainer can count."""


def learn_merges(texts: Iterable[str], count: int, preparation: Preparation) -> Learned | None:
    """Return at most `count` merges of pairs that occur twice or more.

    None if rustbpe has none to give: if fewer pairs occur twice (it would go on with those seen once), if there is more text than
    it can count, or if it fails. Of equally frequent pairs the first in the order of ranks is merged first.
    """
    trainer = rustbpe.Tokenizer()
    try:
        trainer.train_from_iterator(_bounded(texts, preparation), NUM_BYTES + count, BUFFER_BLOCKS, preparation.pattern)
    except _TooMuchError:
        return None
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        say(f"  tokenizer: rustbpe failed ({error}); the trainer of the library tokenizers takes its place", style="yellow")
        return None
    tokens = [bytes(token) for token, _ in trainer.get_mergeable_ranks()]
    ranks = {token: rank for rank, token in enumerate(tokens)}
    if count and (len(tokens) < NUM_BYTES + count or len(ranks) < len(tokens)):
        return None
    pairs = [halves(token, ranks) for token in tokens[NUM_BYTES:]]
    if pairs and not _occurs_twice(pairs[-1], tokens, _bounded(texts, preparation), preparation.pattern):
        return None
    return Learned(pairs, tokens, trainer.encode)


def _bounded(texts: Iterable[str], preparation: Preparation) -> Iterator[str]:
    """Yield the texts in blocks, white space without end cut short; raise _TooMuchError beyond MAX_BYTES."""
    left_bytes = MAX_BYTES
    for block in preparation.blocks(texts):
        left_bytes -= len(block.encode())
        if left_bytes < 0:
            raise _TooMuchError
        yield _LONG.sub(r"\1", block)


def halves(token: bytes, ranks: Mapping[bytes, int]) -> tuple[bytes, bytes]:
    """Return the two tokens that a token is merged from.

    They are the only two earlier ones, or what is left of its bytes merged in the order of ranks.
    """
    own = ranks[token]
    ways = [(token[:place], token[place:]) for place in range(1, len(token))]
    ways = [way for way in ways if max(ranks.get(half, own) for half in way) < own]
    if len(ways) == 1:
        return ways[0]
    parts = [token[place : place + 1] for place in range(len(token))]
    while len(parts) > 2:
        joined = [ranks.get(left + right, own) for left, right in pairwise(parts)]
        place = joined.index(min(joined))
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    left, right = parts
    return left, right


def _occurs_twice(pair: tuple[bytes, bytes], tokens: Sequence[bytes], texts: Iterable[str], pattern: str) -> bool:
    """Return whether the pair that was merged last occurs twice; none before it can be rarer."""
    ranks = {token: rank for rank, token in enumerate(tokens[:-1])}
    encoding = tiktoken.Encoding("groundup", pat_str=pattern, mergeable_ranks=ranks, special_tokens={_NEVER: len(tokens)})
    left, right = (ranks[half] for half in pair)
    written, found = b"".join(pair), 0
    for text in texts:
        if written in text.encode():
            cut = encoding.encode_to_numpy(text, disallowed_special=())
            found += int(np.count_nonzero((cut[:-1] == left) & (cut[1:] == right)))
            if found > 1:
                return True
    return False
