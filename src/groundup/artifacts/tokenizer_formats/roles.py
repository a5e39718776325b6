"""Which tokens of a foreign tokenizer are special, and what each is for."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, pre_tokenizers

from groundup.artifacts.special_tokens import FillNames, SpecialNames
from groundup.artifacts.tokenizer_formats.beside import CONFIG_FILE, Beside
from groundup.artifacts.tokenizer_formats.families import FILLS, MODES, SENTINEL, find_family
from groundup.core.errors import ArtifactError

_SHARED_PARTS = ("eos", "pad", "unk", "mask", "sep")
BYTE_NAMES = tuple(f"<0x{byte:02X}>" for byte in range(256))


def find_roles(engine: Any, beside: Beside, path: Path) -> SpecialNames:
    """Return the parts of the special tokens.

    What the files beside the vocabulary name comes first, then what is known of the family. What stands before and after a text is
    what the tokenizer's own template puts there, if it has one. Raises ArtifactError if nothing says what ends a document.
    """
    vocabulary: Mapping[str, int] = engine.get_vocab(with_added_tokens=True)
    family = find_family(beside.model_type, vocabulary)
    named = {part: name for part, name in beside.names.items() if name in vocabulary}
    known: dict[str, str] = (
        {} if family is None else {part: getattr(family, part) for part in _SHARED_PARTS if getattr(family, part)}
    )
    parts = known | named
    eos = parts.get("eos", parts.get("sep"))
    if eos is None:
        raise ArtifactError(
            f'{path}: nothing says which of its {len(vocabulary):,} tokens ends a document; name it as "eos_token" in a file '
            f"{CONFIG_FILE} beside it"
        )
    before, after = _around(engine, family, parts.get("bos"), eos)
    data: dict[str, Any] = {
        "eos": eos,
        "before": before,
        "after": after,
        "start": family.start if family is not None else None,
        **{part: parts[part] for part in ("pad", "mask", "sep") if part in parts},
        "unk": parts["unk"] if parts.get("unk") not in (None, eos) else None,
        "sentinels": _sentinels(vocabulary),
        "modes": MODES if all(name in vocabulary for name in MODES.values()) else {},
        "fill": next((fill.model_dump() for fill in FILLS if _holds(vocabulary, fill)), None),
    }
    return SpecialNames.parse(data, str(path))


def _holds(vocabulary: Mapping[str, int], fill: FillNames) -> bool:
    return all(name in vocabulary for name in (fill.prefix, fill.suffix, fill.middle))


def _sentinels(vocabulary: Mapping[str, int]) -> tuple[str, ...]:
    """Return the sentinels in the order of their numbers, as far as they are numbered without a gap."""
    found = {int(match[1]): name for name in vocabulary if (match := SENTINEL.fullmatch(name))}
    return tuple(found[number] for number in range(len(found)) if number in found)


def _around(engine: Any, family: SpecialNames | None, bos: str | None, eos: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what stands before and after a text."""
    template = read_template(json.loads(engine.to_str()).get("post_processor"))
    if template is not None:
        return template
    if family is not None and family.eos == eos:
        return family.before if bos is None or family.after or family.before == (eos,) else (bos,), family.after
    return (bos or eos,), ()


def read_template(processor: Any) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Return what the last step of a tokenizer.json puts (before, after) a text; None if it puts nothing."""
    if not isinstance(processor, dict):
        return None
    kind = processor.get("type")
    if kind == "Sequence":
        return next((found for step in processor["processors"] if (found := read_template(step)) is not None), None)
    if kind in ("BertProcessing", "RobertaProcessing"):
        return (processor["cls"][0],), (processor["sep"][0],)
    if kind != "TemplateProcessing":
        return None
    before: list[str] = []
    after: list[str] = []
    place = before
    for item in processor["single"]:
        if "Sequence" in item:
            place = after
        else:
            place += processor["special_tokens"][item["SpecialToken"]["id"]]["tokens"]
    return (tuple(before), tuple(after)) if before or after else None


def protect(engine: Any, names: SpecialNames) -> None:
    """Mark the special tokens as such, and see to it that no text is read as one of them, or as the token of a byte.

    A Unigram model finds every name of its vocabulary in a text. Where that happens, the text is cut inside the name, which only
    changes the tokens of such texts.
    """
    added = {token.content: token for token in engine.get_added_tokens_decoder().values()}
    unmarked = [name for name in names.distinct() if name not in added or not added[name].special]
    engine.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in unmarked])
    engine.encode_special_tokens = True
    special = [name for name, token in added.items() if token.special] + unmarked
    found = [name for name in [*special, *BYTE_NAMES] if len(name) > 1 and _is_found(engine, name)]
    if found:
        cut = pre_tokenizers.Split(Regex(_inside(found)), behavior="merged_with_previous")
        before = engine.pre_tokenizer
        engine.pre_tokenizer = cut if before is None else pre_tokenizers.Sequence([before, cut])


def _is_found(engine: Any, name: str) -> bool:
    token_id = engine.token_to_id(name)
    return token_id is not None and token_id in engine.encode(name, add_special_tokens=False).ids


def _inside(names: list[str]) -> str:
    """Return a pattern of the first characters of the names, where the rest follows."""
    rests: dict[str, list[str]] = {}
    for name in names:
        rests.setdefault(name[0], []).append(re.escape(name[1:]))
    return "|".join(f"{re.escape(first)}(?={'|'.join(rest)})" for first, rest in rests.items())
