"""tiktoken's ranks: lines of a token in base64 with its rank; the split and the special tokens belong to the encoding's name."""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

from groundup.artifacts.tokenizer_formats.beside import Beside
from groundup.artifacts.tokenizer_formats.given import AGAIN, MAX_TOKENS, read_lines
from groundup.core.errors import ArtifactError

_GPT2_SPLIT = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_GPT4_SPLIT = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_GPT4O_SPLIT = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_SHORT}|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_SHORT}"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_END = "<|endoftext|>"


@dataclass(frozen=True)
class Encoding:
    """How tiktoken cuts text for a vocabulary of ranks, and its special tokens."""

    num_ranks: int
    split: str
    special: Mapping[str, int]


def _llama3_special() -> dict[str, int]:
    named = {0: "<|begin_of_text|>", 1: "<|end_of_text|>", 6: "<|start_header_id|>", 7: "<|end_header_id|>", 9: "<|eot_id|>"}
    reserved = iter(range(256))
    return {named.get(number) or f"<|reserved_special_token_{next(reserved)}|>": 128_000 + number for number in range(256)}


ENCODINGS: Final[Mapping[str, Encoding]] = {
    "gpt2": Encoding(50_256, _GPT2_SPLIT, {_END: 50_256}),
    "r50k_base": Encoding(50_256, _GPT2_SPLIT, {_END: 50_256}),
    "p50k_base": Encoding(50_280, _GPT2_SPLIT, {_END: 50_256}),
    "cl100k_base": Encoding(
        100_256,
        _GPT4_SPLIT,
        {
            _END: 100_257,
            "<|fim_prefix|>": 100_258,
            "<|fim_middle|>": 100_259,
            "<|fim_suffix|>": 100_260,
            "<|endofprompt|>": 100_276,
        },
    ),
    "o200k_base": Encoding(199_998, _GPT4O_SPLIT, {_END: 199_999, "<|endofprompt|>": 200_018}),
    "llama3": Encoding(128_000, _GPT4_SPLIT, _llama3_special()),
}
"""Name -> encoding; the splits and ids that tiktoken and Llama 3 publish for them."""


def read_ranks(path: Path, beside: Beside) -> Any:
    """Return the engine of the ranks.

    The encoding is the one that the file is named after ('cl100k_base.tiktoken'), else the one with as many ranks. Raises
    ArtifactError that names file and line.
    """
    ranks = _read_ranks(path)
    encoding = _find_encoding(path, len(ranks))
    taken = {name: number for name, number in encoding.special.items() if number in set(ranks.values())}
    if taken:
        name, number = next(iter(taken.items()))
        raise ArtifactError(f"{path}: rank {number} is the id of '{name}' in the encoding that the file is named after; {AGAIN}")
    vocabulary = {visible(token): rank for token, rank in ranks.items()}
    engine: Any = Tokenizer(models.BPE({**vocabulary, **encoding.special}, list(_merges(ranks)), ignore_merges=True))
    engine.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(encoding.split), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    engine.decoder = decoders.ByteLevel()
    engine.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in encoding.special])
    return engine


def _find_encoding(path: Path, num_ranks: int) -> Encoding:
    found = ENCODINGS.get(path.stem) or next((e for e in ENCODINGS.values() if e.num_ranks == num_ranks), None)
    if found is None:
        raise ArtifactError(
            f"{path}: {num_ranks:,} ranks are those of no known encoding; name the file after the one that it is: "
            + ", ".join(f"{name}.tiktoken" for name in ENCODINGS)
        )
    return found


def _read_ranks(path: Path) -> dict[bytes, int]:
    ranks: dict[bytes, int] = {}
    seen: set[int] = set()
    for number, line in read_lines(path):
        if not line:
            continue
        encoded, _, rank = line.partition(" ")
        try:
            token = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            token = b""
        if not token or not (rank.isascii() and rank.isdecimal()) or int(rank) >= MAX_TOKENS:
            raise ArtifactError(f"{path}:{number}: should be a token in base64 and its rank, is {line[:40]!r}; {AGAIN}")
        if token in ranks or int(rank) in seen:
            raise ArtifactError(f"{path}:{number}: token or rank stands there twice ({line[:40]!r}); {AGAIN}")
        ranks[token] = int(rank)
        seen.add(int(rank))
    missing = [byte for byte in range(256) if bytes([byte]) not in ranks]
    if missing:
        raise ArtifactError(f"{path}: byte {missing[0]:#04x} has no rank; {AGAIN}")
    return ranks


def _merges(ranks: Mapping[bytes, int]) -> Iterator[tuple[str, str]]:
    """Yield every way to make a token of two, in the order of the ranks of what is made."""
    for token, _ in sorted(ranks.items(), key=lambda item: item[1]):
        for cut in range(1, len(token)):
            if token[:cut] in ranks and token[cut:] in ranks:
                yield visible(token[:cut]), visible(token[cut:])


def visible(token: bytes) -> str:
    """Return the name of the token in byte-level vocabularies: a visible character for each byte (GPT-2's table)."""
    return token.decode("latin-1").translate(_NAMES)


def _names() -> dict[int, str]:
    shown = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {byte: chr(byte) for byte in shown} | {byte: chr(256 + place) for place, byte in enumerate(hidden)}


_NAMES: Final = _names()
BYTE_OF: Final = {name: byte for byte, name in sorted(_NAMES.items())}
"""Visible character -> the byte that it stands for."""
