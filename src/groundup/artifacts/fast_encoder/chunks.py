"""Words encoded once and remembered: for tokenizers that read each word by itself."""

import re
from array import array
from collections.abc import Callable
from typing import Any, Final, final

import numpy as np
from tokenizers import Tokenizer, pre_tokenizers

from groundup.artifacts.fast_encoder.normalise import Normalise, normaliser_of
from groundup.artifacts.fast_encoder.patterns import WordFinder
from groundup.artifacts.fast_encoder.ranks import byte_level_pattern, split_pattern
from groundup.artifacts.fast_encoder.way import Ids, UnsuitableError, Way

MAX_WORDS: Final = 1 << 18
"""Remembered at a time: some 40 MB."""
MAX_CHARACTERS: Final = 64
"""Of a word that is remembered: longer ones seldom come again."""
_CHUNK: Final = re.compile(r"[^ \n\r\t]+")
"""What BERT's rules read alike whatever stands beyond: they change characters one by one, and drop white space."""
_SPACES: Final = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}

Find = Callable[[str], list[str] | None]
"""Text -> its words; None: the engine is to cut it."""
IdsOfWord = Callable[[str], list[int]]


class _Memory(dict[str, bytes]):
    """Word -> its ids as bytes of uint32."""

    def __init__(self, ids_of: IdsOfWord) -> None:
        self._new = ids_of

    def __missing__(self, word: str) -> bytes:
        found = array("I", self._new(word)).tobytes()
        if len(word) <= MAX_CHARACTERS:
            if len(self) >= MAX_WORDS:
                self.clear()
            self[word] = found
        return found


@final
class ChunkWay(Way):
    """Words found by a regular expression of Python, their ids by the engine where they are new."""

    name = "words"

    def __init__(self, find: Find, engine: Any, ids_of_word: IdsOfWord, normalise: Normalise | None) -> None:
        self._find = find
        self._engine = engine
        self._ids_of = _Memory(ids_of_word).__getitem__
        self._normalise = normalise

    def encode(self, text: str) -> Ids:
        given = text if self._normalise is None else self._normalise(text)
        words = self._find(given)
        if words is None:
            return np.array(self._engine.encode(text, add_special_tokens=False).ids, np.uint32)
        return np.frombuffer(b"".join(map(self._ids_of, words)), np.uint32)


def of_words(engine: Any, state: dict[str, Any]) -> ChunkWay:
    """Return the way for a tokenizer that cuts words by one pattern, and reads each by itself.

    Texts with characters beyond BASIC are left to the engine, which cuts them as fast.
    """
    if state["model"]["type"] != "BPE":
        finder = WordFinder(split_pattern(state["pre_tokenizer"]))
        return ChunkWay(finder.fast, engine, _by_model(engine.model), normaliser_of(engine))
    if state["model"]["dropout"]:
        raise UnsuitableError("its BPE drops merges by chance")
    finder = WordFinder(byte_level_pattern(state["pre_tokenizer"]))
    alone: Any = Tokenizer(engine.model)
    alone.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return ChunkWay(finder.fast, engine, _by_engine(alone), normaliser_of(engine))


def of_word_pieces(engine: Any, state: dict[str, Any]) -> ChunkWay:
    """Return the way for a tokenizer of BERT's kind: what lies between white space is read by itself."""
    cut, change = state["pre_tokenizer"], state["normalizer"]
    if cut is None or cut["type"] not in _SPACES:
        raise UnsuitableError("text is not cut as for BERT")
    if change is None or change["type"] == "BertNormalizer":
        return ChunkWay(_CHUNK.findall, engine, _by_engine(engine), None)
    alone: Any = Tokenizer(engine.model)
    alone.pre_tokenizer = engine.pre_tokenizer
    return ChunkWay(_CHUNK.findall, engine, _by_engine(alone), normaliser_of(engine))


def _by_engine(engine: Any) -> IdsOfWord:
    encode = engine.encode
    return lambda word: list(encode(word, add_special_tokens=False).ids)


def _by_model(model: Any) -> IdsOfWord:
    """Ask the model alone, as the engine does for each word: what the engine notes beside the ids takes longer than they do."""
    tokenize = model.tokenize
    return lambda word: [token.id for token in tokenize(word)]
