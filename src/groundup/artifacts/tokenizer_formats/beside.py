"""What the files beside a vocabulary say of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from groundup.artifacts.tokenizer_formats.given import AGAIN, MAX_TOKENS, read_json
from groundup.core.errors import ArtifactError

CONFIG_FILE = "tokenizer_config.json"
MAP_FILE = "special_tokens_map.json"
ADDED_FILE = "added_tokens.json"
MODEL_FILE = "config.json"
FILES = (MAP_FILE, CONFIG_FILE, ADDED_FILE, MODEL_FILE)
"""Of two that name the same part the later one is believed."""
PARTS = ("bos", "eos", "unk", "sep", "cls", "pad", "mask")


@dataclass(frozen=True)
class Beside:
    """What tokenizer_config.json, special_tokens_map.json, added_tokens.json and config.json say; nothing where there is none."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    """tokenizer_config.json."""
    model_type: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    """Part ('eos', 'mask', ...) -> token."""
    added: Mapping[str, int] = field(default_factory=dict)
    """Tokens beside the vocabulary -> id."""
    ordinary: frozenset[str] = frozenset()
    """Those of them that stand for text."""

    @classmethod
    def of(cls, folder: Path) -> "Beside":
        """Read what is there; raise ArtifactError if a file is damaged."""
        found = {name: read_json(folder / name) for name in FILES if (folder / name).is_file()}
        settings, model = found.get(CONFIG_FILE, {}), found.get(MODEL_FILE, {})
        names: dict[str, str] = {}
        for file in (MAP_FILE, CONFIG_FILE):
            for part in PARTS:
                name = _name(found.get(file, {}).get(f"{part}_token"))
                if name is not None:
                    names[part] = name
        model_type = model.get("model_type")
        return cls(
            settings=settings,
            model_type=model_type if isinstance(model_type, str) else None,
            names=names,
            added=_added(folder, _entries(settings), found.get(ADDED_FILE, {})),
            ordinary=frozenset(str(_name(entry)) for entry in _entries(settings).values() if not _is_special(entry)),
        )


def _entries(settings: Mapping[str, Any]) -> dict[str, Any]:
    entries = settings.get("added_tokens_decoder")
    return entries if isinstance(entries, dict) else {}


def _is_special(entry: Any) -> bool:
    return isinstance(entry, dict) and entry.get("special") is True


def _name(value: Any) -> str | None:
    """Return the token, which is written as a string or as an object with its content."""
    name = value.get("content") if isinstance(value, dict) else value
    return name if isinstance(name, str) and name else None


def _added(folder: Path, entries: Mapping[str, Any], listed: Mapping[str, Any]) -> dict[str, int]:
    """Return the added tokens of both files: content -> id."""
    added: dict[str, int] = {}
    for name, number in [*((_name(entry), number) for number, entry in entries.items()), *listed.items()]:
        if name is None or not str(number).isdecimal() or int(number) >= MAX_TOKENS:
            raise ArtifactError(f"{folder}: added token {str(name)[:40]!r} has no usable id ({str(number)[:40]}); {AGAIN}")
        added[name] = int(number)
    return added
