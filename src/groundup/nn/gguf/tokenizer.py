"""The tokenizer of a GGUF file: read as an engine with roles, and written from ours."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from groundup.artifacts.special_tokens import SpecialNames
from groundup.artifacts.tokenizer import TextTokenizer
from groundup.core.errors import ArtifactError, ConfigError

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
"""tokenizer.ggml.token_type."""
KEY: Final = "tokenizer.ggml."
SPACE: Final = "▁"
MAX_PIECE_CHARACTERS: Final = 256
"""Several times the longest tokens of published vocabularies; the ways to cut one are tried one by one."""
ROLES: Final = {"unk": "unknown", "pad": "padding", "mask": "mask", "sep": "seperator"}
"""Our role -> theirs; the spelling is theirs."""
_SIGNS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{NUMBER}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|"


def _split(digits: str) -> Any:
    """Return the split of Qwen2 (one digit by one) or Llama 3 (up to three)."""
    words = Regex(_CONTRACTIONS + _SIGNS.replace("{NUMBER}", digits))
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Split(words, behavior="isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )


def _gpt2() -> Any:
    return pre_tokenizers.ByteLevel(add_prefix_space=False)


def _smollm() -> Any:
    return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), _gpt2()])


SPLITS: Final[dict[str, Callable[[], Any]]] = {
    "qwen2": lambda: _split(""),
    "gpt-2": _gpt2,
    "smollm": _smollm,
    "llama-bpe": lambda: _split("{1,3}"),
}
"""tokenizer.ggml.pre -> how text is cut before merges: llama.cpp knows cuts by name alone."""


def read_tokenizer(metadata: Mapping[str, Any], where: str) -> tuple[Any, SpecialNames]:
    """Return engine and roles; ConfigError for a kind that we lack, ArtifactError if the lists do not go together."""
    tokens, kinds = _list(metadata, "tokens", str, where), _list(metadata, "token_type", int, where)
    if len(tokens) != len(kinds):
        raise ArtifactError(f"{where}: {len(tokens):,} tokens and {len(kinds):,} types of tokens; the file is damaged")
    model = metadata.get(f"{KEY}model")
    if model not in READERS:
        raise ConfigError(f"{where}: {KEY}model={model!r}; groundup reads {', '.join(READERS)}: give --tokenizer")
    engine = READERS[model](tokens, metadata, where)
    control = [name for name, kind in zip(tokens, kinds, strict=True) if kind == CONTROL]
    engine.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in control])
    user = [name for name, kind in zip(tokens, kinds, strict=True) if kind == USER_DEFINED]
    engine.add_tokens([AddedToken(name, normalized=False) for name in user])
    return engine, read_roles(metadata, tokens, opens=model == "llama", where=where)


def _byte_level(tokens: Sequence[str], metadata: Mapping[str, Any], where: str) -> Any:
    """Return byte-level BPE."""
    pre = metadata.get(f"{KEY}pre")
    if pre not in SPLITS:
        raise ConfigError(f"{where}: {KEY}pre={pre!r}; groundup reads {', '.join(SPLITS)}: give --tokenizer")
    merges = [tuple(pair.split(" ")) for pair in _list(metadata, "merges", str, where)]
    odd = next((pair for pair in merges if len(pair) != 2), None)
    if odd is not None:
        raise ArtifactError(f"{where}: the merge {' '.join(odd)!r} is not of two tokens; the file is damaged")
    vocabulary = _numbered(tokens, where)
    engine: Any = _checked(lambda: Tokenizer(models.BPE(vocabulary, merges, ignore_merges=pre == "llama-bpe")), where)
    engine.pre_tokenizer = SPLITS[pre]()
    engine.decoder = decoders.ByteLevel()
    return engine


def _sentence_pieces(tokens: Sequence[str], metadata: Mapping[str, Any], where: str) -> Any:
    """Return BPE over characters, as SentencePiece learns it: the merges are those that make a token, the best scored first."""
    kinds, scores = _list(metadata, "token_type", int, where), _list(metadata, "scores", float, where)
    if len(scores) != len(tokens):
        raise ArtifactError(f"{where}: {len(tokens):,} tokens and {len(scores):,} scores of tokens; the file is damaged")
    longest = max(tokens, key=len, default="")
    if len(longest) > MAX_PIECE_CHARACTERS:
        raise ArtifactError(f"{where}: a token of {len(longest):,} characters; the file is damaged or hostile")
    vocabulary, rows = _numbered(tokens, where), list(zip(tokens, kinds, scores, strict=True))
    merges = list(_merges({name: score for name, kind, score in rows if kind in (NORMAL, USER_DEFINED)}))
    unknown = next((name for name, kind, _ in rows if kind == UNKNOWN), None)
    fallback = BYTE in kinds
    engine: Any = _checked(
        lambda: Tokenizer(models.BPE(vocabulary, merges, unk_token=unknown, fuse_unk=True, byte_fallback=fallback)), where
    )
    prefix = metadata.get(f"{KEY}add_space_prefix", True) is True
    steps = [normalizers.Prepend(SPACE)] if prefix else []
    engine.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", SPACE)])
    joined = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    engine.decoder = decoders.Sequence([*joined, decoders.Strip(" ", 1, 0)] if prefix else joined)
    return engine


def _merges(scores: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """Yield every way to make a token of two others, the best scored token first."""
    for name in sorted(scores, key=lambda name: -scores[name]):
        for cut in range(1, len(name)):
            if name[:cut] in scores and name[cut:] in scores:
                yield name[:cut], name[cut:]


READERS: Final[dict[Any, Callable[[Sequence[str], Mapping[str, Any], str], Any]]] = {
    "gpt2": _byte_level,
    "llama": _sentence_pieces,
}
"""tokenizer.ggml.model -> what makes its engine."""


def read_roles(metadata: Mapping[str, Any], tokens: Sequence[str], opens: bool, where: str) -> SpecialNames:
    """Return which tokens are special; `opens` says whether a text begins with bos where the file does not."""

    def named(role: str) -> str | None:
        number = metadata.get(f"{KEY}{role}_token_id")
        if number is not None and not (isinstance(number, int) and 0 <= number < len(tokens)):
            raise ArtifactError(f"{where}: {KEY}{role}_token_id={number!r} is none of {len(tokens):,} tokens")
        return None if number is None else tokens[number]

    bos, eos = named("bos"), named("eos")
    if eos is None:
        raise ConfigError(f"{where}: has no {KEY}eos_token_id, so texts would have no end: give --tokenizer")
    begins = bos is not None and metadata.get(f"{KEY}add_bos_token", opens) is True
    roles = {ours: named(theirs) for ours, theirs in ROLES.items()}
    return SpecialNames.parse({"eos": eos, "before": [bos] if begins else [], **roles}, where)


def write_tokenizer(tokenizer: TextTokenizer, engine: Any, rows: int) -> dict[str, Any]:
    """Return the metadata of our tokenizer, filled up with unused tokens to the rows of the embedding.

    Raises ConfigError if GGUF has no name for it: the split before the merges must be one of those that llama.cpp knows.
    """
    data = json.loads(engine.to_str())
    pre = split_name(data)
    special = tokenizer.special
    names = {number: name for name, number in engine.get_vocab().items()}
    control = {added["id"] for added in data["added_tokens"] if added["special"]}
    user = {added["id"] for added in data["added_tokens"]} - control
    opening = tokenizer.before_ids
    if len(opening) > 1:
        raise ConfigError(f"texts open with {len(opening)} tokens, and GGUF files have a place for one; take export.format=hf")
    roles = {theirs: getattr(special, ours) for ours, theirs in ROLES.items()}
    return {
        f"{KEY}model": "gpt2",
        f"{KEY}pre": pre,
        f"{KEY}tokens": [names.get(number, f"[UNUSED{number}]") for number in range(rows)],
        f"{KEY}token_type": [
            CONTROL if number in control else USER_DEFINED if number in user else NORMAL if number in names else UNUSED
            for number in range(rows)
        ],
        f"{KEY}merges": [pair if isinstance(pair, str) else " ".join(pair) for pair in data["model"]["merges"]],
        f"{KEY}eos_token_id": tokenizer.eos_id,
        **({f"{KEY}bos_token_id": opening[0]} if opening else {}),
        f"{KEY}add_bos_token": bool(opening),
        f"{KEY}add_eos_token": False,
        **{f"{KEY}{theirs}_token_id": tokenizer.id_of(name) for theirs, name in roles.items() if name is not None},
    }


def split_name(data: Mapping[str, Any]) -> str:
    """Return the name that llama.cpp has for the split of a tokenizer.json; ConfigError if it has none."""
    model = data["model"]
    if data["normalizer"] is not None:
        raise ConfigError(
            f"this tokenizer normalises its text ({data['normalizer']['type']}), which llama.cpp does not; take export.format=hf, "
            "or train it with tokenizer.normalisation: none"
        )
    found = next((name for name, make in SPLITS.items() if _state(make()) == _shape(data["pre_tokenizer"])), None)
    if model["type"] != "BPE" or found is None or not model["merges"]:
        raise ConfigError(
            f"GGUF files are written with byte-level BPE whose split llama.cpp knows ({', '.join(SPLITS)}), and this tokenizer is "
            f"{model['type']} with another one; take export.format=hf"
        )
    return found


def _state(part: Any) -> Any:
    """Return how tokenizer.json describes a split."""
    engine: Any = Tokenizer(models.BPE())
    engine.pre_tokenizer = part
    return _shape(json.loads(engine.to_str())["pre_tokenizer"])


def _shape(state: Any) -> Any:
    """Return a split without what does not change tokens: where offsets are trimmed."""
    if isinstance(state, dict):
        return {key: _shape(value) for key, value in state.items() if key != "trim_offsets"}
    return [_shape(value) for value in state] if isinstance(state, list) else state


def _numbered(tokens: Sequence[str], where: str) -> dict[str, int]:
    vocabulary = {name: number for number, name in enumerate(tokens)}
    if len(vocabulary) != len(tokens):
        raise ArtifactError(f"{where}: two tokens have one name; the file is damaged")
    return vocabulary


def _list(metadata: Mapping[str, Any], name: str, kind: type, where: str) -> list[Any]:
    """Return a list of the tokenizer; ArtifactError if it is missing or holds something else."""
    found = metadata.get(f"{KEY}{name}")
    if not isinstance(found, list) or not all(isinstance(item, kind) for item in found):
        raise ArtifactError(f"{where}: {KEY}{name} is missing or damaged; give --tokenizer")
    return found


def _checked(make: Callable[[], Any], where: str) -> Any:
    try:
        return make()
    except Exception as error:  # the library raises bare Exception
        raise ArtifactError(f"{where}: its tokenizer is damaged ({error}); give --tokenizer") from None
