"""The encoder of a tokenizer: the first way that gives its ids."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, final

import numpy as np

from groundup.artifacts.fast_encoder.chunks import of_word_pieces, of_words
from groundup.artifacts.fast_encoder.ranks import RankWay
from groundup.artifacts.fast_encoder.way import Ids, UnsuitableError, Way
from groundup.artifacts.tokenizer import TextTokenizer


@final
class PlainWay(Way):
    """The library `tokenizers`, text by text."""

    name = "tokenizers"

    def __init__(self, engine: Any) -> None:
        self._encode = engine.encode

    def encode(self, text: str) -> Ids:
        return np.array(self._encode(text, add_special_tokens=False).ids, np.uint32)


WAYS: Final[dict[str, tuple[Callable[[Any, dict[str, Any]], Way], ...]]] = {
    "BPE": (RankWay.of, of_words),
    "Unigram": (of_words,),
    "WordPiece": (of_word_pieces,),
}
"""Type of the model in tokenizer.json -> (engine, state) -> way, the fastest first; UnsuitableError where it would differ."""


@final
class FastEncoder:
    """Encode many texts on one core, with the ids of `TextTokenizer.encode`.

    Holds a cache, so one object belongs to one process; `name` says which way was taken, `reasons` why not those before it.
    """

    def __init__(self, tokenizer: TextTokenizer, way: Way, reasons: tuple[str, ...]) -> None:
        self.name = way.name
        self.reasons = reasons
        self._way = way
        self._plain = PlainWay(tokenizer.engine)
        names = [token.content for token in tokenizer.engine.get_added_tokens_decoder().values() if not token.special]
        self._ordinary = re.compile("|".join(map(re.escape, sorted(names)))) if names else None

    @classmethod
    def of(cls, tokenizer: TextTokenizer) -> "FastEncoder":
        """Return the fastest encoder that gives the ids of the tokenizer."""
        engine = tokenizer.engine
        state = json.loads(engine.to_str())
        reasons: list[str] = []
        try:
            _check_whole(state)
            for make in WAYS.get(state["model"]["type"], ()):
                try:
                    return cls(tokenizer, make(engine, state), tuple(reasons))
                except UnsuitableError as reason:
                    reasons.append(str(reason))
        except UnsuitableError as reason:
            reasons.append(str(reason))
        return cls(tokenizer, PlainWay(engine), tuple(reasons))

    def encode(self, text: str) -> Ids:
        """Return the ids of the text; a text with an added token that is no special one is left to the tokenizer's own library."""
        if self._ordinary is not None and self._ordinary.search(text):
            return self._plain.encode(text)
        return self._way.encode(text)

    def encode_batch(self, texts: Sequence[str]) -> list[Ids]:
        """Return the ids of each text."""
        return list(map(self.encode, texts))


def _check_whole(state: dict[str, Any]) -> None:
    """Raise UnsuitableError if a text is cut or changed where no way looks."""
    if state["truncation"] is not None or state["padding"] is not None:
        raise UnsuitableError("texts are cut or padded to a length")
    if any(token["normalized"] and not token["special"] for token in state["added_tokens"]) and state["normalizer"] is not None:
        raise UnsuitableError("its added tokens are looked for in the normalised text")
