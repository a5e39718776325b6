"""Byte-level BPE by tiktoken, which knows ranks of tokens in place of merges."""

from collections.abc import Iterator, Sequence, Set
from itertools import chain
from typing import Any, Final, final

import numpy as np
import tiktoken
from tokenizers import Tokenizer, models

from groundup.artifacts.fast_encoder.normalise import Normalise, normaliser_of
from groundup.artifacts.fast_encoder.way import Ids, UnsuitableError, Way
from groundup.artifacts.tokenizer_formats.ranks import BYTE_OF

GPT2_WORD: Final = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"""How the library `tokenizers` cuts words for byte-level BPE where it is given no pattern."""
_NEVER: Final = "\U0010ffff\U0010fffe"
"""A special token that tiktoken may look for; without one its search goes through the text character by character."""


@final
class RankWay(Way):
    """tiktoken with the tokenizer's own pattern; what its regular expressions give up on goes to the engine."""

    name = "tiktoken"

    def __init__(self, engine: Any, pattern: str, tokens: Sequence[bytes], ids: Ids, normalise: Normalise | None) -> None:
        ranks = {token: rank for rank, token in enumerate(tokens)}
        self._encoding = tiktoken.Encoding("groundup", pat_str=pattern, mergeable_ranks=ranks, special_tokens={_NEVER: len(tokens)})
        self._ids = ids
        self._engine = engine
        self._normalise = normalise

    @classmethod
    def of(cls, engine: Any, state: dict[str, Any]) -> "RankWay":
        """Raise UnsuitableError if the merges are not those that ranks would make, or no single pattern cuts the words."""
        special = {token["content"]: token["id"] for token in state["added_tokens"] if token["special"]}
        never = {name for name, token in special.items() if token not in engine.encode(name, add_special_tokens=False).ids}
        names = ranked_names(state["model"], never)
        tokens = [bytes(BYTE_OF[character] for character in name) for name in names]
        vocabulary = state["model"]["vocab"]
        ids = np.array([vocabulary[name] for name in names], np.uint32)
        return cls(engine, byte_level_pattern(state["pre_tokenizer"]), tokens, ids, normaliser_of(engine))

    def encode(self, text: str) -> Ids:
        given = text if self._normalise is None else self._normalise(text)
        try:
            ranks = self._encoding.encode_to_numpy(given, disallowed_special=())
        except ValueError:  # a run of white space beyond the stack of its regular expressions
            return np.array(self._engine.encode(text, add_special_tokens=False).ids, np.uint32)
        found: Ids = self._ids[ranks]
        return found


def byte_level_pattern(state: Any) -> str:
    """Return the one pattern that cuts text into words before their bytes are merged; UnsuitableError if there is none."""
    steps = state["pretokenizers"] if state is not None and state["type"] == "Sequence" else [state]
    last = steps[-1]
    if last is None or last["type"] != "ByteLevel" or last["add_prefix_space"]:
        raise UnsuitableError("words are not cut into bytes, or get a space before the first")
    if len(steps) == 1 and last["use_regex"]:
        return GPT2_WORD
    if len(steps) == 2 and not last["use_regex"]:
        return split_pattern(steps[0])
    raise UnsuitableError("words are cut in more than one step")


def split_pattern(state: Any) -> str:
    """Return the pattern of a step that keeps every match and all between as words of their own."""
    if state is None or state["type"] != "Split" or state["behavior"] != "Isolated" or "Regex" not in state["pattern"]:
        raise UnsuitableError("words are not cut by one pattern")
    return str(state["pattern"]["Regex"])


def ranked_names(model: dict[str, Any], never: Set[str]) -> list[str]:
    """Return the tokens that merges can make, bytes first, then in the order in which they are made; `never` come from a text.

    tiktoken merges any neighbours that make a token, the lowest rank first; `tokenizers` those pairs that are listed. They are the
    same if every token, spelled by itself, comes out of merges that each join what was made before (`tokenizers` is asked):
    then whatever stands around a token's bytes, either it was never whole, or the same pair made it. Raises UnsuitableError else.
    """
    vocabulary = model["vocab"]
    if model["dropout"] or model["continuing_subword_prefix"] or model["end_of_word_suffix"]:
        raise UnsuitableError("its BPE drops merges, or marks parts of words")
    missing = [byte for byte in BYTE_OF if byte not in vocabulary]
    if missing:
        raise UnsuitableError(f"{len(missing)} bytes have no token")
    merges = [pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"]]
    made = list(_made(merges))
    if len(set(made)) < len(made):
        raise UnsuitableError("merges of one token stand apart from each other")
    place = {name: number for number, name in enumerate(chain(BYTE_OF, made))}
    unmade = [name for name in vocabulary if name not in place and name not in never]
    if unmade and model["ignore_merges"]:
        raise UnsuitableError(f"{len(unmade)} tokens are words that no merges make")
    grown = [
        (left, right)
        for left, right in merges
        if max(place.get(left, len(place)), place.get(right, len(place))) < place[left + right]
    ]
    alone: Any = Tokenizer(models.BPE(vocabulary, grown))
    found = alone.encode_batch_fast(made, add_special_tokens=False)
    lost = sum(len(encoding.ids) != 1 for encoding in found)
    if lost:
        raise UnsuitableError(f"{lost} tokens do not come out of their own merges")
    return list(place)


def _made(merges: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield what each merge makes; neighbouring merges that make the same count once."""
    last = None
    for left, right in merges:
        if left + right != last:
            last = left + right
            yield last
