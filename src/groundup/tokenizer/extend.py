"""An existing tokenizer with more tokens: terms of a domain, each id of before kept."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tokenizers import Tokenizer

from groundup.artifacts.special_tokens import SpecialNames
from groundup.artifacts.tokenizer_formats.roles import protect
from groundup.core.errors import ConfigError
from groundup.tokenizer.grow import Words, grow_merges
from groundup.tokenizer.preparation import blocks

MIN_FREQUENCY: Final = 2
GAIN: Final = 1e-4
"""How much more probable a new piece of Unigram is than the pieces that it stands for, in nats: enough to be taken, no more."""
SPACE: Final = "▁"
_SPACED: Final = re.compile(f"{SPACE}?[^{SPACE}]+|{SPACE}+")
"""Words for tokenizers that read a text whole, with spaces written as a sign (SentencePiece's)."""


@dataclass(frozen=True)
class Extension:
    """The engine with the new tokens, and what each new id stands for."""

    engine: Any
    pieces: Mapping[int, tuple[int, ...]]
    """New id -> the old ids that spelled the same text."""


@dataclass(frozen=True)
class Addition:
    """A new token before it has an id: its name, the old ids that spell it, the merge that makes it."""

    name: str
    pieces: tuple[int, ...]
    merge: tuple[str, str] | None = None


def extend(engine: Any, special: SpecialNames, texts: Iterable[str], num_tokens: int) -> Extension:
    """Return the engine with at most `num_tokens` more tokens, learned from the texts; ids go on after the last.

    BPE: merges go on from where they ended, over the tokens of now, the most frequent pair first. They come after all old ones, so
    every text has the tokens of before but for runs of them that a new token stands for.
    WordPiece and Unigram: the words that save most tokens become tokens; a text that holds none of them keeps its tokens. A piece
    of Unigram is as probable as the pieces that it stands for, and GAIN more.
    Raises ConfigError for a model of another kind.
    """
    state = json.loads(engine.to_str())
    kind = state["model"]["type"]
    if kind not in GROWERS or state["model"].get("continuing_subword_prefix", "##") not in ("", "##", None) or _marks_ends(state):
        raise ConfigError(f"tokenizers of kind {kind} that mark parts of words cannot be extended; there are {', '.join(GROWERS)}")
    taken = engine.get_vocab(with_added_tokens=True)
    _hold_added(state, taken)
    additions = GROWERS[kind](Tokenizer(engine.model), _count_words(engine, texts), taken, num_tokens)
    first = 1 + max(taken.values())
    WRITERS[kind](state["model"], additions, first)
    grown: Any = Tokenizer.from_str(json.dumps(state))
    protect(grown, special)
    return Extension(grown, {first + place: addition.pieces for place, addition in enumerate(additions)})


def _marks_ends(state: Mapping[str, Any]) -> bool:
    model = state["model"]
    return model["type"] == "BPE" and bool(model["end_of_word_suffix"] or model["continuing_subword_prefix"])


def _hold_added(state: dict[str, Any], taken: Mapping[str, int]) -> None:
    """Write the tokens that stand beside the vocabulary into it, so that they keep their ids when it grows past them.

    Raises ConfigError if ids of a Unigram model, whose vocabulary is a list, have gaps.
    """
    model = state["model"]
    if model["type"] != "Unigram":
        model["vocab"].update({token["content"]: token["id"] for token in state["added_tokens"]})
        return
    names = {number: name for name, number in taken.items()}
    lowest = min(score for _, score in model["vocab"])
    for number in range(len(model["vocab"]), 1 + max(names)):
        if number not in names:
            raise ConfigError(
                f"id {number} of this Unigram tokenizer is no token's, so its vocabulary cannot go on after {max(names)}"
            )
        model["vocab"].append([names[number], lowest])


def _count_words(engine: Any, texts: Iterable[str]) -> Counter[str]:
    """Return how often each word occurs, as the model is given it: normalised, its bytes written as characters where they are."""
    change = str if engine.normalizer is None else engine.normalizer.normalize_str
    counts: Counter[str] = Counter()
    for text in texts:
        for block in blocks(text):
            counts.update(_words(engine.pre_tokenizer, change(block)))
    return counts


def _words(pre_tokenizer: Any, text: str) -> list[str]:
    if pre_tokenizer is None:
        return _SPACED.findall(text)
    return [
        piece for word, _ in pre_tokenizer.pre_tokenize_str(text) for piece in (_SPACED.findall(word) if SPACE in word else [word])
    ]


def _spelled(model: Any, words: Counter[str]) -> Iterator[tuple[str, int, list[int]]]:
    """Yield (word, count, ids) of the words that occur often enough and whose tokens spell them: no unknowns, no lone bytes."""
    for word in sorted(words):
        if words[word] >= MIN_FREQUENCY:
            encoding = model.encode(word, add_special_tokens=False)
            names = [name.removeprefix("##") if place else name for place, name in enumerate(encoding.tokens)]
            if "".join(names) == word or "".join(encoding.tokens) == word:
                yield word, words[word], encoding.ids


def _grow_bpe(model: Any, words: Counter[str], taken: Mapping[str, int], num_tokens: int) -> list[Addition]:
    rows: Words = [(count, ids) for _, count, ids in _spelled(model, words) if len(ids) > 1]
    names = {number: name for name, number in taken.items()}
    return [Addition(*row) for row in grow_merges(rows, names, num_tokens, MIN_FREQUENCY)]


def _grow_words(model: Any, words: Counter[str], taken: Mapping[str, int], num_tokens: int) -> list[Addition]:
    """Return the words that save most tokens, counted over the texts."""
    rows = [
        (count * (len(ids) - 1), word, ids) for word, count, ids in _spelled(model, words) if len(ids) > 1 and word not in taken
    ]
    best = sorted(rows, key=lambda row: (-row[0], row[1]))[:num_tokens]
    return [Addition(word, tuple(ids)) for _, word, ids in best]


GROWERS: Final[dict[str, Callable[[Any, Counter[str], Mapping[str, int], int], list[Addition]]]] = {
    "BPE": _grow_bpe,
    "WordPiece": _grow_words,
    "Unigram": _grow_words,
}
"""Type of the model in tokenizer.json -> (model, words, tokens there are, most new ones) -> new tokens."""


def _write_bpe(model: dict[str, Any], additions: Sequence[Addition], first: int) -> None:
    _write_vocabulary(model, additions, first)
    joined = bool(model["merges"]) and isinstance(model["merges"][0], str)
    merges = [addition.merge for addition in additions if addition.merge is not None]
    model["merges"] += [" ".join(merge) for merge in merges] if joined else [list(merge) for merge in merges]


def _write_vocabulary(model: dict[str, Any], additions: Sequence[Addition], first: int) -> None:
    model["vocab"].update({addition.name: first + place for place, addition in enumerate(additions)})


def _write_unigram(model: dict[str, Any], additions: Sequence[Addition], first: int) -> None:
    scores = [score for _, score in model["vocab"]]
    lowest = min(scores)
    model["vocab"] += [
        [addition.name, max(sum(scores[piece] for piece in addition.pieces) + GAIN, lowest)] for addition in additions
    ]


WRITERS: Final[dict[str, Callable[[dict[str, Any], Sequence[Addition], int], None]]] = {
    "BPE": _write_bpe,
    "WordPiece": _write_vocabulary,
    "Unigram": _write_unigram,
}
"""Type of the model -> what writes new tokens into its part of tokenizer.json."""
